"""What can be asked of an export, and what cannot."""

from pathlib import Path
from typing import Any

import pytest

from dfaseg.errors import ConfigError
from dfaseg.exporting.spec import ExportSpec


@pytest.mark.parametrize(
    ("name", "chosen"),
    [
        ("a.geojson", "geojson"),
        ("a.geojson.gz", "geojson"),
        ("a.json", "dsa"),
        ("a.ome.tif", "ome-tiff"),
        ("A.OME.TIFF", "ome-tiff"),
        ("a.b.png", "png"),
    ],
)
def test_ending_tells_the_format(name: str, chosen: str) -> None:
    """Whatever the case of its letters."""
    assert ExportSpec(mask=Path("m.zarr"), out=Path(name)).chosen_format == chosen


def test_format_overrules_the_ending() -> None:
    """For names that other software asks for."""
    spec = ExportSpec(mask=Path("m.zarr"), out=Path("a.json"), format="geojson")
    assert spec.chosen_format == "geojson"


@pytest.mark.parametrize(
    ("name", "options", "problem"),
    [
        ("a.tif", {}, "tells no format"),
        ("a", {}, "tells no format"),
        ("a.json.gz", {}, "tells no format"),
        ("a.json.gz", {"format": "dsa"}, "only GeoJSON"),
        ("a.png", {"simplify_um": 1.0}, "--simplify: there are no polygons in png; leave it out"),
        ("a.ome.tif", {"min_area_um2": 0.0}, "--min-area: there are no polygons"),
        ("a.ome.tif", {"origin": "level0"}, "--origin: there are no polygons"),
        ("a.json", {"min_area_um2": float("nan")}, "--min-area nan"),
        ("a.json", {"simplify_um": -1.0}, "--simplify -1"),
        ("a.json", {"simplify_um": float("inf")}, "--simplify inf"),
    ],
)
def test_impossible_wishes_are_refused(name: str, options: dict[str, Any], problem: str) -> None:
    """In one line that names the option or the file."""
    with pytest.raises(ConfigError, match=problem):
        ExportSpec(mask=Path("m.zarr"), out=Path(name), **options)
