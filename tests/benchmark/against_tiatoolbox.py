"""dfaseg and TIAToolbox side by side: the same network, slide, patches and overlap.

    python -m tests.benchmark.against_tiatoolbox --python VENV/bin/python [--sizes PX ...]

TIAToolbox lives in an environment of its own, whose interpreter is given; without it only dfaseg
is measured. It needs no more than

    python3 -m venv VENV && VENV/bin/pip install tiatoolbox==2.1.3

The network is a toy, one strided convolution, so that the tools are compared and not the network.
Both see the same patches, average logits where patches overlap, and take the class of the largest.
TIAToolbox writes labels as Zarr. dfaseg writes labels, their pyramid, polygons, an overlay and a
table of areas, as always. Slides are drawn (see ``make_slide``), unless one is given.

Seconds count from the call to the last file closed, in a process that has imported what it needs;
core-seconds likewise. Memory is the largest resident size of TIAToolbox's largest process, without
its loaders; of dfaseg the sum of those of the run and of the process that makes its results.

Labels are compared pixel by pixel. TIAToolbox upsamples each patch for itself and averages then,
and adds patches that begin in the last overlap; dfaseg averages first and interpolates across the
patch's edge. They differ within a cell of the edge of a patch and two of the slide's, and nowhere
else but for ties and, with --tissue picture, where a patch at the border of tissue is analysed by
one tool only.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tests.benchmark import toy_network
from tests.benchmark.compare_labels import compare_labels
from tests.benchmark.make_slide import write_slide
from tests.benchmark.processes import cpu_seconds, end_side_processes, measure_apart, this_python

Record = dict[str, Any]

OTHER_SIDE = Path(__file__).with_name("tiatoolbox_run.py")
TISSUE_PX = 16
"""Slide pixels per pixel of the tissue picture, about."""


def main() -> None:
    """Measure each slide and print."""
    arguments = _parsed()
    if arguments.only_dfaseg:
        print(json.dumps(_run_dfaseg(arguments)))
        return
    has_other = _has_tiatoolbox(arguments.python)
    records = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        for slide in _slides(arguments, Path(scratch)):
            for round_number in range(arguments.repeat):
                folder = Path(scratch) / f"{slide.stem}-{round_number}"
                folder.mkdir()
                records.append(_compare(slide, folder, arguments, has_other=has_other))
                _report(records[-1])
    if arguments.json:
        arguments.json.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


def _slides(arguments: argparse.Namespace, scratch: Path) -> Iterator[Path]:
    """Yield the slide that was given, or drawn ones of each size."""
    if arguments.slide:
        yield arguments.slide.resolve()
        return
    for side in arguments.sizes:
        path = scratch / f"{side}x{side}.tif"
        write_slide(path, side, side, tissue=0.3)
        yield path


def _compare(
    slide: Path, folder: Path, arguments: argparse.Namespace, *, has_other: bool
) -> Record:
    from dfaseg.slide import open_slide

    with closing(open_slide(str(slide), mpp=arguments.mpp)) as opened:
        mpp, level = opened.info.mpp, opened.info.levels[0]
    network = toy_network.write_toy(folder, mpp)
    tissue = _draw_tissue(slide, folder) if arguments.tissue == "picture" else None
    record: Record = {"slide": slide.name, "width": level.width, "height": level.height}
    command = [str(slide), "--network", str(network), "--out", str(folder / "mask.zarr")]
    command += ["--tissue", str(tissue or "none"), "--mpp", str(mpp)]
    command += ["--device", arguments.device, "--only-dfaseg"]
    record["dfaseg"] = _timed(this_python("tests.benchmark.against_tiatoolbox", *command), folder)
    if has_other:
        other = [arguments.python, str(OTHER_SIDE), str(slide), str(folder / "other")]
        other += _other_options(folder, tissue, arguments)
        record["tiatoolbox"] = _timed(other, folder / "other")
        predictions = Path(record["tiatoolbox"]["path"]) / "predictions"
        record |= compare_labels(folder / "mask.zarr", predictions)
    return record


def _other_options(folder: Path, tissue: Path | None, arguments: argparse.Namespace) -> list[str]:
    numbers = {
        "patch": toy_network.PATCH_PX,
        "overlap": toy_network.OVERLAP_PX,
        "stride": toy_network.STRIDE,
        "padding": toy_network.PADDING_PX,
        "mean": toy_network.MEAN,
        "std": toy_network.STD,
        "batch": arguments.other_batch,
        "workers": arguments.other_workers,
        "device": arguments.device,
    }
    options = [str(folder / "toy.npz")]
    options += [text for name, value in numbers.items() for text in (f"--{name}", str(value))]
    return options + (["--tissue", str(tissue)] if tissue else [])


def _timed(command: list[str], results: Path) -> Record:
    """Run one side, and add what shows from outside: the whole process, and files."""
    started = time.perf_counter()
    figures = measure_apart(command)
    figures["process_seconds"] = time.perf_counter() - started
    figures["files"] = sum(path.is_file() for path in results.rglob("*"))
    return figures


def _run_dfaseg(arguments: argparse.Namespace) -> Record:
    """Segment in this process."""
    from dfaseg.allocator import bound_arenas, collect_rarely
    from dfaseg.inference.pipeline import predict_slide
    from dfaseg.inference.spec import PredictSpec
    from dfaseg.limits import available_cores

    bound_arenas(available_cores())  # as the command does
    collect_rarely()
    before, started = cpu_seconds(), time.perf_counter()
    result = predict_slide(
        PredictSpec(
            slide=str(arguments.slide),
            out=arguments.out,
            model=str(arguments.network),
            mpp=arguments.mpp,
            tissue=arguments.tissue,
            blend="uniform",
            device=arguments.device,
        )
    )
    seconds = time.perf_counter() - started
    end_side_processes()
    return {
        "seconds": seconds,
        "core_seconds": cpu_seconds() - before,
        "peak_bytes": float(result.peak_memory_bytes),
        "polygons": result.num_polygons,
    }


def _draw_tissue(slide: Path, folder: Path) -> Path:
    """Write a picture that is white where the slide is darker than glass, for both sides."""
    import tifffile

    with tifffile.TiffFile(slide) as file:
        levels = file.series[0].levels
        pixels = levels[-1].asarray()
    step = max(1, round(TISSUE_PX * pixels.shape[1] / levels[0].shape[1]))
    found = (pixels[::step, ::step].min(axis=2) < 220).astype(np.uint8) * 255
    path = folder / "tissue.png"
    cv2.imwrite(str(path), cv2.dilate(found, np.ones((3, 3), np.uint8)))
    return path


def _report(record: Record) -> None:
    mpx = record["width"] * record["height"] / 1e6
    print(f"{record['slide']}: {mpx:.0f} Mpx")
    for side in ("dfaseg", "tiatoolbox"):
        if side in record:
            took = record[side]
            print(
                f"  {side:10s} {mpx / took['seconds']:7.1f} Mpx/s  {took['seconds']:7.2f} s "
                f"({took['process_seconds']:.1f} s with start and imports)  "
                f"{took['core_seconds']:7.1f} core-s  {took['peak_bytes'] / 1e9:5.2f} GB  "
                f"{took['files']} files"
            )
    if "tiatoolbox" in record:
        _report_ratios(record)


def _report_ratios(record: Record) -> None:
    names = {
        "seconds": "of seconds",
        "process_seconds": "with start",
        "core_seconds": "of core-s",
        "peak_bytes": "of memory",
    }
    mine, other = record["dfaseg"], record["tiatoolbox"]
    ratios = ", ".join(f"{other[key] / mine[key]:.1f} {words}" for key, words in names.items())
    share = 1 - record["differing_px"] / max(1, record["compared_px"])
    print(f"  ratio      {ratios}")
    print(
        f"  labels     {share:.4%} of {record['compared_px']} px equal; {record['differing_px']} "
        f"differ, {record['differing_away_px']} of them away from edges"
    )


def _has_tiatoolbox(python: str | None) -> bool:
    """Tell whether the other side can run; say what is missing if not."""
    if python is None:
        print("TIAToolbox is not measured: name the Python of its environment with --python")
        return False
    try:
        done = subprocess.run(
            [python, "-c", "from importlib.metadata import version as v; print(v('tiatoolbox'))"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        print(f"TIAToolbox is not measured: '{python}' cannot be started ({error.strerror})")
        return False
    if done.returncode:
        print(f"TIAToolbox is not measured: '{python}' has none; see --help for the install")
        return False
    print(f"TIAToolbox {done.stdout.strip()}")
    return True


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("slide", type=Path, nargs="?", help="a tiled TIFF; drawn if not given")
    parser.add_argument("--python", help="of the environment that holds TIAToolbox")
    parser.add_argument("--sizes", type=int, nargs="+", default=[4096, 8192], help="drawn slides")
    parser.add_argument("--mpp", type=float, help="of the slide, if its file does not say")
    parser.add_argument("--tissue", default="none", help="none, or picture: the same for both")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--other-batch", type=int, default=32)
    parser.add_argument("--other-workers", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="for scratch files")
    parser.add_argument("--json", type=Path, help="write all figures here too")
    for name in ("--network", "--out"):
        parser.add_argument(name, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--only-dfaseg", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
