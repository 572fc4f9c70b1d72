"""Mask, polygons and areas are the same thing said three times, and lie where the slide does."""

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import zarr
from ome_zarr_models.v05.image import Image
from ome_zarr_models.v05.image_label import ImageLabel
from ome_zarr_models.v05.labels import Labels
from shapely.geometry import shape

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.geometry import Rect
from dfaseg.slide.array import ArraySlide
from tests.factories import write_scn_slide
from tests.predicting import (
    geojson_of,
    identity_network,
    mask_of,
    predict,
    rasterized,
    use,
)

BOUNDS = Rect(120, 72, 300, 260)
"""Scanned part of the slides with bounds."""


def speckled_image(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Return RGB in which every class has holes, islands, bridges and diagonal pinches."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 3, (height // 9 + 1, width // 9 + 1))
    classes = np.kron(coarse, np.ones((9, 9), np.int64))[:height, :width]
    speckled = rng.random((height, width)) < 0.08
    classes[speckled] = rng.integers(0, 3, int(speckled.sum()))
    return (np.eye(3)[classes] * 200 + 20).astype(np.uint8)


def areas_of(out: Path) -> dict[int, int]:
    """Read the pixels of each class from the table of areas."""
    with out.with_name(f"{out.stem}.areas.csv").open(encoding="utf-8", newline="") as file:
        return {int(row["index"]): int(row["pixels"]) for row in csv.DictReader(file)}


def assert_all_agree(out: Path) -> None:
    """Check polygons and areas against the mask, and each ring for validity."""
    mask = mask_of(out)
    np.testing.assert_array_equal(rasterized(out, mask.shape), mask)
    counts = {index: int(np.count_nonzero(mask == index)) for index in range(3)}
    assert areas_of(out) == counts
    told: Counter[int] = Counter()
    for feature in geojson_of(out)["features"]:
        polygon = shape(feature["geometry"])
        assert polygon.is_valid
        assert all(ring.is_simple for ring in (polygon.exterior, *polygon.interiors))
        name = feature["properties"]["classification"]["name"]
        told[int(name.removeprefix("class "))] += feature["properties"]["measurements"]["Area px"]
    assert told == {index: count for index, count in counts.items() if count}


@pytest.mark.parametrize("mpp", [0.5, 0.25, 0.3, 0.47, 0.7])
@pytest.mark.parametrize("stride", [1, 4])
def test_mask_polygons_and_areas_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mpp: float, stride: int
) -> None:
    """Whole and broken scales alike: filling the polygons gives the mask bit for bit."""
    slide = ArraySlide(speckled_image(163, 127), tile_px=48, mpp=mpp)
    use(monkeypatch, network=identity_network(stride), slide=slide)

    predict(tmp_path / "m.zarr", patch_px=48, overlap_px=16)

    assert_all_agree(tmp_path / "m.zarr")


@pytest.mark.parametrize("origin", ["auto", "level0", "bounds"])
@pytest.mark.parametrize("mpp", [0.5, 0.3])
def test_polygons_of_a_slide_with_bounds_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: str, mpp: float
) -> None:
    """Whichever corner polygons are counted from, they fill up to the same mask."""
    slide = ArraySlide(speckled_image(190, 150), tile_px=64, mpp=mpp, level0_bounds=BOUNDS)
    use(monkeypatch, network=identity_network(), slide=slide)

    predict(tmp_path / "m.zarr", patch_px=64, overlap_px=16, origin=origin)

    told = geojson_of(tmp_path / "m.zarr")["dfaseg"]["origin"]
    assert told == ([0, 0] if origin == "level0" else [BOUNDS.x, BOUNDS.y])
    assert_all_agree(tmp_path / "m.zarr")


def test_areas_outside_the_tissue_are_in_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """255 has no polygon and no area."""
    image = np.full((400, 500, 3), 243, np.uint8)
    image[60:300, 250:460] = (226, 158, 190)
    use(monkeypatch, network=identity_network(2), slide=ArraySlide(image, tile_px=128))

    predict(tmp_path / "m.zarr", tissue="auto")

    assert (mask_of(tmp_path / "m.zarr") == IGNORE_INDEX).any()
    assert_all_agree(tmp_path / "m.zarr")


