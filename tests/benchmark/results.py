"""What everything after the network costs: labels, mask with pyramid, polygons and areas.

    python -m tests.benchmark.results [--width PX] [--height PX] [--tissue SHARE] [--noise X]
        [--repeat N]

Logits like those of a network with five classes go through ``ResultSink`` into the results that
`dfaseg predict` writes, on a disk of ``--folder``. Printed are core-seconds of each part (CPU time
of its thread), the megapixels of mask per second of them, and the seconds of the clock from the
first row to the last file, during which the main thread does nothing but hand on rows.
"""

import argparse
import functools
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from dfaseg.annotation import GeoJsonWriter, MaskFrame, PolygonSpec
from dfaseg.annotation.regions import Polygons
from dfaseg.inference.labelling import HostLabeller
from dfaseg.inference.results import consumers
from dfaseg.inference.results.consumers import AreaResult, MaskResult, PolygonResult, RowConsumer
from dfaseg.inference.results.threads import ThreadedResults
from dfaseg.inference.sink import ResultSink
from dfaseg.inference.state import SavedState, State
from dfaseg.stitcher.canvas import ReleasedRows
from dfaseg.stitcher.labels import LabelUpsampler
from dfaseg.stitcher.ome import MaskSpec
from dfaseg.stitcher.overview_store import Overview
from dfaseg.tiler.tissue import TissueMask
from tests.benchmark.drawn_mask import BLOCK_PX, CELL_PX, CLASSES, Drawing, DrawnLogits

MPP = 1.4
FRAME = MaskFrame(2.8, 2.8)
TISSUE_FACTOR = 16
"""Mask pixels per pixel of the tissue mask."""
RELEASED_CELLS = 1 << 19
"""Cells that the canvas releases at a time."""

Seconds = dict[str, float]


@contextmanager
def timed(seconds: Seconds, name: str) -> Iterator[None]:
    """Add the CPU time of this thread to a part's."""
    started = time.thread_time()
    try:
        yield
    finally:
        seconds[name] = seconds.get(name, 0.0) + time.thread_time() - started


class TimedConsumer:
    """A result whose CPU time is noted."""

    def __init__(self, name: str, consumer: RowConsumer, seconds: Seconds) -> None:
        self._name, self._consumer, self._seconds = name, consumer, seconds

    def begin(self) -> None:
        """Start anew."""
        self._consumer.begin()

    def write_rows(self, mask_rows: NDArray[np.uint8]) -> None:
        """Take rows."""
        with timed(self._seconds, self._name):
            self._consumer.write_rows(mask_rows)

    def finish(self) -> Any:
        """Complete the result."""
        with timed(self._seconds, self._name):
            return self._consumer.finish()

    def state(self) -> State:
        """Return the result's state."""
        return self._consumer.state()

    def restore(self, state: SavedState) -> None:
        """Go on from a state."""
        self._consumer.restore(state)

    def close(self) -> None:
        """Let go of files."""
        self._consumer.close()


def _same(consumer: TimedConsumer) -> TimedConsumer:
    return consumer


