"""Which level to read and how much to shrink it: the link between slide and mask pixels."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from dfaseg.errors import ConfigError, SlideError
from dfaseg.geometry import Rect, simplest_fraction
from dfaseg.slide.slide import Level, SlideInfo

SCALE_TOLERANCE = 0.005
"""Largest relative difference between the wanted and the planned mpp; far below the error of a
scanner's calibration, and enough to make every resampling a fraction with a small denominator."""
ALIGNED_TOLERANCE = 1e-5
"""The same for a plan that must stay aligned with another over a whole slide."""
MAX_ALIGNED_PERIOD_PX = 512
"""Level pixels after which such a plan's grids meet again. As many rows are held at full width, and
levels of odd sizes would otherwise ask for tens of thousands of them."""

Decoding = Literal["auto", "full", "fast"]
"""How tiles finer than wanted are decoded: ``full`` decodes all their pixels, ``fast`` as few as
suffice, ``auto`` fewer only where the mean of what remains is nearly that of all pixels."""
MIN_BROKEN_REST = 2
"""Least scale that must remain after decoding tiles smaller, unless it is a whole number. At its
edges a mask pixel takes parts of decoded pixels, and so the mean of pixels beyond its edge: the
less it covers, the more that blurs."""


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """How the mask frame lies over a slide.

    Mask pixel ``(i, j)`` is the mean of exactly the level pixels ``[j * scale_x, (j+1) * scale_x)``
    × ``[i * scale_y, (i+1) * scale_y)``; both frames share their top left corner.

    Attributes:
        level: Index of the level that is read.
        scale_x: Level pixels per mask pixel, horizontally.
        scale_y: The same, vertically.
        width: Columns of mask pixels; the last may overhang the slide.
        height: Rows of mask pixels; the last may overhang the slide.
        downsample_x: Level-0 pixels per mask pixel, horizontally.
        downsample_y: The same, vertically.
        mpp: µm per mask pixel.
        reduction: Factor by which native tiles are decoded smaller; 1 decodes every pixel.
    """

    level: int
    scale_x: Fraction
    scale_y: Fraction
    width: int
    height: int
    downsample_x: float
    downsample_y: float
    mpp: float
    reduction: int = 1

    @property
    def decoded_scale_x(self) -> Fraction:
        """Pixels as they are decoded per mask pixel, horizontally."""
        return self.scale_x / self.reduction

    @property
    def decoded_scale_y(self) -> Fraction:
        """The same, vertically."""
        return self.scale_y / self.reduction

    def mask_rect_of(self, level_rect: Rect) -> Rect:
        """Return the mask pixels that touch a rectangle of the level that is read."""
        x = math.floor(level_rect.x / self.scale_x)
        y = math.floor(level_rect.y / self.scale_y)
        right = min(self.width, math.ceil(level_rect.right / self.scale_x))
        bottom = min(self.height, math.ceil(level_rect.bottom / self.scale_y))
        return Rect(x, y, max(0, right - x), max(0, bottom - y))


def plan_reading(info: SlideInfo, mpp: float, *, decoding: Decoding = "full") -> ReadPlan:
    """Plan reading a slide at a wanted resolution.

    Reads the coarsest level that is at least as fine as wanted, and the finest one when the slide
    has no finer pixels than wanted. Where even that is finer than wanted by a factor by which its
    tiles can be decoded smaller, they are.

    Args:
        info: Facts about the slide.
        mpp: Wanted µm per mask pixel.
        decoding: Whether tiles may be decoded smaller, which changes pixels a little.

    Raises:
        ConfigError: ``mpp`` is not a positive number.
        SlideError: One pixel of it would be larger than the whole slide.
    """
    if not (math.isfinite(mpp) and mpp > 0):
        raise ConfigError(f"resolution {mpp} µm/px: must be a positive number")
    _check_remains(info, mpp)
    wanted = mpp / info.mpp
    index = _coarsest_level(info.levels, wanted * (1 + SCALE_TOLERANCE))
    level = info.levels[index]
    scale_x = simplest_fraction(wanted / level.downsample_x, SCALE_TOLERANCE)
    scale_y = simplest_fraction(wanted / level.downsample_y, SCALE_TOLERANCE)
    if scale_x != scale_y and math.isclose(level.downsample_x, level.downsample_y, rel_tol=1e-3):
        scale_y = scale_x  # rounding must not make square pixels oblong
    width, height = math.ceil(level.width / scale_x), math.ceil(level.height / scale_y)
    reduction = _reduction(level, (scale_x, scale_y), decoding)
    return _plan(info, index, (scale_x, scale_y), (width, height), reduction)


