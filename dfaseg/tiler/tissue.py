"""Where the tissue is: Otsu's threshold on saturation, cleaned, with ink and black left out.

The detector is made for brightfield slides of stained tissue on bright glass. What it must not
take for tissue: pen strokes, black borders of scanners, dust, the tint of the glass, and whole
slides that are not brightfield (fluorescence on black).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dfaseg.geometry import TileGrid
from dfaseg.native.count import count_values
from dfaseg.tiler.boxes import Span, any_in_boxes, share_in_boxes
from dfaseg.tiler.pieces import Pieces

# Pictures of this size are soon done, and threads of OpenCV's own would get in the way of ours.
cv2.setNumThreads(1)

MIN_SATURATION, MAX_SATURATION = 12, 38
"""Bounds of Otsu's threshold (of 255). On empty glass Otsu would split noise, and on a field that
tissue fills it would split tissue; glass stays below 10, stained tissue above 40."""
DARK = 50
"""Brightest channel of pixels too dark for stained tissue: borders, black ink, fluorescence."""
MIN_BRIGHT_SHARE = 0.5
"""A slide of which less than this share is brighter than ``DARK`` is not a brightfield slide."""
MIN_INK_UM = 60.0
"""Narrowest pen stroke (µm); tissue may hold dark or blue nuclei, but never this wide."""
MIN_PIECE_UM2 = 10_000.0
"""Smaller pieces are dust (µm²): a square of 0.1 mm."""
MAX_HOLE_UM2 = 250_000.0
"""Smaller holes belong to the tissue (µm²): lumina, fat, tears up to 0.5 mm across."""
MARGIN_UM = 24.0
"""Tissue is grown by this much (µm), so that its faint rim is analysed as well."""
VALUES_AT_ONCE = 2**16
"""Pixels that are looked at at a time: what is made of them stays in the cache."""


@dataclass(frozen=True, slots=True)
class TissueMask:
    """Which part of a slide is analysed.

    Attributes:
        mask: True where there is tissue, shape ``(h, w)``; one pixel covers ``factor`` × ``factor``
            mask pixels.
        factor: Mask pixels per pixel.
        note: Why there is no tissue, for the user; empty where there is some.
    """

    mask: NDArray[np.bool_]
    factor: int
    note: str = ""

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to analyse."""
        return not bool(self.mask.any())

    def select_tiles(self, grid: TileGrid) -> NDArray[np.bool_]:
        """Tell which tiles touch tissue, shape ``(grid.num_rows, grid.num_cols)``."""
        rows, cols = self._extent(grid.num_rows, grid), self._extent(grid.num_cols, grid)
        return any_in_boxes(self.mask, rows, cols)

    def tile_shares(self, grid: TileGrid) -> NDArray[np.float64]:
        """Return the share of tissue in each tile, 0 to 1, ``(grid.num_rows, grid.num_cols)``.

        What of a tile overhangs the slide holds none.
        """
        rows, cols = (
            (start / self.factor, (start + grid.patch_px) / self.factor)
            for start in (
                np.arange(count, dtype=np.float64) * grid.stride_px
                for count in (grid.num_rows, grid.num_cols)
            )
        )
        return share_in_boxes(self.mask, rows, cols)

    def rows(self, y: int, num_rows: int, width: int) -> NDArray[np.bool_]:
        """Return full-resolution rows ``[y, y + num_rows)`` of the mask frame, ``width`` wide."""
        index = np.arange(y, y + num_rows) // self.factor
        coarse = self.mask[index]
        return np.repeat(coarse, self.factor, axis=1)[:, :width]

    def _extent(self, count: int, grid: TileGrid) -> Span:
        """First and one past the last pixel of this mask that each tile of an axis touches."""
        start = np.arange(count) * grid.stride_px
        return start // self.factor, -(-(start + grid.patch_px) // self.factor)


