"""A stopped or killed run goes on where it was and ends with the same bytes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from dfaseg.errors import StoppedError
from dfaseg.inference.hidden_folder import PUBLISHING
from dfaseg.inference.outputs import OutputPaths
from dfaseg.inference.state import STATE_FILE
from dfaseg.slide.array import ArraySlide
from tests.factories import corrupt_tile, write_tiff_slide
from tests.model_files import write_tiny_model
from tests.predicting import identity_network, predict, run_command, use, written_bytes

TILING = {"patch_px": 32, "overlap_px": 8, "batch_size": 3, "checkpoint_seconds": 0.0}

KILLER = textwrap.dedent("""
    import os, random, signal, sys, time
    from pathlib import Path
    from dfaseg.errors import OutputError
    from dfaseg.inference import pipeline
    from dfaseg.inference.spec import PredictSpec
    from tests.predicting import identity_network

    slide, whole, killed = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    pipeline.resolve_model = lambda name: Path("memory")
    pipeline.load_network = lambda path, **options: identity_network(2)

    def start(out):
        # Forked, so that the libraries are loaded once; this process itself has no other thread.
        child = os.fork()
        if child == 0:
            spec = PredictSpec(slide=slide, out=out, tissue="none", workers=1, patch_px=32,
                               overlap_px=8, batch_size=3, checkpoint_seconds=0.0)
            # A process that a run was just starting when it was killed keeps its lock until it
            # has become another program.
            for _ in range(100):
                try:
                    pipeline.predict_slide(spec)
                except OutputError as error:
                    if "another run is writing" not in str(error):
                        raise
                    time.sleep(0.05)
                else:
                    os._exit(0)
            os._exit(1)
        return child

    began = time.monotonic()
    os.waitpid(start(whole), 0)
    seconds = time.monotonic() - began
    for _ in range(6):
        child = start(killed)
        time.sleep(random.uniform(0, 0.9 * seconds))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if killed.exists():
            break
    os.waitpid(start(killed), 0)
""")
"""Runs that save their state after every row of tiles: one whole, one killed six times."""


def noisy_image(width: int = 100, height: int = 220, seed: int = 0) -> np.ndarray:
    """Return noise, in which polygons stay open over many rows."""
    coarse = np.random.default_rng(seed).integers(0, 255, (height // 2, width // 2, 3), np.uint8)
    return np.kron(coarse, np.ones((2, 2, 1), np.uint8))


def stop_after(batches: int) -> dict[str, object]:
    """Return the arguments of a run that is asked to stop after some batches."""
    stop = threading.Event()
    calls = iter(range(10**6))

    def progress(_done: int, _total: int) -> None:
        if next(calls) >= batches:
            stop.set()

    return {"progress": progress, "stop": stop}


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the files of a run that was never stopped."""
    out = tmp_path_factory.mktemp("whole") / "m.zarr"
    with pytest.MonkeyPatch.context() as patch:
        use(patch, network=identity_network(2), slide=ArraySlide(noisy_image(), tile_px=64))
        predict(out, **TILING)
    return written_bytes(out)


