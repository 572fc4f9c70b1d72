"""A slide looked over before it is read: a small picture of it, and what of it is analysed."""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dfaseg.errors import ConfigError
from dfaseg.slide.slide import Slide, SlideInfo
from dfaseg.tiler.overview import SlideOverview, read_overview
from dfaseg.tiler.plan import Decoding, ReadPlan, overview_factor, plan_overview
from dfaseg.tiler.tissue import TissueMask, find_tissue

log = logging.getLogger(__name__)

OVERVIEW_MPP = 8.0
"""Resolution (µm/px) at which tissue is looked for and the overview is drawn."""
OVERVIEW_MIN_SIDE_PX = 1024
"""Small slides get a finer overview, so that its picture can be looked at."""
MAX_ASPECT_ERROR = 0.02
"""A tissue picture whose shape differs more from the slide's belongs to another slide."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What a low-resolution look at a slide gives.

    Attributes:
        overview: RGB picture of the slide, shape ``(h, w, 3)``.
        tissue: What is analysed, on the overview's pixels.
        plan: How the overview was read.
    """

    overview: NDArray[np.uint8]
    tissue: TissueMask
    plan: ReadPlan


def survey_slide(
    slide: Slide, plan: ReadPlan, tissue: str, *, decoding: Decoding, num_workers: int
) -> Survey:
    """Read an overview of a slide and find what is to be analysed.

    Args:
        slide: Open slide; stays open.
        plan: How the slide will be read; the overview's pixels cover whole blocks of its pixels.
        tissue: ``auto`` (find it), ``none`` (analyse everything) or the path of a tissue picture.
        decoding: Whether tiles may be decoded smaller.
        num_workers: Threads that decode.

    Raises:
        ReadError: Nothing of the slide can be decoded.
        ConfigError: The tissue picture cannot be read or belongs to another slide.
    """
    overview_plan, factor = plan_survey(slide.info, plan, decoding=decoding)
    overview = read_overview(slide, overview_plan, num_workers=num_workers)
    mask = _choose_tissue(tissue, overview, overview_plan.mpp, factor)
    if overview.is_unreadable.any() and not mask.note:
        log.warning(
            "slide '%s': parts of its overview cannot be decoded; they are taken for tissue",
            slide.info.slide_id,
        )
    return Survey(overview.pixels, mask, overview_plan)


def plan_survey(info: SlideInfo, plan: ReadPlan, *, decoding: Decoding) -> tuple[ReadPlan, int]:
    """Return how the overview of a slide is read, and the pixels of ``plan`` along one of its."""
    factor = overview_factor(plan, mpp=OVERVIEW_MPP, min_side=OVERVIEW_MIN_SIDE_PX)
    return plan_overview(info, plan, factor, decoding=decoding), factor


def tissue_identity(tissue: str) -> str:
    """Return what a choice of tissue is known by in a recipe: its name, or its picture's hash.

    Raises:
        ConfigError: The picture cannot be read.
    """
    if tissue in {"auto", "none"}:
        return tissue
    try:
        return "sha256:" + hashlib.sha256(Path(tissue).read_bytes()).hexdigest()
    except OSError as error:
        raise _unreadable_picture(Path(tissue)) from error


def _choose_tissue(choice: str, overview: SlideOverview, mpp: float, factor: int) -> TissueMask:
    """Find the tissue, take it all, or read it from a picture."""
    height, width = overview.is_unreadable.shape
    if choice == "auto":
        found = find_tissue(overview.pixels, mpp, factor)
        if overview.is_unreadable.any():
            # What could not be seen may be tissue; the finest level will tell.
            found = TissueMask(found.mask | overview.is_unreadable, factor)
        return found
    if choice == "none":
        return TissueMask(np.ones((height, width), bool), factor)
    mask = _read_tissue_picture(Path(choice), width, height)
    return TissueMask(mask, factor, "" if mask.any() else f"'{choice}' marks no tissue")


def _read_tissue_picture(path: Path, width: int, height: int) -> NDArray[np.bool_]:
    """Read a grey picture of the whole slide, tissue where it is not black, any size."""
    # As it is stored, like the slide, whatever EXIF asks viewers to do.
    how = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
    picture = cv2.imread(str(path), how) if path.is_file() else None
    if picture is None:
        raise _unreadable_picture(path)
    rows, cols = picture.shape
    if abs(cols * height / (rows * width) - 1) > MAX_ASPECT_ERROR:
        raise ConfigError(
            f"tissue picture '{path}': its shape {cols} × {rows} px is not that of the slide "
            f"({width} × {height}); it belongs to another slide"
        )
    resized = cv2.resize(picture, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(resized > 0, bool)


def _unreadable_picture(path: Path) -> ConfigError:
    return ConfigError(
        f"tissue picture '{path}': cannot be read; give a PNG or TIFF of the whole slide, "
        "black where there is no tissue"
    )
