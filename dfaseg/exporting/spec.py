"""What an export is asked to do, checked once."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from dfaseg.errors import ConfigError
from dfaseg.slide.origin import Origin

Format = Literal["geojson", "dsa", "ome-tiff", "png"]

ENDINGS: Mapping[str, Format] = MappingProxyType(
    {
        ".geojson": "geojson",
        ".geojson.gz": "geojson",
        ".json": "dsa",
        ".ome.tif": "ome-tiff",
        ".ome.tiff": "ome-tiff",
        ".png": "png",
    }
)
"""Which format the end of a file's name asks for."""
POLYGON_FORMATS: frozenset[Format] = frozenset({"geojson", "dsa"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSpec:
    """One mask, one file.

    Attributes:
        mask: The mask that ``predict`` wrote, ``*.zarr``.
        out: The file to write; ``.gz`` compresses GeoJSON.
        format: What to write; ``None`` goes by the ending of ``out``.
        simplify_um: Tolerance for simplified polygons; ``None`` is what ``predict`` was told.
        min_area_um2: Smaller polygons are left out; ``None`` is what ``predict`` was told.
        origin: Frame of the polygons; ``None`` is what ``predict`` was told for GeoJSON, and
            ``level0`` for the Digital Slide Archive.
        overwrite: Replace a file that is there.
    """

    mask: Path
    out: Path
    format: Format | None = None
    simplify_um: float | None = None
    min_area_um2: float | None = None
    origin: Origin | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.format is None and _stated_format(self.out) is None:
            raise ConfigError(
                f"output '{self.out}': its ending tells no format; end it in"
                f" {', '.join(ENDINGS)}, or pass --format"
            )
        if self.out.name.endswith(".gz") and self.chosen_format != "geojson":
            raise ConfigError(f"output '{self.out}': only GeoJSON can be compressed; leave .gz out")
        options = (
            ("simplify", self.simplify_um),
            ("min-area", self.min_area_um2),
            ("origin", self.origin),
        )
        for name, value in options:
            if value is not None and self.chosen_format not in POLYGON_FORMATS:
                raise ConfigError(
                    f"--{name}: there are no polygons in {self.chosen_format}; leave it out"
                )
            if isinstance(value, float) and not 0 <= value < math.inf:
                raise ConfigError(f"--{name} {value}: must be a number of at least 0")

    @property
    def chosen_format(self) -> Format:
        """The format that is written."""
        chosen = self.format or _stated_format(self.out)
        assert chosen is not None  # checked when the spec was made
        return chosen


def _stated_format(path: Path) -> Format | None:
    name = path.name.lower()
    return next((form for ending, form in ENDINGS.items() if name.endswith(ending)), None)
