"""Run over many small slides in one process and look at what it holds after each.

    python -m tests.stress.many --slides 200

Prints resident memory, open files and threads after some of the slides. The slides are few files of
several kinds under many ids, so that formats, sizes and failures alternate.
"""

import argparse
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from dfaseg.inference.batch.run import predict_slides
from dfaseg.inference.batch.spec import BatchSpec
from dfaseg.inference.spec import PredictSpec
from dfaseg.slide.inputs import SlideInput
from tests.factories import tissue_like_image, write_tiff_slide
from tests.model_files import write_tiny_model


@dataclass(frozen=True, slots=True)
class Held:
    """What the process holds."""

    memory_bytes: int
    open_files: int
    threads: int


def measure_many(num_slides: int, folder: Path) -> list[Held]:
    """Predict slides and return what is held after each."""
    files = make_files(folder)
    slides = [SlideInput(f"s{i:04d}", str(files[i % len(files)]), 0.5) for i in range(num_slides)]
    settings = PredictSpec(
        slide="", out=folder / "x.zarr", model=str(write_tiny_model(folder / "tiny.safetensors")),
        tissue="none", workers=1, device="cpu",
    )  # fmt: skip
    held: list[Held] = []
    spec = BatchSpec(slides=slides, folder=folder / "out", settings=settings)
    predict_slides(spec, show=lambda *_slide: _Measured(held))
    return held


def make_files(folder: Path) -> list[Path]:
    """Write slides of several kinds, one of them broken."""
    files = [
        write_tiff_slide(
            folder / f"{number}.tif",
            tissue_like_image(140 + 60 * number, 200, seed=number),
            tile_px=64,
            compression=compression,
        )
        for number, compression in enumerate(("jpeg", "lzw", "jpeg2000"))
    ]
    Image.fromarray(tissue_like_image(200, 160)).save(folder / "picture.png")
    (folder / "broken.tif").write_bytes(files[0].read_bytes()[:700])
    return [*files, folder / "picture.png", folder / "broken.tif"]


def held_now() -> Held:
    """Ask the system what this process holds."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    num_files = len(list(Path("/proc/self/fd").iterdir()))
    return Held(pages * 4096, num_files, threading.active_count())


class _Measured:
    """Measures at the end of each slide."""

    def __init__(self, held: list[Held]) -> None:
        self._held = held

    def __enter__(self) -> Callable[[int, int], None]:
        return lambda _done, _all: None

    def __exit__(self, *_error: object) -> None:
        self._held.append(held_now())


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slides", type=int, default=200)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        held = measure_many(arguments.slides, Path(folder))
    for number in sorted({1, *range(10, len(held) + 1, 10), len(held)}):
        now = held[number - 1]
        sys.stdout.write(
            f"after {number:4d} slides: {now.memory_bytes / 1e6:7.1f} MB, "
            f"{now.open_files} files, {now.threads} threads\n"
        )


if __name__ == "__main__":
    main()
