"""How near `dfaseg predict` comes to this machine's limit, for any slide and model.

    python -m tests.benchmark.predict SLIDE [--model FILE] [--device NAME] [--json FILE] ...
    python -m tests.benchmark.predict --sizes 1 4 16

Options mean what they mean in predict. Each figure is taken in a process of its own:

* decode alone: to decode the native tiles that the run needs, nothing else, on all cores, each at
  the size at which the run decodes it (see --decode of predict);
* full decode: the same at all pixels, where that is not the same;
* network alone: to send as many patches, already in memory, through the network, all of them: a
  processor may be a tenth faster for some seconds than it is for as long as a run takes;
* whole run: from opening the slide to the last file closed, and the peaks of memory of its process
  and of the one that makes its results, added up.

On a CPU the limit is (decode + network) / cores, in core-seconds: what the run would take if
nothing else cost anything and no core were ever idle. It counts decoding as the run does it, which
makes it the stricter one; the ratio to the limit with full decoding is printed as well. Both ratios
are of seconds, and hold on an idle machine only. The ratio of core-seconds, the whole run's to
those of decode and network, says what else costs anything, and holds on a busy one too.

On a GPU decoding, copying and the network go on side by side, so the limit is the slowest of the
three: decode alone by the clock, the network and the copy of all decoded pixels from pinned memory
by the device's own. One more run, with its kernels recorded, says how much of the loop the device
was busy.

With --repeat all this is done so many times in turn, and the medians are reported as well: on a
machine that others use a part may be slow by chance.

With --sizes slides are drawn (see ``make_slide``) that are so many times as tall as --base, or as
large in area with --grow both, and a table says how seconds and memory grow.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, get_args

from tests.benchmark.predict_limits import (
    measure_copy,
    measure_decode,
    measure_full_decode,
    measure_network,
)
from tests.benchmark.predict_report import medians, report, report_growth
from tests.benchmark.predict_whole import measure_busy, measure_whole
from tests.benchmark.processes import Figures, measure_apart, this_python

MEASURES: dict[str, Callable[[argparse.Namespace], Figures]] = {
    "decode": measure_decode,
    "full": measure_full_decode,
    "network": measure_network,
    "copy": measure_copy,
    "whole": measure_whole,
    "busy": measure_busy,
}


def main() -> None:
    """Measure and print."""
    from dfaseg.allocator import bound_arenas, collect_rarely
    from dfaseg.limits import available_cores, share_cores

    share_cores()
    bound_arenas(available_cores())
    collect_rarely()
    parser = _parser()
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(MEASURES[arguments.only](arguments)))
        return
    if bool(arguments.slide) == bool(arguments.sizes):
        parser.error("name a slide, or ask for --sizes")
    records: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        for slide in _slides(arguments, Path(scratch)):
            records += _measure(slide, arguments)
    if arguments.sizes:
        print(report_growth(records))
    if arguments.json:
        arguments.json.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


def _measure(slide: str, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Take all measures of a slide as often as asked, print them and yield them."""
    from dfaseg.inference.opening import open_any_slide
    from dfaseg.limits import available_cores
    from tests.benchmark.predict_limits import spec_of

    cores = available_cores()
    arguments.slide = slide
    with closing(open_any_slide(spec_of(arguments, Path("unused.zarr")))) as opened:
        level = opened.info.levels[0]
    print(f"{slide}: {level.width} x {level.height} px, {cores} cores", flush=True)
    rounds = []
    for _ in range(arguments.repeat):
        measured = {name: _apart(name, arguments) for name in MEASURES}
        rounds.append(measured)
        print(report(measured, cores), flush=True)
        settings = {name: getattr(arguments, name) for name in _SETTINGS}
        yield {
            "slide": slide,
            "width": level.width,
            "height": level.height,
            "cores": cores,
            "settings": settings,
            "measured": measured,
        }
    if arguments.repeat > 1:
        print(f"\nmedians of {arguments.repeat} rounds")
        print(report(medians(rounds), cores), flush=True)


def _slides(arguments: argparse.Namespace, scratch: Path) -> Iterator[str]:
    """Yield the slide that was given, or drawn ones of growing size, each removed after use."""
    from tests.benchmark.make_slide import write_slide

    if arguments.slide:
        yield arguments.slide
        return
    for factor in arguments.sizes:
        width, height = arguments.base
        wider = round(factor**0.5) if arguments.grow == "both" else 1
        path = scratch / f"x{factor}.tif"
        write_slide(path, width * wider, height * factor // wider, arguments.share)
        yield str(path)
        path.unlink()


_SETTINGS = ("model", "mpp", "device", "precision", "batch_size", "workers", "tissue", "decode")


def _apart(measure: str, arguments: argparse.Namespace) -> Figures:
    """Take one measure in a fresh interpreter, so that none warms or fattens another."""
    command = this_python("tests.benchmark.predict", str(arguments.slide), "--only", measure)
    for name in (*_SETTINGS, "batches", "folder"):
        value = getattr(arguments, name)
        if value is not None:
            command += [f"--{name.replace('_', '-')}", str(value)]
    return measure_apart(command)


def _parser() -> argparse.ArgumentParser:
    from dfaseg.model.device import Precision
    from dfaseg.tiler.plan import Decoding

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("slide", nargs="?")
    parser.add_argument("--mpp", type=float)
    parser.add_argument("--model")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", choices=["auto", *Precision], default="auto")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--tissue", default="auto")
    parser.add_argument("--decode", choices=get_args(Decoding), default="auto")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--batches", type=int, help="time the network on so many only")
    parser.add_argument("--sizes", type=int, nargs="+", help="times --base, for example 1 4 16")
    parser.add_argument("--base", type=_size, default=(16384, 8192), metavar="WIDTHxHEIGHT")
    parser.add_argument("--grow", choices=["height", "both"], default="height")
    parser.add_argument("--share", type=float, default=0.3, help="of tissue on drawn slides")
    parser.add_argument("--folder", type=Path, help="for drawn slides and results")
    parser.add_argument("--json", type=Path, help="write all figures here too")
    parser.add_argument("--only", choices=list(MEASURES), help="take one measure, print JSON")
    return parser


def _size(text: str) -> tuple[int, int]:
    width, height = map(int, text.split("x"))
    return width, height


if __name__ == "__main__":
    main()