@pytest.fixture
def whole(whole_run: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Return what a run should end with, and let the test's own runs use that slide."""
    use(monkeypatch, network=identity_network(2), slide=ArraySlide(noisy_image(), tile_px=64))
    return whole_run


def hidden(out: Path) -> Path:
    """Return the folder of the unfinished run."""
    return OutputPaths.beside(out).partial


def stop_once(out: Path, batches: int, **settings: object) -> None:
    """Begin a run and stop it."""
    with pytest.raises(StoppedError, match="run the same command again"):
        predict(out, **(TILING | settings), run=stop_after(batches))


@pytest.mark.parametrize("batches", [1, 5, 8])
def test_stopped_run_goes_on_to_the_same_bytes(
    tmp_path: Path, whole: dict[str, bytes], batches: int
) -> None:
    """Nothing appears under a final name before the end, and then all files at once."""
    out = tmp_path / "m.zarr"

    stop_once(out, batches)
    assert [path.name for path in tmp_path.iterdir()] == [hidden(out).name]
    predict(out, **TILING)

    assert written_bytes(out) == whole
    assert not hidden(out).exists()


def test_run_may_be_stopped_again_and_again(tmp_path: Path, whole: dict[str, bytes]) -> None:
    """Each part adds at least one row of tiles; batch size and threads may change in between."""
    out = tmp_path / "m.zarr"
    for batch_size, workers in ((1, 1), (5, 3), (2, 2)):
        stop_once(out, 1, batch_size=batch_size, workers=workers)

    predict(out, **TILING)

    assert written_bytes(out) == whole


def test_changed_recipe_starts_anew(tmp_path: Path, whole: dict[str, bytes]) -> None:
    """What another overlap left behind is not mixed in."""
    out = tmp_path / "m.zarr"
    stop_once(out, 6, overlap_px=16)

    predict(out, **TILING)

    assert written_bytes(out) == whole


@pytest.mark.parametrize(
    "damage", ["cut state", "other state", "no mask", "short polygons", "short spool"]
)
def test_damaged_leftovers_start_anew(tmp_path: Path, whole: dict[str, bytes], damage: str) -> None:
    """A state, or files that do not fit it, never end the next run, nor change its result."""
    out = tmp_path / "m.zarr"
    stop_once(out, 6)
    partial = hidden(out)
    if damage == "cut state":
        os.truncate(partial / STATE_FILE, 300)
    elif damage == "other state":
        np.savez(partial / STATE_FILE, next_row=np.array(3))
    elif damage == "no mask":
        shutil.rmtree(partial / out.name)
    else:
        name = "m.geojson" if damage == "short polygons" else "polygons.spool"
        os.truncate(partial / name, 1)

    predict(out, **TILING)

    assert written_bytes(out) == whole
    assert not partial.exists()


def test_run_killed_while_its_files_were_renamed_is_put_in_place(
    tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A half-published result is completed before anything else is looked at."""
    out, stem, publish = tmp_path / "m.zarr", tmp_path / "m", OutputPaths.publish
    monkeypatch.setattr(OutputPaths, "publish", lambda _paths: None)
    predict(out, **TILING)
    monkeypatch.setattr(OutputPaths, "publish", publish)
    paths = OutputPaths.beside(out)
    paths.made(paths.mask).rename(paths.mask)

    result = predict(out, **TILING)

    assert result.places == paths
    assert written_bytes(out) == whole
    assert stem.with_suffix(".run.json").is_file()
    assert not paths.partial.exists()


@pytest.fixture
def slide_file(tmp_path: Path) -> Path:
    """Return a slide on disk with many rows of tiles."""
    return write_tiff_slide(
        tmp_path / "slide.tif", noisy_image(), tile_px=64, compression="lzw", downsamples=(1,)
    )


def start(*command: object) -> "subprocess.Popen[str]":
    """Start a command and read its output as text."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


@pytest.mark.slow
def test_killed_run_ends_with_the_same_bytes(tmp_path: Path, slide_file: Path) -> None:
    """``kill -9`` at any moment leaves something that the next run completes."""
    whole, killed = (tmp_path / name / "m.zarr" for name in ("whole", "killed"))
    for out in (whole, killed):
        out.parent.mkdir()

    with start("-c", KILLER, slide_file, whole, killed) as runs:
        _, errors = runs.communicate()

    assert runs.returncode == 0, errors
    assert written_bytes(killed) == written_bytes(whole), errors
    assert len(list(killed.parent.iterdir())) == 5


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_signal_stops_the_command_with_75(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C and a scheduler's SIGTERM keep what is done and say how to go on."""
    slide = write_tiff_slide(
        tmp_path / "s.tif", noisy_image(170, 6000), tile_px=64, compression="lzw", downsamples=(1,)
    )
    model = write_tiny_model(tmp_path / "tiny.safetensors")
    out = tmp_path / "out" / "m.zarr"
    out.parent.mkdir()
    arguments = ("-m", "dfaseg", "predict", slide, "--out", out, "--model", model)
    with start(*arguments, "--tissue", "none", "--batch-size", 1, "--device", "cpu") as run:
        wait_for(hidden(out) / out.name)
        run.send_signal(number)
        output, errors = run.communicate()

    assert run.returncode == 75
    assert output == ""
    assert "stopping after this row" in errors
    assert errors.strip().splitlines()[-1].endswith("run the same command again to go on")
    assert [path.name for path in out.parent.iterdir()] == [hidden(out).name]


@pytest.mark.slow
def test_second_interrupt_ends_at_once(tmp_path: Path, slide_file: Path) -> None:
    """Who presses Ctrl-C twice does not wait for the row of tiles, and finds no broken result."""
    model = write_tiny_model(tmp_path / "tiny.safetensors")
    out = tmp_path / "out" / "m.zarr"
    out.parent.mkdir()
    arguments = ("-m", "dfaseg", "predict", slide_file, "--out", out, "--model", model)
    # One row of tiles: the first request could only be heeded at the very end.
    with start(*arguments, "--tissue", "none", "--patch-size", 32, "--overlap", 28) as run:
        wait_for(hidden(out) / out.name)
        run.send_signal(signal.SIGINT)
        time.sleep(0.1)
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate()

    assert run.returncode in {75, 130}
    assert "Traceback" not in errors
    assert not out.exists()


def wait_for(path: Path, seconds: float = 120) -> None:
    """Wait until a path exists."""
    end = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert path.exists()


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
@pytest.mark.parametrize("moved", [0, 1, 5])
def test_run_killed_when_all_was_made_is_finished_by_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], moved: int
) -> None:
    """It only puts in place what waits, says what was found, and is no error."""
    slide = write_tiff_slide(tmp_path / "s.tif", noisy_image(), tile_px=32)
    model = write_tiny_model(tmp_path / "tiny.safetensors")
    arguments = [slide, "--model", model, "--tissue", "none", *options, "--out"]
    whole = run_command(*arguments, tmp_path / "whole.zarr")
    paths = OutputPaths.beside(tmp_path / "m.zarr")
    monkeypatch.setattr(OutputPaths, "publish", lambda _paths: None)
    run_command(*arguments, paths.mask)
    monkeypatch.undo()
    for final in paths.finals[:moved]:
        paths.made(final).rename(final)
    assert (paths.partial / PUBLISHING).exists()
    made = paths.record if moved == len(paths.finals) else paths.made(paths.record)
    time_made = made.stat().st_mtime_ns

    done = run_command(*arguments, paths.mask)

    assert done.exit_code == 0, done.output
    assert done.stdout == whole.stdout.replace("whole", "m")
    assert "finished by an earlier run, now in place" in done.stderr
    assert not paths.partial.exists()
    assert paths.record.stat().st_mtime_ns == time_made


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("areas", b""),
        ("areas", b"\xff\xfe"),
        ("areas", b"index,class,pixels,mm2,percent\n"),
        ("areas", b"index,class,pixels,mm2,percent\n0,a,5\n"),
        ("areas", b"index,class,pixels,mm2,percent\n0,a,x,1,1\n"),
        ("record", None),
    ],
)
def test_damaged_results_that_waited_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes | None
) -> None:
    """One line; with --overwrite they are replaced, but for what does not look like ours."""
    slide = write_tiff_slide(tmp_path / "s.tif", noisy_image(), tile_px=32)
    model = write_tiny_model(tmp_path / "tiny.safetensors")
    arguments = [slide, "--model", model, "--tissue", "none", "--out", tmp_path / "m.zarr"]
    paths = OutputPaths.beside(tmp_path / "m.zarr")
    with monkeypatch.context() as patch:
        patch.setattr(OutputPaths, "publish", lambda _paths: None)
        run_command(*arguments)
    made = paths.made(getattr(paths, name))
    if content is None:
        record = json.loads(made.read_text())
        del record["polygons"]
        content = json.dumps(record).encode()
    made.write_bytes(content)

    told = run_command(*arguments)
    replaced = run_command(*arguments, "--overwrite")

    assert told.exit_code == 1
    if content.startswith((b"index", b"{")):
        assert "already there; pass --overwrite" in told.stderr
        assert replaced.exit_code == 0, replaced.output
        assert b"pixels" in paths.areas.read_bytes()
    else:
        assert "areas.csv': is there already, was not written by dfaseg" in told.stderr
        assert (replaced.exit_code, paths.areas.read_bytes()) == (1, content)


