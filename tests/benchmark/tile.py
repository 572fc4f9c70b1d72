"""How near `dfaseg tile` with patches comes to what decoding and encoding cost.

    python -m tests.benchmark.tile SLIDE [--save png|jpeg] [--mpp UM] [--patch-size PX] [--threads]
        [--labelled] [--repeat N]

The whole slide is cut, glass and all, so that every native tile counts once. Decoding alone and
encoding alone are core-seconds; the limit is their sum, over the cores. The ratio of core-seconds
holds on a busy machine, the one of seconds on an idle one only. Processes that cut are counted with
their start; with --threads there are none, as in a run on up to four cores. With --labelled each
patch gets a label mask of a thousand drawn shapes per gigapixel, whose encoding counts as well.

With --repeat all this is done so many times in turn, and the ratios' medians are printed as well:
on a machine that others use one part may be slow by chance.
"""

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from dfaseg.cutting import crew
from dfaseg.cutting.encoding import encode_label, encode_patch
from dfaseg.cutting.job import plan_cutting
from dfaseg.cutting.labelling import Labelling
from dfaseg.cutting.slide_label import read_cut_label
from dfaseg.cutting.slide_run import tile_slide
from dfaseg.cutting.spec import PatchFormat, TileSpec
from dfaseg.geometry import Tile
from dfaseg.limits import share_cores
from dfaseg.slide import open_slide
from dfaseg.slide.inputs import SlideInput
from dfaseg.tiler.patch_jobs import do_patches
from dfaseg.tiler.rows import tile_reader
from dfaseg.tiler.tile_rows import TileRows
from tests.benchmark.drawn_labelling import draw_labelling
from tests.benchmark.processes import cpu_seconds, end_side_processes


def cost_of_decoding(path: str, spec: TileSpec) -> float:
    """Return the core-seconds of decoding each native tile once."""
    with closing(open_slide(path)) as slide:
        cut = plan_cutting(slide.info, "slide", spec, "none")
        read_tile = tile_reader(slide, cut.plan)
        level = slide.info.levels[cut.plan.level]

        def decode_row(row: int) -> None:
            for col in range(level.num_tile_cols):
                read_tile(col, row)

        before = time.process_time()
        with ThreadPoolExecutor(cut.num_workers) as pool:
            for _ in pool.map(decode_row, range(level.num_tile_rows)):
                pass
        return time.process_time() - before


def cost_of_encoding(path: str, spec: TileSpec, labelling: Labelling | None) -> float:
    """Return the core-seconds of encoding the patches and their labels, which lie ready."""
    with closing(open_slide(path)) as slide:
        cut = plan_cutting(slide.info, "slide", spec, "none")
        label = labelling and read_cut_label(labelling, "slide", slide.info, cut.plan, (0, 0)).label

        def encode(tile: Tile, pixels: NDArray[np.uint8] | None) -> float:
            assert pixels is not None
            indices = None if label is None else label.read_rect(tile.mask_rect)
            before = time.thread_time()
            encode_patch(pixels, spec.save)
            if indices is not None:
                encode_label(indices)
            return time.thread_time() - before

        selected = np.ones((cut.grid.num_rows, cut.grid.num_cols), np.bool_)
        rows = TileRows(slide, cut.plan, cut.grid, selected)
        return sum(do_patches(rows, lambda _tiles: encode, num_workers=cut.num_workers))


def cost_of_all(path: str, spec: TileSpec, labelling: Labelling | None) -> tuple[float, float]:
    """Return the core-seconds and the seconds of the whole run."""
    spec.out.mkdir()
    before, started = cpu_seconds(), time.perf_counter()
    tile_slide(SlideInput("slide", path), spec, labelling)
    seconds = time.perf_counter() - started
    end_side_processes()
    return cpu_seconds() - before, seconds


def measure(path: str, spec: TileSpec, labelling: Labelling | None) -> tuple[float, float]:
    """Measure the parts, then the whole, and return both ratios."""
    with closing(open_slide(path)) as slide:
        cut = plan_cutting(slide.info, "slide", spec, "none")
    decoding = cost_of_decoding(path, spec)
    encoding = cost_of_encoding(path, spec, labelling)
    spent, seconds = cost_of_all(path, spec, labelling)
    limit = (decoding + encoding) / cut.num_workers
    ratios = spent / (decoding + encoding), seconds / limit
    print(f"patches               {cut.grid.num_rows * cut.grid.num_cols}")
    print(f"decoding alone        {decoding:.2f} core-s")
    print(f"encoding alone        {encoding:.2f} core-s")
    print(f"whole run             {spent:.2f} core-s, {seconds:.2f} s")
    print(f"ratio of core-seconds {ratios[0]:.2f}")
    print(f"ratio to the limit    {ratios[1]:.2f}   (limit {limit:.2f} s)", flush=True)
    return ratios


def main() -> None:
    """Measure as often as asked and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("slide")
    parser.add_argument("--save", choices=[*get_args(PatchFormat)], default="png")
    parser.add_argument("--mpp", type=float, default=0.5)
    parser.add_argument("--patch-size", type=int, default=512)
    parser.add_argument("--labelled", action="store_true", help="write label masks as well")
    parser.add_argument("--threads", action="store_true", help="cut in this process only")
    parser.add_argument("--repeat", type=int, default=1, help="how often to measure all this")
    chosen = parser.parse_args()
    share_cores()
    crew.LEAST_WORKERS = 10**6 if chosen.threads else 2
    rounds = []
    for _ in range(chosen.repeat):
        with tempfile.TemporaryDirectory() as folder:
            labelling = draw_labelling(chosen.slide, Path(folder)) if chosen.labelled else None
            spec = TileSpec(
                out=Path(folder) / "out",
                mpp=chosen.mpp,
                patch_px=chosen.patch_size,
                save=chosen.save,
                tissue="none",
            )
            rounds.append(measure(chosen.slide, spec, labelling))
    if chosen.repeat > 1:
        cores, clock = (median(column) for column in zip(*rounds, strict=True))
        print(f"medians of {chosen.repeat}          {cores:.2f} and {clock:.2f}")


if __name__ == "__main__":
    main()
