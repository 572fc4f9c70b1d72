"""How `dfaseg tile --save jpeg` would do on more cores than there are.

    python -m tests.benchmark.tile_lock SLIDE [--workers 1 2 4 8 16] [--labelled]

What threads wait for where there are many of them is Python's lock. It can be seen on a few cores:
codecs sleep for as long as they would work, which takes no core, so that as many threads as one
likes can decode and encode at the same time. What is left is Python's part and the writing of
files, and if processes do that, this machine's cores bound it. The whole slide, of JPEG tiles of
256 px, is cut into patches of 512 px. Seconds are those of the whole run, without the start of
processes. With --labelled label masks are drawn and encoded besides, which is not put to sleep.
"""

import argparse
import tempfile
import time
from pathlib import Path

from dfaseg.cutting import crew
from dfaseg.cutting.labelling import Labelling
from dfaseg.cutting.slide_run import tile_slide
from dfaseg.cutting.spec import TileSpec
from dfaseg.limits import share_cores
from dfaseg.slide.inputs import SlideInput
from tests.benchmark.drawn_labelling import draw_labelling
from tests.benchmark.sleeping_codecs import DECODING, ENCODING, put_to_sleep


def seconds_of(
    path: str, workers: int, most_processes: int, labelling: Labelling | None
) -> tuple[float, int]:
    """Cut a slide and return the seconds, and the number of patches."""
    crew.MAX_PROCESSES = most_processes
    with tempfile.TemporaryDirectory() as folder:
        spec = TileSpec(out=Path(folder), save="jpeg", tissue="none", workers=workers)
        started = time.perf_counter()
        record = tile_slide(SlideInput("slide", path), spec, labelling)
        return time.perf_counter() - started, record.num_tiles


def main() -> None:
    """Measure threads and processes with each number of workers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("slide")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--labelled", action="store_true")
    chosen = parser.parse_args()
    share_cores()
    put_to_sleep()
    crew.processes = crew.CrewPool("tests.benchmark.sleeping_codecs")
    crew.LEAST_WORKERS, crew.PX_PER_PROCESS = 2, 1
    crew.processes.start_ahead(max(chosen.workers))
    time.sleep(5)
    print("workers   codecs alone   threads   processes")
    with tempfile.TemporaryDirectory() as folder:
        labelling = draw_labelling(chosen.slide, Path(folder)) if chosen.labelled else None
        for workers in chosen.workers:
            threads, num_patches = seconds_of(chosen.slide, workers, 0, labelling)
            processes, _ = seconds_of(chosen.slide, workers, workers, labelling)
            codecs = num_patches * (4 * DECODING + ENCODING) / workers
            print(
                f"{workers:7}   {codecs:10.2f} s   {threads:5.2f} s   {processes:7.2f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
