"""How fast polygons are traced and written, in CPU time of one core, and in how much memory.

    python -m tests.benchmark.polygons [--width PX] [--height PX] [--tissue SHARE] [--repeat N]

The mask has five classes: smooth areas with frayed borders and thousands of specks, as a network
gives them, in islands of tissue. It is made while it is traced and comes in strips, as in
`dfaseg predict`. Printed are megapixels of mask per second of CPU time, which other jobs on the
machine disturb less than seconds of the clock, and the peak memory of the process, which should
not depend on ``--height``.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation import GeoJsonWriter, MaskFrame, Polygonizer, PolygonSpec
from dfaseg.classmap import IGNORE_INDEX, ClassMap
from tests.benchmark.make_slide import lay_out

CLASSES = ClassMap.from_records(
    [
        {"index": index, "name": name, "colour": colour}
        for index, (name, colour) in enumerate(
            [
                ("tumour", "#c80000"),
                ("stroma", "#96c896"),
                ("inflammation", "#3c3cc8"),
                ("necrosis", "#646464"),
                ("fat", "#f0dc78"),
            ]
        )
    ]
)
BLOCK_PX = 1536
NUM_BLOCKS = 12
CELL_PX = 4
"""Mask pixels per value of the network's output."""
STRIP_PX = 384
"""Rows that `dfaseg predict` hands on at a time, with the default model."""
OCTAVES = ((64, 1.0), (16, 0.45), (4, 0.24), (1, 0.1))
"""Grain of the noise in cells, and its share; the finest makes the specks."""
FRAME = MaskFrame(2.8, 2.8)
PIXEL_AREA_UM2 = 1.96


class Stopwatch:
    """Sums the CPU time of this thread in ``with`` blocks."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self.seconds -= time.thread_time()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.thread_time()


def draw_block(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the classes of one block: the argmax of smooth noise, one field per class."""
    cells = BLOCK_PX // CELL_PX
    classes = np.zeros((BLOCK_PX, BLOCK_PX), np.uint8)
    best = np.full(classes.shape, -np.inf, np.float32)
    for index in range(len(CLASSES)):
        logits = np.zeros((cells, cells), np.float32)
        for grain, share in OCTAVES:
            noise = rng.standard_normal((cells // grain,) * 2, np.float32)
            logits += share * cv2.resize(noise, (cells, cells), interpolation=cv2.INTER_CUBIC)
        field = cv2.resize(logits, best.shape, interpolation=cv2.INTER_LINEAR)
        classes[field > best] = index
        np.maximum(best, field, out=best)
    return classes


def draw_strips(width: int, height: int, tissue: float) -> Iterator[NDArray[np.uint8]]:
    """Yield the rows of a mask made of turned blocks on glass."""
    rng = np.random.default_rng(0)
    blocks = [np.full((BLOCK_PX, BLOCK_PX), IGNORE_INDEX, np.uint8)]
    blocks += [draw_block(rng) for _ in range(NUM_BLOCKS)]
    layout = lay_out(-(-height // BLOCK_PX), -(-width // BLOCK_PX), tissue, rng)
    for number, which in enumerate(layout % (NUM_BLOCKS + 1)):
        turns = rng.integers(4, size=which.size).tolist()
        row = [np.rot90(blocks[block], turn) for block, turn in zip(which, turns, strict=True)]
        rows = np.concatenate(row, axis=1)[: height - number * BLOCK_PX, :width]
        for top in range(0, len(rows), STRIP_PX):
            yield rows[top : top + STRIP_PX]


def measure(arguments: argparse.Namespace) -> None:
    """Trace and write one mask and print what it took."""
    tracing, writing = Stopwatch(), Stopwatch()
    spec = PolygonSpec(CLASSES, FRAME, PIXEL_AREA_UM2, "benchmark")
    tissue_px = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "polygons.geojson"
        with (
            Polygonizer(arguments.width, spool=Path(folder) / "spool") as polygonizer,
            GeoJsonWriter(path, spec) as writer,
        ):
            for rows in draw_strips(arguments.width, arguments.height, arguments.tissue):
                tissue_px += int((rows != IGNORE_INDEX).sum())
                with tracing:
                    polygons = polygonizer.add_rows(rows)
                with writing:
                    writer.write(polygons)
            with tracing:
                polygons = polygonizer.finish()
            with writing:
                writer.write(polygons)
        size = path.stat().st_size
    num_px = arguments.width * arguments.height
    print(f"mask           {num_px / 1e6:6.0f} Mpx     {tissue_px / num_px:7.0%} tissue")
    both = tracing.seconds + writing.seconds
    for name, seconds in (
        ("tracing", tracing.seconds),
        ("writing", writing.seconds),
        ("both", both),
    ):
        print(f"{name:14s} {seconds:6.2f} core-s  {num_px / 1e6 / seconds:6.0f} Mpx/s per core")
    print(f"polygons       {writer.num_features:6d}         {size / 1e6:6.1f} MB")


def main() -> None:
    """Measure and print."""
    arguments = _parsed()
    for _ in range(arguments.repeat):
        measure(arguments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"peak memory    {peak / 1e6:6.0f} MB")


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--width", type=int, default=8192)
    parser.add_argument("--height", type=int, default=8192)
    parser.add_argument("--tissue", type=float, default=0.3)
    parser.add_argument("--repeat", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
