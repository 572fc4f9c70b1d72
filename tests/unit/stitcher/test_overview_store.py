"""The picture below a mask: read by Zarr, level by level."""

from pathlib import Path

import numpy as np
import pytest
import zarr

from dfaseg.stitcher import overview_store, shards
from dfaseg.stitcher.overview_store import write_overview


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make chunks of 8 px and shards of 32 px, so that tests need few pixels."""
    monkeypatch.setattr(shards, "CHUNK_PX", 8)
    monkeypatch.setattr(overview_store, "CHUNK_PX", 8)
    monkeypatch.setattr(shards, "SHARD_PX", 32)


@pytest.mark.parametrize("shape", [(5, 3), (32, 32), (70, 45), (33, 100)])
def test_zarr_reads_the_picture(tmp_path: Path, shape: tuple[int, int]) -> None:
    """Colours come first, and sides need not be multiples of anything."""
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)

    write_overview(tmp_path, pixels, num_levels=1)

    stored = zarr.open_array(tmp_path / "0", mode="r")[:]
    np.testing.assert_array_equal(np.moveaxis(np.asarray(stored), 0, -1), pixels)


def test_levels_are_rounded_means(tmp_path: Path) -> None:
    """A last column without a neighbour counts twice."""
    pixels = np.zeros((2, 3, 3), np.uint8)
    pixels[0, 0], pixels[:, 2] = 7, 100

    write_overview(tmp_path, pixels, num_levels=2)

    level = zarr.open_array(tmp_path / "1", mode="r")
    assert level.shape == (3, 1, 2)
    assert np.asarray(level[0]).tolist() == [[2, 100]]  # 7 / 4, rounded


def test_white_takes_no_file(tmp_path: Path) -> None:
    """What the fill value says already is left out."""
    pixels = np.full((70, 70, 3), 255, np.uint8)
    pixels[40, 40] = 1

    write_overview(tmp_path, pixels, num_levels=1)

    files = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("c/*/*/*")]
    assert files == ["0/c/0/1/1"]
