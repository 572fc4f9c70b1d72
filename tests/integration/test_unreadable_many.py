"""Slides of a folder of which single tiles cannot be decoded: they are done, and it is said."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from dfaseg.cli.main import cli
from dfaseg.inference.batch.events import EventLog
from dfaseg.inference.batch.owners import Owner
from tests.factories import corrupt_tile, write_tiff_slide
from tests.predicting import identity_network, run_command, use

TILE_PX = 64


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
    image = np.random.default_rng(1).integers(0, 256, (256, 256, 3), np.uint8)
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


def test_whole_slides_need_no_word(tmp_path: Path, slides: Path) -> None:
    """Neither a count nor a table."""
    result = run(slides / "good.tif", "--out", tmp_path / "out")

    assert "unreadable" not in result.output + status_of(tmp_path / "out").output


def test_status_goes_by_the_attempt_that_made_the_result(tmp_path: Path, slides: Path) -> None:
    """Not by one that failed later and changed nothing."""
    run(slides, "--out", tmp_path / "out")
    EventLog(tmp_path / "out" / "run.jsonl", Owner.of_this_process()).add("failed", "bad")

    assert "partly unreadable       1\n" in status_of(tmp_path / "out").stdout
