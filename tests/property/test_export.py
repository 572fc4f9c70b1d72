"""Laws of exports: every form gives the mask back, pixel by pixel."""

import tempfile
from pathlib import Path

import numpy as np
import tifffile
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.exporting.export import export_mask
from dfaseg.exporting.spec import ExportSpec
from tests.exporting import filled, write_mask
from tests.outlines import parse_mask

Mask = NDArray[np.uint8]
TOUCHING_C = parse_mask("11110\n10010\n10101\n10010\n11110")
ISLANDS = parse_mask("0000000\n0111110\n0100010\n0102010\n0100010\n0111110\n000000.")


def masks() -> st.SearchStrategy[Mask]:
    """Small masks with holes, islands, pixels that touch at corners, and 255."""
    shapes = st.tuples(st.integers(1, 20), st.integers(1, 20))
    elements = st.sampled_from([0, 1, 2, IGNORE_INDEX])
    return shapes.flatmap(lambda shape: hnp.arrays(np.uint8, shape, elements=elements))


@example(mask=TOUCHING_C, scale=2.0)
@example(mask=ISLANDS, scale=4 / 3)
@settings(max_examples=15)
@given(mask=masks(), scale=st.sampled_from([1.0, 2.0, 4 / 3, 0.5, 7.9999]))
def test_every_form_gives_the_mask_back(mask: Mask, scale: float) -> None:
    """Polygons are filled by our own readers; pixels are read by others' libraries."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = write_mask(folder / "m.zarr", mask, scale=scale)
        for ending in ("geojson", "json", "ome.tif", "png"):
            export_mask(ExportSpec(mask=store, out=folder / f"m.{ending}"))

        for polygons in ("m.geojson", "m.json"):
            assert np.array_equal(filled(folder / polygons, mask.shape, scale=scale), mask)
        assert np.array_equal(tifffile.imread(folder / "m.ome.tif"), mask)
        with Image.open(folder / "m.png") as picture:
            assert np.array_equal(np.asarray(picture), mask)
