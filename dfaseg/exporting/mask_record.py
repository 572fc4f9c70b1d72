"""What the record inside a mask says of its slide and of the run that made it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dfaseg.exporting.mask_source import MaskSource
from dfaseg.stitcher.store_errors import mapped_errors

_POLYGON_KEYS = ("origin", "simplify_um", "min_area_um2")
"""Entries of the recipe that polygons depend on and that must be there."""


@dataclass(frozen=True, slots=True)
class MaskRecord:
    """The part of the record that decides where polygons lie and what they are called.

    Attributes:
        slide_id: The slide's name.
        slide_mpp: µm per level-0 px.
        level0_scale: Level-0 px per mask px, ``(x, y)``.
        bounds_corner: Corner of the slide's scanned part in level-0 px; None where it states none.
        knows_bounds: Whether the record says anything about bounds; the first ones did not.
        model: The model's name.
        recipe: All that decided the bytes of the results.
    """

    slide_id: str
    slide_mpp: float
    level0_scale: tuple[float, float]
    bounds_corner: tuple[int, int] | None
    knows_bounds: bool
    model: str
    recipe: Mapping[str, Any]

    @property
    def mpp(self) -> float:
        """µm per mask px, geometric mean of both axes."""
        return self.slide_mpp * math.sqrt(self.level0_scale[0] * self.level0_scale[1])

    @property
    def pixel_area_um2(self) -> float:
        """Area of a mask pixel."""
        return (self.slide_mpp * self.level0_scale[0]) * (self.slide_mpp * self.level0_scale[1])


def read_record(mask: MaskSource) -> MaskRecord:
    """Parse the record of a mask.

    Raises:
        OutputError: It lacks something, as that of a mask which ``predict`` did not write.
    """
    record = mask.reader.record
    with mapped_errors(mask.path):
        slide, recipe = record["slide"], record["recipe"]
        scale_x, scale_y = map(float, record["level0_px_per_mask_px"])
        bounds = slide.get("bounds")
        return MaskRecord(
            slide_id=str(slide["id"]),
            slide_mpp=float(slide["mpp"]),
            level0_scale=(scale_x, scale_y),
            bounds_corner=(int(bounds[0]), int(bounds[1])) if bounds else None,
            knows_bounds="bounds" in slide,
            model=str(record["model"]["name"]),
            recipe={**recipe, **{key: recipe[key] for key in _POLYGON_KEYS}},
        )
