"""A prediction's settings are checked once, with a word on what to do."""

from pathlib import Path

import pytest

from dfaseg.errors import ConfigError
from dfaseg.inference.spec import PredictSpec


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"out": Path("mask.tif")}, r"must end in \.zarr"),
        ({"geojson": Path("polygons.txt")}, r"must end in \.geojson"),
        ({"simplify_um": -1.0}, "--simplify -1.0: must not be negative"),
        ({"min_area_um2": -1.0}, "--min-area -1.0: must not be negative"),
    ],
    ids=["mask name", "polygons name", "simplify", "min area"],
)
def test_impossible_settings_are_refused(change, message):
    """Each is named with what is wrong."""
    settings = {"slide": "a.svs", "out": Path("mask.zarr")} | change

    with pytest.raises(ConfigError, match=message):
        PredictSpec(**settings)


@pytest.mark.parametrize("name", ["a.geojson", "a.json", "a.geojson.gz", "a.json.gz"])
def test_polygon_names_that_qupath_opens_are_taken(name):
    """QuPath opens .json and .geojson, compressed or not."""
    assert PredictSpec(slide="a", out=Path("m.zarr"), geojson=Path(name)).geojson == Path(name)