def plan_overview(
    info: SlideInfo, plan: ReadPlan, factor: int, *, decoding: Decoding = "full"
) -> ReadPlan:
    """Plan a coarser reading in which one pixel covers ``factor`` × ``factor`` mask pixels.

    ``decoding`` means what it means in ``plan_reading``.
    """
    wanted_x, wanted_y = plan.downsample_x * factor, plan.downsample_y * factor
    index = _coarsest_level(info.levels, min(wanted_x, wanted_y) * (1 + ALIGNED_TOLERANCE))
    level = info.levels[index]
    scale_x = _aligned_scale(wanted_x / level.downsample_x)
    scale_y = _aligned_scale(wanted_y / level.downsample_y)
    width, height = -(-plan.width // factor), -(-plan.height // factor)
    reduction = _reduction(level, (scale_x, scale_y), decoding)
    return _plan(info, index, (scale_x, scale_y), (width, height), reduction)


def overview_factor(plan: ReadPlan, *, mpp: float, min_side: int) -> int:
    """Return the power of two that brings a plan nearest to ``mpp``.

    Small slides get a finer overview: its longer side has at least ``min_side`` pixels where the
    plan itself has that many.
    """
    exponent = max(0, round(math.log2(mpp / plan.mpp)))
    while exponent > 0 and max(plan.width, plan.height) >> exponent < min_side:
        exponent -= 1
    return 1 << exponent


def _check_remains(info: SlideInfo, mpp: float) -> None:
    width_um, height_um = info.levels[0].width * info.mpp, info.levels[0].height * info.mpp
    if mpp * (1 - SCALE_TOLERANCE) > max(width_um, height_um):
        raise SlideError(
            info.slide_id,
            f"at {mpp:g} µm per pixel nothing is left of its {width_um:.4g} × {height_um:.4g} µm;"
            " choose a finer resolution",
        )


def _coarsest_level(levels: tuple[Level, ...], limit: float) -> int:
    """Index of the last level whose downsample stays within ``limit``, else 0."""
    fine_enough = [
        index
        for index, level in enumerate(levels)
        if max(level.downsample_x, level.downsample_y) <= limit
    ]
    return max(fine_enough, default=0)


def _aligned_scale(wanted: float) -> Fraction:
    """Return the simplest fraction that stays aligned, or the nearest with a period to afford."""
    scale = simplest_fraction(wanted, ALIGNED_TOLERANCE)
    if scale.numerator <= MAX_ALIGNED_PERIOD_PX:
        return scale
    return Fraction(wanted).limit_denominator(max(1, int(MAX_ALIGNED_PERIOD_PX / wanted)))


def _reduction(level: Level, scales: tuple[Fraction, Fraction], decoding: Decoding) -> int:
    """Return the largest factor by which tiles can be decoded smaller and still be fine enough."""
    if decoding == "full":
        return 1
    fine_enough = [factor for factor in level.reductions if factor <= min(scales)]
    if decoding == "auto":
        fine_enough = [
            factor
            for factor in fine_enough
            if all(_keeps_means(scale / factor) for scale in scales)
        ]
    return max(fine_enough, default=1)


def _keeps_means(rest: Fraction) -> bool:
    """Tell whether averaging decoded pixels by a scale is nearly averaging what they were."""
    return rest.denominator == 1 or rest >= MIN_BROKEN_REST


def _plan(
    info: SlideInfo,
    index: int,
    scales: tuple[Fraction, Fraction],
    size: tuple[int, int],
    reduction: int,
) -> ReadPlan:
    downsample_x = info.levels[index].downsample_x * float(scales[0])
    downsample_y = info.levels[index].downsample_y * float(scales[1])
    mpp = info.mpp * math.sqrt(downsample_x * downsample_y)
    return ReadPlan(index, *scales, *size, downsample_x, downsample_y, mpp, reduction)
