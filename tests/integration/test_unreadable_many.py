"""Slides of a folder of which single tiles cannot be decoded: they are done, and it is said."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from dfaseg.cli.main import cli
from dfaseg.inference.batch.events import EventLog
from dfaseg.inference.batch.owners import Owner
from dfaseg.inference.overlay import MARGIN_PX
from tests.factories import corrupt_tile, write_tiff_slide
from tests.predicting import (
    everything_below,
    identity_network,
    mask_of,
    record_of,
    run_command,
    use,
)

SIDE_PX, TILE_PX = 256, 64


@pytest.fixture(autouse=True)
def network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs use a network that costs nothing."""
    use(monkeypatch, network=identity_network(2))


@pytest.fixture
def slides(tmp_path: Path) -> Path:
    """Return a folder of two slides; one tile in the middle of ``bad.tif`` is damaged.

    Noise cannot be packed, so that the tile lies in neither end of the file.
    """
    folder = tmp_path / "slides"
    folder.mkdir()
    for name in ("bad", "good"):
        write_good(folder / f"{name}.tif")
    corrupt_tile(folder / "bad.tif", 0, 1, 2)
    return folder


def write_good(path: Path) -> None:
    """Write a slide as it should be."""
    image = np.random.default_rng(1).integers(0, 256, (SIDE_PX, SIDE_PX, 3), np.uint8)
    write_tiff_slide(path, image, tile_px=TILE_PX, compression="deflate", downsamples=(1,))


def run(*arguments: object) -> Result:
    """Run the command on one thread and all of each slide."""
    return run_command(*arguments, "--tissue", "none", "--workers", 1)


def status_of(out: Path) -> Result:
    """Ask how a folder stands."""
    return CliRunner().invoke(cli, ["status", str(out)])


def test_tiles_that_cannot_be_decoded_are_told_of(tmp_path: Path, slides: Path) -> None:
    """While the slide is done, at the end, and whenever the folder is asked about."""
    result = run(slides, "--out", tmp_path / "out")

    assert result.exit_code == 0
    assert (
        "dfaseg: warning: slide 'bad': 1 tile could not be decoded (255 in the mask, listed in "
        "bad.run.json); get the slide again and pass --overwrite\n"
    ) in result.stderr
    assert "slide 'good': 1 tile" not in result.stderr
    assert result.stdout.endswith(
        "partly unreadable       1\n\n"
        "bad  1 tile could not be decoded, see bad.run.json; get the slide again and pass "
        "--overwrite\n"
    )
    told = status_of(tmp_path / "out").stdout
    assert "done                    2\n" in told
    assert "partly unreadable       1\n" in told
    assert told.endswith("\n\nbad  done         1 tile could not be decoded, see bad.run.json\n")


def test_picture_shows_where_tiles_could_not_be_decoded(tmp_path: Path, slides: Path) -> None:
    """Where the tile lies, and nowhere else; a slide without such tiles has no line for it."""
    run(slides, "--out", tmp_path)

    bad, good = (
        np.asarray(Image.open(tmp_path / f"{name}.overlay.png")).astype(int)
        for name in ("bad", "good")
    )
    inside = (slice(MARGIN_PX, MARGIN_PX + SIDE_PX),) * 2
    rows, cols = (bad[inside] != good[inside]).any(axis=-1).nonzero()
    found = np.array([cols.min(), rows.min(), cols.max(), rows.max()]) / TILE_PX
    assert np.abs(found - [1, 2, 2, 3]).max() < 0.05  # an outline, and borders of classes
    tile = bad[inside][2 * TILE_PX : 3 * TILE_PX, TILE_PX : 2 * TILE_PX]
    assert (tile.max(axis=-1) == tile.min(axis=-1)).all()  # grey
    assert tile.min() < 120


def test_whole_slides_need_no_word(tmp_path: Path, slides: Path) -> None:
    """Neither a count nor a table."""
    result = run(slides / "good.tif", "--out", tmp_path / "out")

    assert "unreadable" not in result.output + status_of(tmp_path / "out").output


def test_status_goes_by_the_attempt_that_made_the_result(tmp_path: Path, slides: Path) -> None:
    """Not by one that failed later and changed nothing."""
    run(slides, "--out", tmp_path / "out")
    EventLog(tmp_path / "out" / "run.jsonl", Owner.of_this_process()).add("failed", "bad")

    assert "partly unreadable       1\n" in status_of(tmp_path / "out").stdout


def test_finished_slide_with_gaps_is_told_of_whenever_it_is_skipped(
    tmp_path: Path, slides: Path
) -> None:
    """It is not done again, whatever is passed: nothing more can be had of it."""
    out = tmp_path / "out"
    run(slides, "--out", out)
    before = everything_below(out)

    for options in ((), ("--overwrite",)):
        result = run(slides, "--out", out, *options)
        forecast = run(slides, "--out", out, "--dry-run", *options)

        assert result.exit_code == 0
        assert "finished before         2\n" in result.stdout
        assert "partly unreadable       1\n\nbad  1 tile could not be decoded" in result.stdout
        assert "bad   skip     finished; 1 tile could not be decoded\n" in forecast.stdout
        assert "good  skip     finished\n" in forecast.stdout
    assert everything_below(out) == before


def test_repaired_slide_is_done_again_where_that_is_allowed(tmp_path: Path, slides: Path) -> None:
    """Size and both ends are those of the damaged file, but its tiles can be decoded."""
    out = tmp_path / "out"
    run(slides, "--out", out)
    write_good(slides / "bad.tif")

    forecast = run(slides, "--out", out, "--dry-run")
    refused = run(slides, "--out", out)
    allowed = run(slides, "--out", out, "--dry-run", "--overwrite")
    done = run(slides, "--out", out, "--overwrite")
    again = run(slides, "--out", out, "--overwrite")

    reason = (
        "finished earlier with tiles that could not be decoded and can be now; pass --overwrite"
    )
    assert "bad   refuse " in forecast.stdout
    assert refused.exit_code == 3
    assert reason in refused.stdout
    assert "bad   replace " in allowed.stdout
    assert "done                    1\nfinished before         1\n" in done.stdout
    assert "finished before         2\n" in again.stdout
    assert "unreadable" not in again.stdout + status_of(out).stdout
    assert record_of(out / "bad.zarr")["unreadable_native_tiles"] == []
    assert (mask_of(out / "bad.zarr") == mask_of(out / "good.zarr")).all()


def test_record_of_tiles_of_another_level_is_no_sign_of_repair(
    tmp_path: Path, slides: Path
) -> None:
    """As other versions might have read it; those tiles are not the ones that are read now."""
    out = tmp_path / "out"
    run(slides, "--out", out)
    record = record_of(out / "bad.zarr")
    record["settings"]["level"] = 1
    record["unreadable_native_tiles"][0]["column"] = 0
    (out / "bad.run.json").write_text(json.dumps(record))

    assert "finished before         2\n" in run(slides, "--out", out).stdout
