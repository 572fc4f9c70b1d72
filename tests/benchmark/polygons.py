"""How fast polygons are traced and written, in CPU time of one core, and in how much memory.

    python -m tests.benchmark.polygons [--width PX] [--height PX] [--tissue SHARE] [--noise X]
        [--repeat N]

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
from pathlib import Path

from dfaseg.annotation import GeoJsonWriter, MaskFrame, Polygonizer, PolygonSpec
from dfaseg.classmap import IGNORE_INDEX
from tests.benchmark.drawn_mask import CLASSES, Drawing, draw_strips

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


def measure(arguments: argparse.Namespace) -> None:
    """Trace and write one mask and print what it took."""
    tracing, writing = Stopwatch(), Stopwatch()
    spec = PolygonSpec(CLASSES, FRAME, PIXEL_AREA_UM2, "benchmark")
    drawing = Drawing(arguments.width, arguments.height, arguments.tissue, arguments.noise)
    tissue_px = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "polygons.geojson"
        with (
            Polygonizer(arguments.width, spool=Path(folder) / "spool") as polygonizer,
            GeoJsonWriter(path, spec) as writer,
        ):
            for rows in draw_strips(drawing):
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
    parser.add_argument("--noise", type=float, default=1.0, help="4 for a poor model's mask")
    parser.add_argument("--repeat", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
