"""What a native tile costs whatever its size: the Python around its decoding.

    python -m tests.benchmark.tile_overhead [--workers N]

Tiles of 16 px hold next to nothing to decode, resample or copy, so what reading them costs is what
Python and the hand-over between threads cost. One thread at a time runs Python: many threads that
decode wait for it, and a million divided by this figure is the most tiles per second a process can
read. Scale and patches are those of a slide of 256 px tiles at 0.5 µm read at 1.4 µm in patches of
512 px, in tiles per patch.
"""

import argparse
import tempfile
import time
from contextlib import closing
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile

from dfaseg.geometry import TileGrid
from dfaseg.slide import open_slide
from dfaseg.slide.slide import Slide
from dfaseg.tiler.plan import plan_reading
from dfaseg.tiler.rows import tile_reader
from dfaseg.tiler.stream import PatchStream

TILE_PX = 16
MPP, READ_MPP = 0.5, 1.4
PATCH_PX, OVERLAP_PX = 32, 8


def write_slide(path: Path, tiles: int) -> None:
    """Write a slide of ``tiles`` × ``tiles`` small tiles."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (TILE_PX, TILE_PX, 3)).astype(np.uint8)
    data = imagecodecs.jpeg8_encode(pixels, level=80, colorspace="RGB", outcolorspace="YCBCR")
    side = tiles * TILE_PX
    tifffile.imwrite(
        path,
        (data for _ in range(tiles * tiles)),
        shape=(side, side, 3),
        dtype=np.uint8,
        tile=(TILE_PX, TILE_PX),
        compression="jpeg",
        photometric="ycbcr",
        subsampling=(2, 2),
        resolution=(1e4 / MPP, 1e4 / MPP),
        resolutionunit="CENTIMETER",
        metadata=None,
    )


def read_alone(slide: Slide, tiles: int) -> float:
    """Return the core-seconds of reading every tile, in this thread."""
    read = tile_reader(slide, plan_reading(slide.info, READ_MPP))
    before = time.process_time()
    for row in range(tiles):
        for col in range(tiles):
            read(col, row)
    return time.process_time() - before


def stream_patches(slide: Slide, workers: int) -> float:
    """Return the core-seconds of a whole stream of patches."""
    plan = plan_reading(slide.info, READ_MPP)
    grid = TileGrid(plan.width, plan.height, PATCH_PX, OVERLAP_PX)
    selected = np.ones((grid.num_rows, grid.num_cols), bool)
    before = time.process_time()
    for _ in PatchStream(slide, plan, grid, selected, batch_size=8, num_workers=workers):
        pass
    return time.process_time() - before


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tiles", type=int, default=256, help="along each side of the slide")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small_tiles.tif"
        write_slide(path, arguments.tiles)
        with closing(open_slide(path)) as slide:
            alone = read_alone(slide, arguments.tiles)
            streamed = stream_patches(slide, arguments.workers)
    scale = 1e6 / arguments.tiles**2
    print(
        f"reading a tile      {alone * scale:6.1f} core-µs\n"
        f"a stream of patches {streamed * scale:6.1f} core-µs per tile "
        f"({arguments.workers} workers)"
    )


if __name__ == "__main__":
    main()
