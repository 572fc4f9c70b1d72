"""Slides with masks or drawings become training images, and what does not fit is named."""

import gzip
import json
import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.datasets.bdsa import read_bdsa
from dfaseg.datasets.dataset import Dataset, LabelledImage
from dfaseg.datasets.load import load_split
from dfaseg.datasets.readers import read_dataset
from dfaseg.errors import DatasetError
from dfaseg.slide import open_slide
from dfaseg.tiler.overview import read_overview
from dfaseg.tiler.plan import plan_reading
from tests.drawings import WRITERS, square
from tests.factories import corrupt_tile, tissue_like_image, write_tiff_slide

WIDTH, HEIGHT = 256, 192
CODES = (0, 31, 63, 95, 127, 191, 255)
INDICES = (0, 1, 2, 3, 4, IGNORE_INDEX, IGNORE_INDEX)
NAMES = ("a", "b", "c")


def make_mask(downsample: int = 2) -> NDArray[np.uint8]:
    """Return a mask of all codes, in blocks of 32 level-0 px."""
    cols = np.arange(WIDTH // downsample) * downsample // 32
    return np.tile(np.array([*CODES, 0], np.uint8)[cols], (HEIGHT // downsample, 1))


def expected_row() -> list[int]:
    """Return a row of the label at 1 µm/px."""
    return np.repeat([*INDICES, 0], 16).tolist()


def write_slide(root: Path, name: str, **options: Any) -> Path:
    """Write a slide at 0.5 µm/px."""
    (root / "slides").mkdir(parents=True, exist_ok=True)
    image = tissue_like_image(WIDTH, HEIGHT, seed=len(name))
    return write_tiff_slide(root / "slides" / f"{name}.svs", image, tile_px=64, **options)


def write_mask(root: Path, name: str, mask: NDArray[np.uint8]) -> Path:
    """Write a mask beside the slides."""
    (root / "masks").mkdir(exist_ok=True)
    path = root / "masks" / f"{name}.png"
    cv2.imwrite(str(path), mask)
    return path


def write_drawn(root: Path, name: str, *elements: dict[str, Any], ending: str = ".json") -> Path:
    """Replace the mask of a slide by annotations."""
    (root / "masks" / f"{name}.png").unlink(missing_ok=True)
    (root / "annotations").mkdir(exist_ok=True)
    path = root / "annotations" / f"{name}{ending}"
    path.write_text(json.dumps([{"annotation": {"name": "tissue", "elements": elements}}]))
    return path


def rectangle(group: str, x: float, y: float, width: float, height: float) -> dict[str, Any]:
    """Return a rectangle by its upper left corner."""
    centre = [x + width / 2, y + height / 2, 0]
    size = {"width": width, "height": height, "rotation": 0}
    return {"type": "rectangle", "center": centre, "group": group, **size}


def write_table(root: Path, text: str) -> None:
    """Write splits.csv, columns parted by spaces."""
    (root / "splits.csv").write_text(text.replace(" ", ","))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return three slides with masks at half their size and a table of their splits."""
    for name in NAMES:
        write_slide(tmp_path, name)
        write_mask(tmp_path, name, make_mask())
    write_table(tmp_path, "slide split\na train\nb val\nc.svs test\n")
    return tmp_path


def only_region(data: Dataset) -> LabelledImage:
    """Return the pixels of the first training region."""
    return data.train[0].read()


def test_masks_lie_over_slides(tree: Path) -> None:
    """Codes become classes, excluded tissue is ignored, all at 1 µm/px."""
    data = read_dataset("bdsa", tree)
    pixels = only_region(data)

    assert [split[0].case for split in (data.train, data.val, data.test)] == ["a", "b", "c"]
    assert data.train[0].name == "a_x0_y0"
    assert pixels.image.shape == (96, 128, 3)
    assert pixels.label.shape == (96, 128)
    assert pixels.label[50].tolist() == expected_row()
    assert data.info.mpp == 1.0
    shrunk = tissue_like_image(WIDTH, HEIGHT, seed=1).reshape(96, 2, 128, 2, 3).mean(axis=(1, 3))
    assert np.abs(pixels.image - shrunk).mean() < 4  # JPEG


def test_slides_can_be_read_at_another_resolution(tree: Path) -> None:
    """The data set then says so, and models trained on it will."""
    data = read_bdsa(tree, mpp=2.0)

    assert data.info.mpp == 2.0
    assert only_region(data).label[20].tolist() == expected_row()[::2]


@pytest.mark.parametrize("downsample", [1, 4, 16])
def test_masks_of_other_sizes_fit(tree: Path, downsample: int) -> None:
    """A mask may cover the slide at any downsample."""
    write_mask(tree, "a", make_mask(downsample))

    assert only_region(read_bdsa(tree)).label[50].tolist() == expected_row()


def test_large_slides_are_cut_into_regions(tree: Path) -> None:
    """Regions have their place in the name, and together are the slide."""
    whole = only_region(read_bdsa(tree))

    data = read_bdsa(tree, region_px=64)
    split = load_split(data.train, workers=2)

    assert split.names == ("a_x0_y0", "a_x128_y0", "a_x0_y128", "a_x128_y128")
    assert set(split.cases) == {"a"}
    label = np.block([[split.labels[0], split.labels[1]], [split.labels[2], split.labels[3]]])
    assert np.array_equal(label, whole.label)
    top = np.concatenate([split.images[0], split.images[1]], axis=1)
    assert np.array_equal(top, whole.image[:64])


def test_big_pictures_are_slides(tree: Path) -> None:
    """A PNG states no resolution, so the table gives it."""
    (tree / "slides" / "a.svs").unlink()
    image = tissue_like_image(WIDTH, HEIGHT)
    Image.fromarray(image).save(tree / "slides" / "a.png")
    write_table(tree, "slide split case mpp\na.png train p 1.0\nb val q \nc test r \n")

    data = read_bdsa(tree)

    assert np.array_equal(only_region(data).image, image)
    assert data.train[0].case == "p"


def test_drawings_are_labels(tree: Path) -> None:
    """Later shapes lie over earlier ones, excluded areas over all, the rest is background."""
    write_drawn(
        tree,
        "a",
        rectangle("Exclude", 0, 64, 16, 16),
        rectangle("grey_matter", 0, 64, 128, 64),
        rectangle("White Matter", 64, 64, 32, 64),
    )

    label = only_region(read_bdsa(tree)).label

    row = np.repeat([IGNORE_INDEX, 1, 2, 1, 0], [8, 24, 16, 16, 64]).tolist()
    assert label[35].tolist() == row
    assert label[45].tolist() == [1] * 8 + row[8:]
    assert not label[:32].any()


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.geojson.gz", "GeoJSON"),
        ("a.xml", "Aperio ImageScope XML"),
        ("a.annotations", "Halo XML"),
        ("a.xml.gz", "ASAP XML"),
    ],
)
def test_other_forms_are_read_too(tree: Path, name: str, form: str) -> None:
    """Compressed or not, as QuPath, a server or a vendor's viewer exports it."""
    (tree / "masks" / "a.png").unlink()
    (tree / "annotations").mkdir()
    data = WRITERS[form]([square(0, 0, 64, "leptomeninges")]).encode()
    packed = gzip.compress(data) if name.endswith(".gz") else data
    (tree / "annotations" / name).write_bytes(packed)

    label = only_region(read_bdsa(tree)).label

    assert (label[:32, :32] == 3).all()
    assert np.count_nonzero(label) == 32 * 32


def test_repaired_and_skipped_shapes_are_told(tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is dropped silently."""
    eight = [[0, 0, 0], [64, 64, 0], [64, 0, 0], [0, 64, 0]]
    write_drawn(
        tree,
        "a",
        {"type": "polyline", "points": eight, "closed": True, "group": "superficial"},
        {"type": "point", "center": [1, 1, 0]},
        rectangle("superficial", 1000, 0, 10, 10),
    )

    with caplog.at_level(logging.WARNING):
        only_region(read_bdsa(tree))

    assert "1 shape repaired" in caplog.text
    assert "1 × point left out" in caplog.text
    assert "1 of 2 polygons lie outside the slide" in caplog.text.replace(
        "3 polygons", "2 polygons"
    )


def test_unreadable_tiles_are_ignored(tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    """White where tissue was must not be learnt as background."""
    for level in (0, 1):
        corrupt_tile(tree / "slides" / "a.svs", level, 0, 0)

    label = only_region(read_bdsa(tree)).label

    assert (label[:32, :32] == IGNORE_INDEX).all()
    assert label[40].tolist() == expected_row()
    assert "slide 'a': 1 tile could not be decoded" in caplog.text


def test_cases_are_dealt_without_a_table(tmp_path: Path) -> None:
    """Every split has slides, and the same ones each time."""
    for name in "abcdefgh":
        write_slide(tmp_path, name)
        write_mask(tmp_path, name, make_mask(16))

    first, second = read_bdsa(tmp_path), read_bdsa(tmp_path)

    sizes = [len(split) for split in (first.train, first.val, first.test)]
    assert sum(sizes) == 8
    assert min(sizes) >= 1
    assert [one.name for one in first.test] == [one.name for one in second.test]


def test_slide_without_resolution_is_named(tree: Path) -> None:
    """The message says where to write it."""
    write_slide(tree, "a", mpp=None)

    with pytest.raises(DatasetError, match=r"slide 'a': states no.*column mpp of '.*splits\.csv'"):
        read_bdsa(tree)


def test_coarse_slide_is_warned_of(tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Enlarging adds no detail."""
    write_slide(tree, "a", mpp=2.0)

    read_bdsa(tree)

    assert "slide 'a': its 2 µm/px are coarser than the 1 µm/px" in caplog.text


@pytest.mark.parametrize(
    ("mask", "problem"),
    [
        (make_mask()[:, :100], r"100 × 96 px do not lie over 256 × 192 px.*whole slide 'a'"),
        (make_mask() + np.uint8(1), "code 1 in 3072 pixels is unknown"),
    ],
    ids=["shape", "code"],
)
def test_mask_that_does_not_fit_is_named(tree: Path, mask: NDArray[np.uint8], problem: str) -> None:
    """A mask of another slide or another make is refused."""
    write_mask(tree, "a", mask)

    with pytest.raises(DatasetError, match=rf"masks/a\.png': {problem}"):
        only_region(read_bdsa(tree))


@pytest.mark.parametrize(
    ("elements", "problem"),
    [
        ([rectangle("glia", 0, 0, 9, 9)], "class 'glia' of 1 polygons is unknown; .*Gray matter"),
        ([rectangle("white matter", 900, 0, 9, 9)], "none of 1 polygons touches the slide"),
        ([], "nothing with an area is drawn"),
        ([{"type": "circle"}], r"element 0 of 'tissue' \(circle\): lacks 'radius'"),
    ],
)
def test_drawing_that_does_not_fit_is_named(
    tree: Path, elements: list[dict[str, Any]], problem: str
) -> None:
    """Unknown names, another slide's drawing and broken shapes are refused."""
    write_drawn(tree, "a", *elements)

    with pytest.raises(DatasetError, match=rf"a\.json': .*{problem}"):
        only_region(read_bdsa(tree))


def test_damaged_slide_is_named(tree: Path) -> None:
    """A file no reader understands is told before anything is read."""
    (tree / "slides" / "a.svs").write_bytes(b"no slide")

    with pytest.raises(DatasetError, match=r"slide 'a\.svs': no reader understands it"):
        read_bdsa(tree)


def test_empty_folder_is_named(tmp_path: Path) -> None:
    """The message says what belongs into it."""
    with pytest.raises(DatasetError, match=r"no slides in '.*slides'.*masks or annotations"):
        read_bdsa(tmp_path)


def test_real_slide_is_read_as_predicted(tmp_path: Path, real_data: Path) -> None:
    """Regions of a scanner's own file are what ``predict`` sees, and the drawing lies over them."""
    (tmp_path / "slides").mkdir()
    source = real_data / "slides" / "CMU-1-Small-Region.svs"
    for name in NAMES:
        (tmp_path / "slides" / f"{name}.svs").symlink_to(source)
        write_drawn(tmp_path, name, rectangle("white matter", 0, 0, 1110, 2967))

    data = read_bdsa(tmp_path, region_px=500)
    pixels = [one.read() for one in data.train]

    slide = open_slide(source)
    plan = plan_reading(slide.info, 1.0)
    whole = read_overview(slide, plan, num_workers=1).pixels
    slide.close()
    assert sum(one.label.size for one in pixels) == plan.width * plan.height
    assert np.array_equal(pixels[0].image, whole[: len(pixels[0].image), : len(pixels[0].image[0])])
    is_white = np.concatenate([one.label.ravel() for one in pixels]) == 2
    assert is_white.mean() == pytest.approx(0.5, abs=0.002)