def find_tissue(overview: NDArray[np.uint8], mpp: float, factor: int) -> TissueMask:
    """Find stained tissue on an overview of a brightfield slide.

    Args:
        overview: RGB picture of the whole slide, shape ``(h, w, 3)``.
        mpp: Its resolution in µm per pixel.
        factor: Mask pixels per overview pixel, passed on to the result.
    """
    seen = _looked_at(overview)
    if seen.bright_share < MIN_BRIGHT_SHARE:
        nothing = np.zeros(seen.saturation.shape, bool)
        return TissueMask(nothing, factor, "mostly black: a fluorescence image, not stained tissue")
    saturation = np.asarray(cv2.medianBlur(seen.saturation, 3), np.uint8)  # noise of single pixels
    excluded = _wide_only(seen.is_dark_or_ink, mpp)
    del seen
    threshold = _saturation_threshold(saturation, excluded)
    mask = _clean((saturation > threshold) & ~excluded, mpp) & ~excluded
    note = "" if mask.any() else "no stained tissue, only glass, ink or black"
    return TissueMask(mask, factor, note)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the colour of each pixel by itself says.

    Attributes:
        saturation: Of the HSV model, 0-255, shape ``(h, w)``.
        is_dark_or_ink: Pixels too dark or too pure in colour for stained tissue.
        bright_share: Share of pixels that are brighter than ``DARK``.
    """

    saturation: NDArray[np.uint8]
    is_dark_or_ink: NDArray[np.bool_]
    bright_share: float


def _looked_at(overview: NDArray[np.uint8]) -> _Seen:
    """Look at each pixel, some rows at a time: what is made of them stays in the core's cache."""
    height, width = overview.shape[:2]
    saturation = np.empty((height, width), np.uint8)
    is_dark_or_ink = np.empty((height, width), bool)
    num_bright, step = 0, max(1, VALUES_AT_ONCE // width)
    for first in range(0, height, step):
        rows = slice(first, first + step)
        # Channel by channel: NumPy is slow along an axis of three.
        channels = [np.asarray(channel, np.uint8) for channel in cv2.split(overview[rows])]
        brightest, darkest = (
            np.asarray(extreme(extreme(channels[0], channels[1]), channels[2]), np.uint8)
            for extreme in (cv2.max, cv2.min)
        )
        saturation[rows] = _saturation(brightest, darkest)
        is_dark = brightest <= DARK
        num_bright += is_dark.size - int(np.count_nonzero(is_dark))
        is_dark_or_ink[rows] = is_dark | _is_ink(channels)
    return _Seen(saturation, is_dark_or_ink, num_bright / saturation.size)


def _saturation(brightest: NDArray[np.uint8], darkest: NDArray[np.uint8]) -> NDArray[np.uint16]:
    saturation = (brightest - darkest).astype(np.uint16)
    saturation *= 255
    saturation //= np.maximum(brightest, 1)
    return saturation


def _saturation_threshold(saturation: NDArray[np.uint8], excluded: NDArray[np.bool_]) -> float:
    """Otsu's threshold within the bounds in which it can be right."""
    candidates = saturation[~excluded]
    if candidates.size == 0 or candidates.min() == candidates.max():
        return float(MIN_SATURATION)
    return min(max(otsu_threshold(candidates), MIN_SATURATION), MAX_SATURATION)


def otsu_threshold(values: NDArray[np.uint8]) -> float:
    """Return the value that parts others best: largest variance between the two sides' means.

    Args:
        values: At least two different ones.
    """
    counts = count_values(values).astype(np.float64)
    below = counts.cumsum()[:-1]  # how many are at most 0, 1, ...
    above = values.size - below
    moments = (counts * np.arange(256)).cumsum()
    with np.errstate(invalid="ignore"):  # 0 / 0 where one side is empty
        gap = moments[:-1] / below - (moments[-1] - moments[:-1]) / above
    variance = below * above * gap**2
    return float(np.nanargmax(variance))


def _is_ink(channels: Sequence[NDArray[np.uint8]]) -> NDArray[np.bool_]:
    """Tell which pixels are ink.

    Stained tissue is pink to violet (H&E) or brown to blue (DAB and haematoxylin) and never pure
    in colour; marker ink is. Each rule names the channel that ink leaves bright.
    """
    red, green, blue = channels
    excess = cv2.subtract  # of the first over the second: 0 where there is none
    is_ink: NDArray[np.bool_] = (excess(green, red) > 20) & (excess(blue, green) < 10)
    is_ink |= (excess(blue, red) > 60) & (excess(green, red) > 10)
    is_ink |= (excess(red, green) > 120) & (excess(red, blue) > 90)
    return is_ink


def _wide_only(excluded: NDArray[np.bool_], mpp: float) -> NDArray[np.bool_]:
    """Keep what is wide enough for a stroke or a border, with its blurred rim."""
    wide = _morph(excluded, cv2.MORPH_OPEN, MIN_INK_UM / mpp)
    return _morph(wide, cv2.MORPH_DILATE, 2 * MARGIN_UM / mpp)


def _clean(mask: NDArray[np.bool_], mpp: float) -> NDArray[np.bool_]:
    """Drop dust, fill small holes and grow the rim."""
    kept = _without_dust(_morph(mask, cv2.MORPH_CLOSE, MARGIN_UM / mpp), mpp)
    kept |= _holes(kept, mpp)
    return _morph(kept, cv2.MORPH_DILATE, 2 * MARGIN_UM / mpp)


def _without_dust(mask: NDArray[np.bool_], mpp: float) -> NDArray[np.bool_]:
    pieces = Pieces.of(mask)
    return pieces.select(pieces.area > round(MIN_PIECE_UM2 / mpp**2))


def _holes(mask: NDArray[np.bool_], mpp: float) -> NDArray[np.bool_]:
    gaps = Pieces.of(~mask)
    # Glass that reaches the border of a small picture is no hole, however small it is.
    return gaps.select((gaps.area <= round(MAX_HOLE_UM2 / mpp**2)) & ~gaps.at_border)


def _morph(mask: NDArray[np.bool_], operation: int, diameter_px: float) -> NDArray[np.bool_]:
    """Apply a morphological operation with a disc; beyond the border lies nothing."""
    side = 2 * max(1, round(diameter_px / 2)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    padded = np.pad(mask.view(np.uint8), side)
    changed = cv2.morphologyEx(padded, operation, disc)
    return np.asarray(changed[side:-side, side:-side], bool)