def test_mask_follows_the_ome_zarr_schemas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Image, list of labels and label image are valid OME-Zarr 0.5."""
    slide = ArraySlide(speckled_image(700, 530), mpp=0.47)
    use(monkeypatch, network=identity_network(), slide=slide)

    predict(tmp_path / "m.zarr", patch_px=256, overlap_px=0)

    image = Image.from_zarr(zarr.open_group(tmp_path / "m.zarr", mode="r"))
    Labels.from_zarr(zarr.open_group(tmp_path / "m.zarr" / "labels", mode="r"))
    label = ImageLabel.from_zarr(zarr.open_group(tmp_path / "m.zarr" / "labels/tissue", mode="r"))
    assert label.attributes.ome.version == "0.5"
    levels = [len(group.attributes.ome.multiscales[0].datasets) for group in (image, label)]
    assert levels == [2, 2]


def placement(group: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read scale and translation (x, y) in µm of a multiscale image's finest level."""
    ome = json.loads((group / "zarr.json").read_text("utf-8"))["attributes"]["ome"]
    scale, shift = ome["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    return np.array(scale["scale"][-2:][::-1]), np.array(shift["translation"][-2:][::-1])


def assert_square_is_at(out: Path, square: Rect, *, mpp: float, origin: tuple[int, int]) -> None:
    """Check where the only pixels of class 1 lie, in µm and in level-0 pixels."""
    rows, cols = np.nonzero(mask_of(out) == 1)
    scale, shift = placement(out / "labels/tissue")
    first, last = (np.array([side(cols), side(rows)]) * scale + shift for side in (np.min, np.max))
    # Corners in µm, from pixel centres; the slide's own first centre lies at 0.
    corners = np.array([first - scale / 2, last + scale / 2]) + mpp / 2
    expected = np.array([(square.x, square.y), (square.right, square.bottom)])
    np.testing.assert_allclose(corners, expected * mpp, atol=1e-6)

    names = [
        feature["properties"]["classification"]["name"] for feature in geojson_of(out)["features"]
    ]
    feature = geojson_of(out)["features"][names.index("class 1")]
    assert names.count("class 1") == 1
    bounds = np.array(shape(feature["geometry"]).bounds).reshape(2, 2)
    np.testing.assert_allclose(bounds + origin, expected, atol=0.01)


@pytest.mark.parametrize(("mpp", "step"), [(0.5, 1), (0.25, 2), (0.3, 5), (0.125, 4)])
def test_square_comes_out_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mpp: float, step: int
) -> None:
    """Mask in µm and polygons in level-0 pixels agree with the slide to the pixel."""
    square = Rect(20 * step, 35 * step, 15 * step, 10 * step)
    image = np.full((90 * step, 80 * step, 3), (200, 0, 0), np.uint8)
    image[square.slices] = (0, 200, 0)
    slide = ArraySlide(image, tile_px=64, mpp=mpp, downsamples=(1, 2))
    use(monkeypatch, network=identity_network(), slide=slide)

    predict(tmp_path / "m.zarr", patch_px=32, overlap_px=8)

    assert_square_is_at(tmp_path / "m.zarr", square, mpp=mpp, origin=(0, 0))


@pytest.mark.parametrize("origin", ["auto", "level0", "bounds"])
def test_square_on_a_slide_with_bounds_comes_out_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: str
) -> None:
    """A scanner's canvas: the mask covers all of it, polygons count from the corner QuPath uses."""
    square = Rect(40, 60, 80, 50)
    image = np.full((BOUNDS.height, BOUNDS.width, 3), (200, 0, 0), np.uint8)
    image[square.slices] = (0, 200, 0)
    path = write_scn_slide(
        tmp_path / "s.scn", image, level0_bounds=BOUNDS, canvas=(480, 400), compression="jpeg"
    )
    use(monkeypatch, network=identity_network())

    predict(tmp_path / "m.zarr", path, patch_px=64, overlap_px=16, origin=origin)

    corner = (0, 0) if origin == "level0" else (BOUNDS.x, BOUNDS.y)
    place = square.shifted(BOUNDS.x, BOUNDS.y)
    assert mask_of(tmp_path / "m.zarr").shape == (400, 480)
    assert_square_is_at(tmp_path / "m.zarr", place, mpp=0.5, origin=corner)