class TimedUpsampler(LabelUpsampler):
    """An upsampler whose CPU time is noted."""

    seconds: Seconds

    def add(self, logits: NDArray[np.float32], covered: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Take rows of cells and return mask rows."""
        with timed(self.seconds, "labels"):
            return super().add(logits, covered)


class TimedWriter(GeoJsonWriter):
    """A writer of polygons whose CPU time is noted: it works in a thread of its own."""

    seconds: ClassVar[Seconds] = {}

    def write(self, polygons: Polygons) -> None:
        """Write polygons."""
        with timed(self.seconds, "text"):
            super().write(polygons)


def measure(arguments: argparse.Namespace, drawn: DrawnLogits) -> None:
    """Write all results of one mask and print what they took."""
    width, height = arguments.width, arguments.height
    seconds: Seconds = {}
    TimedWriter.seconds = seconds
    consumers.GeoJsonWriter = TimedWriter  # type: ignore[attr-defined]  # that of its import
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        upsampler = TimedUpsampler(len(CLASSES), width, height, CELL_PX)
        upsampler.seconds = seconds
        timed_results = {
            name: TimedConsumer(name, consumer, seconds)
            for name, consumer in make_consumers(Path(folder), width, height).items()
        }
        started, before = time.perf_counter(), time.process_time()
        host = ThreadedResults(
            {name: functools.partial(_same, consumer) for name, consumer in timed_results.items()}
        )
        with ResultSink(HostLabeller(upsampler), tissue_of(drawn), host) as sink:
            sink.begin()
            with timed(seconds, "drawing"):
                for rows in released(drawn):
                    sink.add(rows, ())
            sink.finish()
        clock = time.perf_counter() - started
        cpu = time.process_time() - before - seconds.pop("drawing")
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    report({**seconds, "all": cpu}, clock, width * height / 1e6, size)


def make_consumers(folder: Path, width: int, height: int) -> dict[str, RowConsumer]:
    """Return the results of a run, not begun yet."""
    spec = MaskSpec(width, height, CLASSES, MPP, MPP)
    shown = -(-height // TISSUE_FACTOR), -(-width // TISSUE_FACTOR)
    overview = Overview(np.full((*shown, 3), 255, np.uint8), TISSUE_FACTOR)
    polygons = PolygonSpec(CLASSES, FRAME, MPP * MPP, "benchmark")
    return {
        "mask": MaskResult(folder / "mask.zarr", spec, overview, {}, shown),
        "polygons": PolygonResult(folder / "polygons.geojson", folder / "spool", width, polygons),
        "areas": AreaResult(CLASSES, MPP, MPP),
    }


def tissue_of(drawn: DrawnLogits) -> TissueMask:
    """Return where there is no glass."""
    side = BLOCK_PX // TISSUE_FACTOR
    mask = np.kron(drawn.layout > 0, np.ones((side, side), bool))
    height, width = (-(-n // TISSUE_FACTOR) for n in (drawn.drawing.height, drawn.drawing.width))
    return TissueMask(mask[:height, :width], TISSUE_FACTOR)


def released(drawn: DrawnLogits) -> Iterator[ReleasedRows]:
    """Yield rows of logits as the canvas releases them."""
    first = 0
    for logits, covered in drawn.rows(RELEASED_CELLS // -(-drawn.drawing.width // CELL_PX)):
        yield ReleasedRows(first, torch.from_numpy(logits), torch.from_numpy(covered))
        first += len(covered)


def report(seconds: Seconds, clock: float, mpx: float, size: int) -> None:
    """Print one line per part."""
    for name, spent in seconds.items():
        print(f"{name:10s} {spent:6.2f} core-s  {mpx / spent:6.0f} Mpx/s per core")
    print(f"clock      {clock:6.2f} s       {mpx / clock:6.0f} Mpx/s         {size / 1e6:.0f} MB")


def main() -> None:
    """Measure and print."""
    arguments = _parsed()
    drawing = Drawing(arguments.width, arguments.height, arguments.tissue, arguments.noise)
    drawn = DrawnLogits.draw(drawing)
    print(f"mask of {drawing.width} x {drawing.height} px, {(drawn.layout > 0).mean():.0%} tissue")
    for _ in range(arguments.repeat):
        measure(arguments, drawn)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"peak memory {peak / 1e6:.0f} MB")


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--width", type=int, default=23400)
    parser.add_argument("--height", type=int, default=23400)
    parser.add_argument("--tissue", type=float, default=0.3)
    parser.add_argument("--noise", type=float, default=1.0, help="4 for a poor model's logits")
    parser.add_argument("--folder", type=Path, help="where results go; the system's if not given")
    parser.add_argument("--repeat", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
