"""How far two tools agree on the labels of one slide, and where they do not."""

from pathlib import Path

import numpy as np
import zarr
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.geometry import Rect
from dfaseg.stitcher.mask_reader import open_mask
from tests.benchmark.toy_network import OVERLAP_PX, PATCH_PX, STRIDE

STRIP_PX = 1024


def compare_labels(mine: Path, theirs: Path) -> dict[str, int]:
    """Compare pixel by pixel, where dfaseg has labels.

    Args:
        mine: Mask of dfaseg.
        theirs: Zarr array of the same size at least.

    Returns:
        Pixels compared, those that differ, and those among them that lie further than a cell from
        the edge of any patch and two from that of the slide.
    """
    mask, other = open_mask(mine), zarr.open_array(theirs, mode="r")
    height, width = mask.shape()
    near_x, near_y = _near_edges(width), _near_edges(height)
    compared = differing = away = 0
    for y in range(0, height, STRIP_PX):
        labels = mask.read(0, Rect(0, y, width, min(STRIP_PX, height - y)))
        rows = slice(y, y + len(labels))
        analysed = labels != IGNORE_INDEX
        unequal = analysed & (labels != np.asarray(other[rows, :width]))
        compared += int(analysed.sum())
        differing += int(unequal.sum())
        away += int((unequal & ~(near_y[rows, None] | near_x)).sum())
    return {"compared_px": compared, "differing_px": differing, "differing_away_px": away}


def _near_edges(length: int) -> NDArray[np.bool_]:
    """Tell which pixels of an axis lie within a cell of a patch's edge, or two of the slide's."""
    step = PATCH_PX - OVERLAP_PX
    pixel = np.arange(length)
    starts = (pixel + STRIDE) % step < 2 * STRIDE
    ends = (pixel + STRIDE - PATCH_PX) % step < 2 * STRIDE
    near: NDArray[np.bool_] = starts | ends | (pixel >= length - 2 * STRIDE)
    return near
