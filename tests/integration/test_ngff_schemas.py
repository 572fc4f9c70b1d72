"""A mask against the OME-NGFF 0.5 specification's own JSON schemas.

The schemas travel in the package ngff-zarr, of which nothing else is used: CI installs it without
what it depends on (`pip install --no-deps ngff-zarr`).
"""

import importlib.util
import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from dfaseg.classmap import ClassMap, TissueClass
from dfaseg.stitcher.mask_store import MaskWriter
from dfaseg.stitcher.ome import MaskSpec
from dfaseg.stitcher.overview_store import Overview

CLASSES = ClassMap((TissueClass(0, "stroma", (0, 0, 255)), TissueClass(1, "tumour", (9, 8, 7))))


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    """The specification's schemas by name; skips where they are not installed."""
    package = importlib.util.find_spec("ngff_zarr")
    if package is None or not package.submodule_search_locations:
        pytest.skip("no OME-NGFF schemas; pip install --no-deps ngff-zarr")
    folder = Path(package.submodule_search_locations[0]) / "spec" / "0.5" / "schemas"
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.schema")
    }


@pytest.fixture(scope="module", params=[(1300, 1100), (700, 40)], ids=["pyramid", "one level"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished mask of a given (width, height)."""
    width, height = request.param
    path = tmp_path_factory.mktemp("ngff") / "mask.zarr"
    writer = MaskWriter(path, MaskSpec(width, height, CLASSES, mpp_x=0.5, mpp_y=0.25))
    writer.begin(Overview(np.zeros((-(-height // 8), -(-width // 8), 3), np.uint8), 8))
    writer.write_rows(np.zeros((height, width), np.uint8))
    writer.finish({"tool": "dfaseg"})
    return path


def problems(schemas: dict[str, Any], name: str, metadata: dict[str, Any]) -> list[str]:
    """List where metadata departs from one of the schemas."""
    resources = [
        (schema["$id"], Resource.from_contents(schema, DRAFT202012)) for schema in schemas.values()
    ]
    validator = jsonschema.Draft202012Validator(
        schemas[name], registry=Registry().with_resources(resources)
    )
    return [error.message for error in validator.iter_errors(metadata)]


@pytest.mark.parametrize(
    ("group", "schema"),
    [
        (".", "image"),
        (".", "strict_image"),
        ("labels/tissue", "image"),
        ("labels/tissue", "label"),
        ("labels/tissue", "strict_label"),
    ],
)
def test_group_follows_the_schema(
    store: Path, schemas: dict[str, Any], group: str, schema: str
) -> None:
    """Image and label image validate, by the strict schemas too."""
    metadata = json.loads((store / group / "zarr.json").read_text(encoding="utf-8"))

    assert problems(schemas, schema, metadata["attributes"]) == []


def test_schemas_can_fail(schemas: dict[str, Any]) -> None:
    """The check is not vacuous: metadata without a version is refused."""
    assert problems(schemas, "image", {"ome": {"multiscales": []}})