def test_unreadable_tiles_of_results_that_waited_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at the end of the run that found them."""
    slide = write_tiff_slide(tmp_path / "s.tif", noisy_image(), tile_px=32)
    corrupt_tile(slide, 0, col=1, row=1)
    model = write_tiny_model(tmp_path / "tiny.safetensors")
    arguments = [slide, "--model", model, "--tissue", "none", "--out", tmp_path / "m.zarr"]
    with monkeypatch.context() as patch:
        patch.setattr(OutputPaths, "publish", lambda _paths: None)
        run_command(*arguments)

    done = run_command(*arguments)

    assert done.exit_code == 0
    assert "1 tile could not be decoded (255 in the mask, listed in m.run.json)" in done.stderr


def test_results_of_another_model_that_waited_are_not_taken_for_these(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come in place, and the run says in what they differ."""
    slide = write_tiff_slide(tmp_path / "s.tif", noisy_image(), tile_px=32)
    one = write_tiny_model(tmp_path / "one.safetensors")
    other = write_tiny_model(tmp_path / "other.safetensors", description="another")
    arguments = [slide, "--tissue", "none", "--out", tmp_path / "m.zarr", "--model"]
    monkeypatch.setattr(OutputPaths, "publish", lambda _paths: None)
    run_command(*arguments, one)
    monkeypatch.undo()

    refused = run_command(*arguments, other)
    replaced = run_command(*arguments, other, "--overwrite")

    assert refused.exit_code == 1
    assert "finished earlier with another model file; pass --overwrite" in refused.stderr
    assert replaced.exit_code == 0, replaced.output
