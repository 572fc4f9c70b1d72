"""A prediction's settings are checked once, with a word on what to do."""

import math
from pathlib import Path

import pytest

from dfaseg.errors import ConfigError, OutputError
from dfaseg.inference.spec import PredictSpec


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"out": Path("mask.tif")}, r"must end in \.zarr"),
        ({"geojson": Path("polygons.txt")}, r"must end in \.geojson"),
        ({"simplify_um": -1.0}, "--simplify -1.0: must be a number of at least 0"),
        ({"min_area_um2": math.nan}, "--min-area nan: must be a number of at least 0"),
    ],
    ids=["mask name", "polygons name", "simplify", "min area"],
)
def test_impossible_settings_are_refused(change, message):
    """Each is named with what is wrong."""
    settings = {"slide": "a.svs", "out": Path("mask.zarr")} | change

    with pytest.raises(ConfigError, match=message):
        PredictSpec(**settings)


@pytest.mark.parametrize("stem", ["y" * 221, "ü" * 111])
def test_names_without_room_for_endings_are_refused(stem):
    """The table of areas could not be written once all was done, or not even looked for."""
    with pytest.raises(OutputError, match=r"too long a name .* at most 220"):
        PredictSpec(slide="a", out=Path(f"{stem}.zarr"))


@pytest.mark.parametrize("name", ["a.geojson", "a.json", "a.geojson.gz", "a.json.gz"])
def test_polygon_names_that_qupath_opens_are_taken(name):
    """QuPath opens .json and .geojson, compressed or not."""
    assert PredictSpec(slide="a", out=Path("m.zarr"), geojson=Path(name)).geojson == Path(name)
