"""The least that cutting a slide into JPEG patches costs in Python, to compare `tile` with.

    python -m tests.benchmark.bare_loop SLIDE [--repeat N]

A thread per core reads the bytes of native tiles, decodes them, copies the pixels into a patch of
two by two tiles, encodes it and writes a file. There is no tissue, no table, no picture, no
resuming, no broken tile and no patch that shares tiles: only what nobody can leave out. Printed are
the core-seconds and the seconds of all that, as ratios to the core-seconds of the codecs within it
and to these over the cores. They compare with those of `tests.benchmark.tile SLIDE --save jpeg`.
"""

import argparse
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from statistics import median

import numpy as np

from dfaseg.cutting.encoding import encode_patch
from dfaseg.limits import available_cores, share_cores
from dfaseg.slide.bytesource import FileSource
from dfaseg.slide.identity import identify
from dfaseg.slide.tiff import TiffSlide, open_tiff


def cut_rows(slide: TiffSlide, first: int, step: int, folder: str) -> tuple[float, float]:
    """Cut every ``step``-th row of patches; return the core-seconds of the codecs and of all."""
    stored, source = slide._stored[0], slide._source
    side = stored.size.tile_width
    patch = np.empty((2 * side, 2 * side, 3), np.uint8)
    memory = np.empty((side, side, 3), np.uint8)
    codecs, began = 0.0, time.thread_time()
    for row in range(first, stored.size.height // (2 * side), step):
        for col in range(stored.size.width // (2 * side)):
            for down in (0, 1):
                for right in (0, 1):
                    index = (2 * row + down) * stored.num_cols + 2 * col + right
                    size, offset = int(stored.byte_counts[index]), int(stored.offsets[index])
                    data = source.pread(offset, size)
                    before = time.thread_time()
                    pixels = stored.decode(data, 1, memory)
                    codecs += time.thread_time() - before
                    y, x = down * side, right * side
                    patch[y : y + side, x : x + side] = pixels
            before = time.thread_time()
            content = encode_patch(patch, "jpeg")
            codecs += time.thread_time() - before
            handle = os.open(f"{folder}/{row}-{col}.jpg", os.O_WRONLY | os.O_CREAT, 0o666)
            os.write(handle, content)
            os.close(handle)
    return codecs, time.thread_time() - began


def measure(path: str) -> tuple[float, float]:
    """Cut a whole slide, print what it took and return both ratios."""
    cores = available_cores()
    with (
        tempfile.TemporaryDirectory() as folder,
        ThreadPoolExecutor(cores) as pool,
        closing(open_tiff(FileSource(Path(path)), identify(path), None)) as slide,
    ):
        started = time.perf_counter()
        jobs = [pool.submit(cut_rows, slide, first, cores, folder) for first in range(cores)]
        took = [job.result() for job in jobs]
        seconds = time.perf_counter() - started
    codecs, spent = (sum(column) for column in zip(*took, strict=True))
    print(f"codecs {codecs:.2f} core-s, all {spent:.2f} core-s, {seconds:.2f} s", flush=True)
    return spent / codecs, seconds * cores / codecs


def main() -> None:
    """Measure as often as asked and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("slide", help="a tiled TIFF of whole JPEG tiles")
    parser.add_argument("--repeat", type=int, default=1)
    chosen = parser.parse_args()
    share_cores()
    rounds = [measure(chosen.slide) for _ in range(chosen.repeat)]
    core, clock = (median(column) for column in zip(*rounds, strict=True))
    print(f"ratio of core-seconds {core:.2f}\nratio to the codecs   {clock:.2f} by the clock")


if __name__ == "__main__":
    main()
