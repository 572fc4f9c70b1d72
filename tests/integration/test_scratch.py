"""``--scratch``: slides copied first, results made on a local disk, nothing left there."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from dfaseg.errors import OutputError, StoppedError
from dfaseg.inference import opening, pipeline
from dfaseg.inference.batch.run import predict_slides
from dfaseg.inference.batch.spec import BatchSpec
from dfaseg.inference.outputs import OutputPaths
from dfaseg.inference.parked import PARKED_FILE
from dfaseg.inference.spec import PredictSpec
from dfaseg.slide.inputs import SlideInput, find_slide_inputs
from dfaseg.storage.scratch import Scratch
from tests.factories import tissue_like_image, write_tiff_slide
from tests.predicting import (
    identity_network,
    predict,
    record_of,
    run_command,
    stop_after,
    use,
    written_bytes,
)

KILLED_WHILE_COPYING = """
import os, signal, sys
from pathlib import Path
from dfaseg.inference import disk_workshops, pipeline
from dfaseg.inference.spec import PredictSpec
from tests.predicting import identity_network

pipeline.resolve_model = lambda name: Path("memory")
pipeline.load_network = lambda path, **options: identity_network(2)
copy, left = disk_workshops.copy_whole, [int(sys.argv[4])]

def copy_some(source, target):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    copy(source, target)

