"""How the pixels of a prediction lie over those of its truth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfaseg.errors import EvaluationError

MAX_EXTENT_ERROR = 0.02
"""Pictures of one slide from its corner on differ less in their extent than this share."""
_DECIMALS = 6
"""Rounding of pixel coordinates, so that centres on a border fall to one side, always the same."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the pixels of a mask lie.

    Attributes:
        width: Columns.
        height: Rows.
        mpp: µm per pixel, ``(x, y)``; None where the file does not say.
        corner_um: Corner of the first pixel in the frame of its slide, ``(x, y)``, the centre of
            the slide's first pixel being (0, 0); None where the file does not say.
        level0_scale: Level-0 px per pixel, ``(x, y)``; None where the file does not say.
    """

    width: int
    height: int
    mpp: tuple[float, float] | None = None
    corner_um: tuple[float, float] | None = None
    level0_scale: tuple[float, float] | None = None

    @property
    def mean_mpp(self) -> float | None:
        """µm per pixel, mean of both axes."""
        return self.mpp and round((self.mpp[0] + self.mpp[1]) / 2, _DECIMALS)

    @property
    def pixel_um(self) -> tuple[float, float] | None:
        """Sides of a pixel (µm), ``(x, y)``; equal where files differ in the last digits only."""
        return self.mpp and (round(self.mpp[0], _DECIMALS), round(self.mpp[1], _DECIMALS))

    @property
    def level0_corner(self) -> tuple[float, float]:
        """Corner of the first pixel in level-0 px; the slide's own where nothing else is said."""
        if self.mpp is None or self.corner_um is None or self.level0_scale is None:
            return 0.0, 0.0
        steps = zip(self.corner_um, self.mpp, self.level0_scale, strict=True)
        x, y = (round(corner / mpp * scale + 0.5, _DECIMALS) for corner, mpp, scale in steps)
        return x, y

    def __str__(self) -> str:
        text = f"{self.width} × {self.height} px"
        return text if self.mpp is None else f"{text} of {self.mpp[0]:g} × {self.mpp[1]:g} µm"


@dataclass(frozen=True, slots=True)
class Alignment:
    """From the frame of the truth to that of the prediction.

    A place ``x`` of the truth, counted in its pixels from its corner, is the prediction's
    ``x * scale_x + offset_x``.
    """

    scale_x: float = 1.0
    """Prediction px per truth px."""
    scale_y: float = 1.0
    offset_x: float = 0.0
    """Prediction px."""
    offset_y: float = 0.0

    @property
    def is_identity(self) -> bool:
        """Whether both have the same pixels."""
        return self == Alignment()

    def columns(self, width: int) -> NDArray[np.intp]:
        """Return the prediction's column at the centre of each of the truth's; may be outside."""
        return _nearest(np.arange(width), self.scale_x, self.offset_x)

    def rows(self, top: int, bottom: int) -> NDArray[np.intp]:
        """Return the prediction's row at the centre of the truth's rows; may be outside."""
        return _nearest(np.arange(top, bottom), self.scale_y, self.offset_y)


def align(truth: Frame, prediction: Frame) -> Alignment:
    """Find how a prediction lies over its truth.

    Both must have the same size, or state their resolution; where both say in addition where they
    lie on the slide, one may be a part of it.

    Raises:
        EvaluationError: The sizes differ and a resolution is missing, or the areas do; whoever
            knows the files puts their names before the message.
    """
    is_same_size = (truth.width, truth.height) == (prediction.width, prediction.height)
    if truth.mpp is None or prediction.mpp is None:
        if is_same_size:
            return Alignment()
        raise EvaluationError(
            f"the prediction has {prediction}, the truth {truth}, and not both state a resolution"
            f" by which they could be aligned; {_remedy(truth, prediction)}"
        )
    scale_x, scale_y = (t / p for t, p in zip(truth.mpp, prediction.mpp, strict=True))
    offset_x, offset_y = _offset(truth, prediction)
    # What comes from rounded resolutions moves no pixel centre over a border.
    shift = max(
        abs((scale_x - 1) * truth.width + offset_x), abs(offset_x),
        abs((scale_y - 1) * truth.height + offset_y), abs(offset_y),
    )  # fmt: skip
    if is_same_size and shift < 0.5:
        return Alignment()
    found = Alignment(scale_x, scale_y, offset_x, offset_y)
    _check_area(truth, prediction, found)
    return found


def _remedy(truth: Frame, prediction: Frame) -> str:
    """Say what to do about two sizes; which area pictures show, only their maker knows."""
    sides = {"truth": truth, "prediction": prediction}
    (name, small), (_, large) = sorted(sides.items(), key=lambda side: side[1].width)
    factor = large.width // small.width
    if (large.width, large.height) != (factor * small.width, factor * small.height):
        return "give masks of one size, or mask.zarr or TIFF files that state µm per pixel"
    return (
        f"if both show the same area, enlarge the {name} {factor} times, each pixel to"
        f" {factor} × {factor} equal ones"
    )


def _offset(truth: Frame, prediction: Frame) -> tuple[float, float]:
    if truth.corner_um is None or prediction.corner_um is None or prediction.mpp is None:
        return 0.0, 0.0
    corners = zip(truth.corner_um, prediction.corner_um, prediction.mpp, strict=True)
    x, y = (round((t - p) / mpp, _DECIMALS) for t, p, mpp in corners)
    return x, y


def _check_area(truth: Frame, prediction: Frame, alignment: Alignment) -> None:
    """Refuse masks of different areas: two that begin together but end apart, or that never meet.

    A mask may be a part of the other where both say where they begin.
    """
    sides = (
        (truth.width * alignment.scale_x, alignment.offset_x, prediction.width),
        (truth.height * alignment.scale_y, alignment.offset_y, prediction.height),
    )
    coarse = max(1.0, alignment.scale_x, alignment.scale_y)
    for length, offset, predicted in sides:
        meets = offset < predicted and offset + length > 0
        begins_together = abs(offset) <= coarse
        tolerance = max(2 * coarse, MAX_EXTENT_ERROR * predicted)
        if not meets or (begins_together and abs(length - predicted) > tolerance):
            raise EvaluationError(
                f"the prediction ({prediction}) and the truth ({truth}) cover different areas;"
                " the truth belongs to another slide or part of it"
            )


def _nearest(index: NDArray[np.intp], scale: float, offset: float) -> NDArray[np.intp]:
    places = np.round((index + 0.5) * scale + offset, _DECIMALS)
    return np.floor(places).astype(np.intp)
