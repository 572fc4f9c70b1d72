"""Kill a run over many slides at random moments and look at what comes of it.

    python -m tests.stress.kills --kills 50 [--apart]

Each life of the run is a process of its own that is killed with SIGKILL after a random time; the
next goes on in the same folder. When all slides are finished, their files must be those of a run
that nobody killed, byte for byte, and a new folder is begun, until there were enough kills. A
journal of what each life computed shows that no row of tiles is computed again once it is saved,
and nothing of a slide that is finished.
"""

import argparse
import fcntl
import functools
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dfaseg.inference import outputs, pipeline, slide_run
from dfaseg.inference.batch.run import predict_slides
from dfaseg.inference.batch.spec import BatchSpec
from dfaseg.inference.outputs import OutputPaths
from dfaseg.inference.results import process
from dfaseg.inference.spec import PredictSpec
from dfaseg.slide.inputs import SlideInput, find_slide_inputs
from dfaseg.stitcher.canvas import Canvas
from tests.factories import write_tiff_slide
from tests.predicting import identity_network, written_bytes

NUM_SLIDES = 3
LONGEST_LIFE = 0.6
"""Of the time that an undisturbed run takes."""
PUBLISHING_PAUSE = 0.01
"""Seconds between two renames, so that some kills come between them."""
LOCKING_PAUSE = 0.002
"""Seconds between a scratch file and its lock, so that some kills come between them."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What happened in all."""

    kills: int
    rounds: int
    rows: int
    repeated: int


def make_slides(folder: Path) -> tuple[SlideInput, ...]:
    """Write slides of noise, in which polygons stay open over many rows of tiles."""
    folder.mkdir()
    for number in range(NUM_SLIDES):
        coarse = np.random.default_rng(number).integers(0, 255, (110, 40 + 8 * number, 3), np.uint8)
        pixels = np.kron(coarse, np.ones((2, 2, 1), np.uint8))
        write_tiff_slide(
            folder / f"s{number}.tif", pixels, tile_px=64, compression="lzw", downsamples=(1,)
        )
    return find_slide_inputs([str(folder)])


def live(slides: Sequence[SlideInput], out: Path, journal: Path) -> None:
    """Run over all slides, and note each row of tiles that is begun and each that is saved."""
    handle = os.open(journal, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    current = [""]

    def note(word: str, slide_id: str, row: int) -> None:
        os.write(handle, f"{word} {slide_id} {row}\n".encode())

    add, save, publish = Canvas.add, slide_run.save_state, OutputPaths.publish
    replace, flock = outputs._replace, fcntl.flock

    def slow_flock(handle: int, operation: int) -> None:
        time.sleep(LOCKING_PAUSE)
        flock(handle, operation)

    def slow_replace(made: Path, final: Path, old: Path) -> None:
        replace(made, final, old)
        time.sleep(PUBLISHING_PAUSE)

    def noted_add(canvas: Canvas, tiles: Any, logits: torch.Tensor) -> None:
        note("row", current[0], tiles[0].row)
        add(canvas, tiles, logits)

    def noted_save(folder: Path, state: Any) -> None:
        save(folder, state)
        note("saved", current[0], int(state["next_row"]))

    def noted_publish(paths: OutputPaths) -> None:
        publish(paths)
        note("finished", paths.mask.stem, 0)

    def show(slide: SlideInput, _place: int, _count: int) -> Any:
        current[0] = slide.id
        return _Silent()

    Canvas.add = noted_add  # type: ignore[method-assign]
    OutputPaths.publish = noted_publish  # type: ignore[method-assign]
    outputs._replace = slow_replace
    fcntl.flock = slow_flock  # type: ignore[assignment]
    slide_run.save_state = noted_save
    pipeline.resolve_model = lambda _name: Path("memory")
    pipeline.load_network = lambda _path, **_options: identity_network(2)
    settings = PredictSpec(
        slide="", out=out / "x.zarr", tissue="none", workers=1, patch_px=32, overlap_px=8,
        batch_size=3, checkpoint_seconds=0.0,
    )  # fmt: skip
    report = predict_slides(BatchSpec(slides=slides, folder=out, settings=settings), show=show)
    assert all(slide.outcome.value in {"done", "skipped"} for slide in report.slides), report


def in_a_process(work: Callable[[], None], seconds: float | None) -> bool:
    """Do something in a process that is killed after a time; tell whether it came to its end.

    Forked, so that the libraries are loaded once; this process itself has no other thread.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "a life ended in an error"
    return not os.WIFSIGNALED(status)


def repeated_rows(journal: Path) -> tuple[int, int]:
    """Return how many rows of tiles were begun, and how many of them needlessly."""
    saved: dict[str, int] = {}
    begun: list[tuple[str, int]] = []
    repeated = 0
    for line in journal.read_text().splitlines():
        word, slide, row = line.split()
        if word == "row":
            begun.append((slide, int(row)))
            repeated += int(row) < saved.get(slide, 0)
        else:
            saved[slide] = sys.maxsize if word == "finished" else int(row)
    return len(set(begun)), repeated


def kill_again_and_again(kills: int, seed: int, folder: Path) -> Trial:
    """Kill runs so many times, let each folder be finished, and compare it with an undisturbed one.

    Raises:
        AssertionError: Files differ, or something is left over.
    """
    generator = random.Random(seed)
    slides = make_slides(folder / "slides")
    began = time.monotonic()
    in_a_process(functools.partial(live, slides, folder / "whole", folder / "unused"), None)
    seconds = LONGEST_LIFE * (time.monotonic() - began)
    done = rounds = rows = repeated = 0
    while done < kills:
        out, journal = folder / "killed", folder / "journal"
        work = functools.partial(live, slides, out, journal)
        is_finished = False
        while done < kills and not is_finished:
            is_finished = in_a_process(work, generator.uniform(0, seconds))
            done += not is_finished
        if not is_finished:
            in_a_process(work, None)
        compare(out, folder / "whole", slides)
        new_rows, new_repeated = repeated_rows(journal)
        rounds, rows, repeated = rounds + 1, rows + new_rows, repeated + new_repeated
        shutil.rmtree(out)
        journal.unlink()
    return Trial(done, rounds, rows, repeated)


def compare(out: Path, whole: Path, slides: Sequence[SlideInput]) -> None:
    """Make sure that two folders hold the same results and nothing unfinished."""
    for slide in slides:
        assert written_bytes(out / f"{slide.id}.zarr") == written_bytes(whole / f"{slide.id}.zarr")
    left = [path.name for path in out.iterdir() if path.name.startswith(".")]
    assert set(left) <= {".dfaseg", ".run.jsonl.lock"}, left


class _Silent:
    def __enter__(self) -> Callable[[int, int], None]:
        return lambda _done, _all: None

    def __exit__(self, *_error: object) -> None:
        pass


def main() -> None:
    """Run from the command line; print what happened and fail if anything was done twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument(
        "--apart", action="store_true", help="let a process of its own make the results"
    )
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    process._PAYS_FROM_PX = 0 if arguments.apart else sys.maxsize
    process.available_cores = lambda: 2
    with tempfile.TemporaryDirectory() as folder:
        trial = kill_again_and_again(arguments.kills, arguments.seed, Path(folder))
    sys.stdout.write(
        f"{trial.kills} kills in {trial.rounds} rounds of {NUM_SLIDES} slides: {trial.rows} rows "
        f"of tiles, {trial.repeated} of them computed again after they were saved\n"
    )
    sys.exit(trial.repeated > 0)


if __name__ == "__main__":
    main()
