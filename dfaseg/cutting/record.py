"""What a cut slide says of itself: a record beside its tiles, and what is told of it."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfaseg.cutting.cut_state import CutState
from dfaseg.cutting.folder import read_record
from dfaseg.cutting.job import CutPlan, TileChoice
from dfaseg.errors import OutputError
from dfaseg.provenance import software_record
from dfaseg.slide.inputs import SlideInput
from dfaseg.slide.slide import SlideInfo

UM2_PER_MM2 = 1e6


@dataclass(frozen=True, slots=True)
class SlideRecord:
    """What is known of a finished slide.

    Attributes:
        slide_id: Its name.
        path: Its record's file.
        is_new: Whether it was cut now, not by an earlier run.
        group: What it belongs to, e.g. a patient; None where nobody said.
        num_tiles: Tiles that were cut.
        num_unreadable: Tiles left out because parts of them cannot be decoded.
        num_unlabelled: Tiles left out because nothing in them is labelled.
        tissue_percent: Share of tissue in the slide.
        tissue_mm2: Its area.
        note: Why there is no tissue; empty where there is some.
        content: The whole record.
    """

    slide_id: str
    path: Path
    is_new: bool
    group: str | None
    num_tiles: int
    num_unreadable: int
    num_unlabelled: int
    tissue_percent: float
    tissue_mm2: float
    note: str
    content: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path, *, is_new: bool) -> "SlideRecord":
        """Read the record of a finished slide.

        Raises:
            OutputError: It cannot be read.
        """
        content = read_record(path)
        try:
            return cls._parsed(path, content or {}, is_new=is_new)
        except (KeyError, TypeError) as error:
            raise OutputError(
                f"record '{path}': damaged; move the folder it lies in away to cut the slide again"
            ) from error

    @classmethod
    def _parsed(cls, path: Path, content: Mapping[str, Any], *, is_new: bool) -> "SlideRecord":
        tiles, tissue = content["tiles"], content["tissue"]
        return cls(
            slide_id=content["recipe"]["slide"]["id"],
            path=path,
            is_new=is_new,
            group=content["group"],
            num_tiles=tiles["cut"],
            num_unreadable=tiles["unreadable"],
            num_unlabelled=tiles["unlabelled"],
            tissue_percent=tissue["percent"],
            tissue_mm2=tissue["mm2"],
            note=content["note"],
            content=content,
        )


def read_finished(records: Iterable[Path]) -> list[SlideRecord]:
    """Read the records of finished slides, but for those that another job replaces just now.

    Raises:
        OutputError: One cannot be read.
    """
    slides = []
    for path in records:
        try:
            slides.append(SlideRecord.read(path, is_new=False))
        except OutputError:
            if path.exists():
                raise
    return slides


def make_record(
    info: SlideInfo,
    source: SlideInput,
    cut: CutPlan,
    choice: TileChoice,
    state: CutState,
    kept: NDArray[np.bool_],
) -> dict[str, Any]:
    """Return the record of a cut slide, without the names of its files."""
    fates = [tile.fate for tile in state.tiles]
    mm2 = _tissue_mm2(choice, cut, info)
    level0 = info.levels[0]
    return {
        "tool": "dfaseg",
        "recipe": cut.recipe,
        "group": source.group,
        "slide": {
            "location": info.location,
            "reader": info.reader,
            "width": level0.width,
            "height": level0.height,
            "mpp": info.mpp,
            "mpp_source": info.mpp_source,
        },
        "read": {
            "level": cut.plan.level,
            "mpp": cut.plan.mpp,
            "level0_px_per_patch_px": [cut.plan.downsample_x, cut.plan.downsample_y],
        },
        "tiles": {
            "in_grid": int(kept.size),
            "cut": int(kept.sum()),
            "unreadable": fates.count("unreadable"),
            "unlabelled": fates.count("unlabelled") + choice.num_without_labels,
        },
        "tissue": {
            "percent": round(100 * mm2 / _slide_mm2(info), 4),
            "mm2": round(mm2, 6),
        },
        "note": choice.survey.tissue.note,
        "unreadable_native_tiles": [
            {"column": col, "row": row, "problem": problem}
            for (col, row), problem in sorted(state.unreadable.items())
        ],
        "software": software_record(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def _tissue_mm2(choice: TileChoice, cut: CutPlan, info: SlideInfo) -> float:
    """Area of the tissue; what overhangs the slide does not count."""
    tissue, plan, level0 = choice.survey.tissue, cut.plan, info.levels[0]
    num_rows, num_cols = tissue.mask.shape
    heights = _extents(num_rows, tissue.factor, level0.height / plan.downsample_y)
    widths = _extents(num_cols, tissue.factor, level0.width / plan.downsample_x)
    # Row by row: NumPy makes floating-point numbers of all that it multiplies.
    lengths = np.array([row @ widths for row in tissue.mask])
    return float(heights @ lengths) * plan.mpp**2 / UM2_PER_MM2


def _extents(count: int, factor: int, length: float) -> NDArray[np.float64]:
    """Return how much of each row or column lies on the slide, in mask px.

    Args:
        count: Rows or columns of the tissue mask.
        factor: Mask pixels in each.
        length: Mask pixels that the slide has, the last one perhaps in part.
    """
    edges = np.minimum(np.arange(count + 1) * factor, length)
    return np.asarray(np.diff(edges), np.float64)


def _slide_mm2(info: SlideInfo) -> float:
    return info.levels[0].width * info.levels[0].height * info.mpp**2 / UM2_PER_MM2