disk_workshops.copy_whole = copy_some
pipeline.predict_slide(
    PredictSpec(slide=sys.argv[1], out=Path(sys.argv[2]), scratch=Path(sys.argv[3]), tissue="none",
                workers=1, patch_px=32, overlap_px=8, batch_size=3, checkpoint_seconds=0.0)
)
"""


@pytest.fixture(autouse=True)
def other_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a network that costs nothing, and take scratch for another disk than the slides'."""
    use(monkeypatch, network=identity_network(2))
    monkeypatch.setattr(Scratch, "is_home_of", lambda _scratch, _path: False)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Return an empty folder for scratch."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    """Write a slide of several rows of tiles."""
    return write_tiff_slide(
        tmp_path / "s.tif",
        tissue_like_image(100, 260),
        tile_px=64,
        compression="lzw",
        downsamples=(1,),
    )


SETTINGS: dict[str, Any] = {"patch_px": 32, "overlap_px": 8, "batch_size": 3}


def test_results_are_the_same_and_nothing_is_left(
    tmp_path: Path, slide: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slide is read from its copy, and goes by its own name all the same."""
    opened: list[Path] = []
    open_slide = opening.open_slide

    def note(location: Path, **more: Any) -> Any:
        opened.append(location)
        assert location.read_bytes() == slide.read_bytes()
        return open_slide(location, **more)

    predict(tmp_path / "a.zarr", slide, **SETTINGS)
    monkeypatch.setattr(opening, "open_slide", note)
    predict(tmp_path / "b.zarr", slide, scratch=scratch, **SETTINGS)

    (copy,) = opened
    assert scratch in copy.parents
    assert written_bytes(tmp_path / "a.zarr") == written_bytes(tmp_path / "b.zarr")
    assert record_of(tmp_path / "b.zarr")["slide"]["location"] == str(slide)
    assert not list(scratch.iterdir())
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("second", ["another scratch", "no scratch"])
def test_stopped_run_goes_on_though_its_scratch_is_gone(
    tmp_path: Path, slide: Path, scratch: Path, second: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its state is beside the results, in one file, and ends with the same bytes."""
    predict(tmp_path / "whole.zarr", slide, **SETTINGS)
    out = tmp_path / "out" / "whole.zarr"
    out.parent.mkdir()

    with pytest.raises(StoppedError):
        predict(out, slide, scratch=scratch, run=stop_after(5), **SETTINGS)
    hidden = OutputPaths.beside(out).partial
    assert {path.name for path in hidden.iterdir()} == {"lock", PARKED_FILE}
    assert not list(scratch.iterdir())
    scratch.rename(tmp_path / "gone")
    (tmp_path / "new").mkdir()
    caplog.set_level("INFO", logger="dfaseg")
    predict(out, slide, scratch=tmp_path / "new" if second[0] == "a" else None, **SETTINGS)

    assert "going on from row" in caplog.text
    assert written_bytes(out) == written_bytes(tmp_path / "whole.zarr")
    assert not hidden.exists()


def test_run_without_scratch_goes_on_with_one(
    tmp_path: Path, slide: Path, scratch: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What it left beside the results is taken over."""
    predict(tmp_path / "whole.zarr", slide, **SETTINGS)
    out = tmp_path / "out" / "whole.zarr"
    out.parent.mkdir()
    with pytest.raises(StoppedError):
        predict(out, slide, run=stop_after(5), **SETTINGS)
    caplog.set_level("INFO", logger="dfaseg")

    predict(out, slide, scratch=scratch, **SETTINGS)

    assert "going on from row" in caplog.text
    assert written_bytes(out) == written_bytes(tmp_path / "whole.zarr")


@pytest.mark.slow
@pytest.mark.parametrize("files", [0, 1, 4])
def test_nothing_half_copied_has_a_final_name(
    tmp_path: Path, slide: Path, scratch: Path, files: int
) -> None:
    """A kill -9 between two files leaves none; the next run cleans scratch and goes on."""
    out = tmp_path / "out" / "s.zarr"
    out.parent.mkdir()
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", KILLED_WHILE_COPYING, slide, out, scratch, str(files)]

    killed = subprocess.run(command, check=False, env=environment)

    assert killed.returncode == -signal.SIGKILL
    assert [path.name for path in out.parent.iterdir()] == [".s.zarr.partial"]
    assert len(list(scratch.iterdir())) == 1
    predict(out, slide, scratch=scratch, **SETTINGS)
    (tmp_path / "whole").mkdir()
    predict(tmp_path / "whole" / "s.zarr", slide, **SETTINGS)
    assert written_bytes(out) == written_bytes(tmp_path / "whole" / "s.zarr")
    assert not list(scratch.iterdir())
    assert not OutputPaths.beside(out).partial.exists()


def test_slide_without_room_is_refused_before_it_is_copied(
    tmp_path: Path, slide: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says how much there is, and how much is needed."""
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: usage)

    with pytest.raises(OutputError, match=r"slide 's\.tif' needs 0\.00 GB, but only .* --scratch"):
        predict(tmp_path / "s.zarr", slide, scratch=scratch, **SETTINGS)

    assert not list(scratch.iterdir())
    assert not list(tmp_path.glob("*s.zarr*"))


def test_missing_scratch_folder_is_named(tmp_path: Path, slide: Path) -> None:
    """Before any work."""
    result = run_command(slide, "--out", tmp_path / "s.zarr", "--scratch", tmp_path / "no")

    assert result.exit_code == 1
    assert f"scratch folder '{tmp_path}/no': cannot be used (No such file" in result.stderr


def test_next_slide_is_copied_while_one_runs(
    tmp_path: Path, slide: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And each copy is removed as soon as its slide is done."""
    (tmp_path / "t.tif").write_bytes(slide.read_bytes())
    copied: list[str] = []
    is_second_there = threading.Event()
    stage = pipeline.stage_slide

    def note(identity: Any, *arguments: Any) -> Any:
        copy = stage(identity, *arguments)
        copied.append(identity.name)
        if len(copied) == 2:
            is_second_there.set()
        return copy

    monkeypatch.setattr(pipeline, "stage_slide", note)

    def show(shown: SlideInput, _place: int, _count: int) -> AbstractContextManager[Any]:
        def progress(done: int, total: int) -> None:
            if shown.id == "s" and done == total:
                assert is_second_there.wait(10)

        assert shown.id == "s" or not list(scratch.glob("*/s.slide"))
        return nullcontext(progress)

    settings = PredictSpec(
        slide="", out=tmp_path / "x.zarr", tissue="none", workers=1, scratch=scratch, **SETTINGS
    )
    slides = find_slide_inputs([str(slide), str(tmp_path / "t.tif")])
    spec = BatchSpec(slides=slides, folder=tmp_path / "out", settings=settings)
    report = predict_slides(spec, show=show)

    assert [outcome.outcome.value for outcome in report.slides] == ["done", "done"]
    assert copied == ["s.tif", "t.tif"]
    assert not list(scratch.iterdir())


def test_stop_ends_a_copy(
    tmp_path: Path, slide: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large slide takes minutes to copy; a job that must end does not have them."""
    stop = threading.Event()
    monkeypatch.setattr("dfaseg.slide.staging._PIECE_BYTES", 1000)
    check_room: Callable[..., None] = Scratch.check_room

    def ask_to_stop(*arguments: Any) -> None:
        check_room(*arguments)
        stop.set()

    monkeypatch.setattr(Scratch, "check_room", ask_to_stop)

    with pytest.raises(StoppedError, match="stopped while it was copied to scratch"):
        predict(tmp_path / "s.zarr", slide, scratch=scratch, run={"stop": stop}, **SETTINGS)

    assert not list(scratch.iterdir())
