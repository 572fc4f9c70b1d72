"""A bad tile found before a stop is still known after it."""

import threading
from pathlib import Path
from typing import Any

import pytest

from dfaseg.errors import StoppedError
from dfaseg.slide.array import ArraySlide
from tests.factories import tissue_like_image
from tests.predicting import identity_network, mask_of, predict, record_of, use, written_bytes

TILE_PX = 24
SETTINGS: dict[str, Any] = {"patch_px": 32, "overlap_px": 8, "batch_size": 1}


def stop_in_first_row(out: Path) -> None:
    """Begin a run, and stop it at the end of its first row of patches."""
    stop = threading.Event()
    with pytest.raises(StoppedError, match="stopped at row 1 of"):
        predict(
            out,
            **SETTINGS,
            run={"stop": stop, "progress": lambda done, _: stop.set() if done else None},
        )


def test_stop_below_a_bad_tile_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last mask row of the tile is written after the stop, though none reads it again."""
    slide = ArraySlide(tissue_like_image(72, 96, seed=1), tile_px=TILE_PX, failing=[(0, 1, 0)])
    use(monkeypatch, network=identity_network(2), slide=slide)
    predict(tmp_path / "whole.zarr", **SETTINGS)

    stop_in_first_row(tmp_path / "parts.zarr")
    predict(tmp_path / "parts.zarr", **SETTINGS)

    assert (mask_of(tmp_path / "whole.zarr")[:TILE_PX, TILE_PX : 2 * TILE_PX] == 255).all()
    assert written_bytes(tmp_path / "parts.zarr") == written_bytes(tmp_path / "whole.zarr")
    assert len(record_of(tmp_path / "parts.zarr")["unreadable_native_tiles"]) == 1


def test_run_over_a_slide_that_was_repaired_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Rows with the hole and rows without would be of two slides."""
    image = tissue_like_image(72, 96, seed=1)
    whole = ArraySlide(image, tile_px=TILE_PX)
    use(monkeypatch, network=identity_network(2), slide=whole)
    predict(tmp_path / "whole.zarr", **SETTINGS)
    use(monkeypatch, slide=ArraySlide(image, tile_px=TILE_PX, failing=[(0, 1, 0)]))
    stop_in_first_row(tmp_path / "parts.zarr")
    use(monkeypatch, slide=whole)

    predict(tmp_path / "parts.zarr", **SETTINGS)

    assert "slide 'array': tiles that could not be decoded before can be now" in caplog.text
    assert written_bytes(tmp_path / "parts.zarr") == written_bytes(tmp_path / "whole.zarr")
    assert record_of(tmp_path / "parts.zarr")["unreadable_native_tiles"] == []
