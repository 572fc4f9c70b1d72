"""What people drew on a slide, whichever program they drew it in."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dfaseg.annotation.polygon_table import PolygonTable


@dataclass(frozen=True, slots=True, eq=False)
class Annotations:
    """The polygons of one file, in its order, and what became of the rest.

    Attributes:
        polygons: Valid polygons in level-0 px; later ones lie over earlier ones.
        num_repaired: Drawn shapes that crossed or touched themselves and were made valid.
        skipped: How many objects were left out, by what they are, e.g. ``point`` or
            ``shape without area``.
        format_name: What the file is, e.g. ``GeoJSON``.
        origin: What the file says is (0, 0) of its coordinates, (x, y) in level-0 px, and what the
            polygons here were moved by; None where it does not say.
        slide_name: The slide that the file says it belongs to; None where it does not say.
        mpp: µm per level-0 px that the file states; None where it does not.
    """

    polygons: PolygonTable
    num_repaired: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    format_name: str = ""
    origin: tuple[float, float] | None = None
    slide_name: str | None = None
    mpp: float | None = None

    @property
    def num_skipped(self) -> int:
        """Number of objects that were left out."""
        return sum(self.skipped.values())
