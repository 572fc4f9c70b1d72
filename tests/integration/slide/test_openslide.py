"""The OpenSlide reader, on a Leica SCN whose area lies on a larger canvas."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile

from dfaseg.errors import ReadError
from dfaseg.geometry import Rect
from dfaseg.slide import Slide, open_slide
from tests.factories import corrupt_tile, read_level, tissue_like_image, write_scn_slide

BOUNDS = Rect(300, 200, 700, 448)
CANVAS = (1400, 1000)
IMAGE = tissue_like_image(BOUNDS.width, BOUNDS.height, seed=3)


@pytest.fixture
def scn(tmp_path: Path) -> Path:
    """Lossless SCN of known pixels."""
    return write_scn_slide(
        tmp_path / "a.scn", IMAGE, level0_bounds=BOUNDS, canvas=CANVAS, compression="none"
    )


def test_bounds_and_levels_are_those_of_the_canvas(scn: Path) -> None:
    """Level 0 is the whole canvas, the bounds say where it was scanned."""
    info = open_slide(scn).info

    assert info.reader == "openslide"
    assert info.level0_bounds == BOUNDS
    assert [(level.width, level.height) for level in info.levels] == [CANVAS, (350, 250)]
    assert [level.downsample_x for level in info.levels] == [1.0, 4.0]
    assert (info.mpp, info.objective_power) == (0.5, 20.0)


def test_scanned_area_is_in_place_and_the_rest_is_white(scn: Path) -> None:
    """Transparent pixels are glass."""
    pixels = read_level(open_slide(scn))

    assert np.array_equal(pixels[BOUNDS.slices], IMAGE)
    outside = np.ones(pixels.shape[:2], bool)
    outside[BOUNDS.slices] = False
    assert (pixels[outside] == 255).all()


def test_block_that_was_never_scanned_is_none(tmp_path: Path) -> None:
    """Most of a canvas may be empty; readers above need not look at it."""
    path = write_scn_slide(tmp_path / "a.scn", IMAGE, level0_bounds=BOUNDS, canvas=(2000, 1000))

    assert open_slide(path).read_tile(0, 3, 0) is None


def test_edge_block_is_padded_white(scn: Path) -> None:
    """Blocks have one size on a level."""
    slide = open_slide(scn)

    patch = slide.read_tile(0, 1, 1)

    assert patch is not None
    assert patch.shape == (512, 512, 3)
    assert (patch[1000 - 512 :] == 255).all()


def test_corrupt_tile_does_not_kill_the_rest(tmp_path: Path) -> None:
    """OpenSlide's handle fails for good after one error; ours is renewed."""
    path = write_scn_slide(tmp_path / "a.scn", IMAGE, level0_bounds=BOUNDS, canvas=CANVAS)
    corrupt_tile(path, level=0, col=0, row=0)

    slide = open_slide(path)

    with pytest.raises(ReadError, match=r"slide 'a': tile \(level 0, column 0, row 0\)") as caught:
        slide.read_tile(0, 0, 0)
    assert caught.value.__cause__ is not None
    assert slide.read_tile(0, 1, 1) is not None
    assert slide.read_tile(1, 0, 0) is not None


def test_corrupt_tile_does_not_fail_other_threads(tmp_path: Path) -> None:
    """Only blocks that hold the bad tile fail, whoever reads meanwhile."""
    path = write_scn_slide(tmp_path / "a.scn", IMAGE, level0_bounds=BOUNDS, canvas=CANVAS)
    corrupt_tile(path, level=0, col=0, row=0)
    slide = open_slide(path)
    places = [(col, row) for row in range(2) for col in range(3)] * 4

    with ThreadPoolExecutor(4) as pool:
        readable = list(pool.map(lambda place: _is_readable(slide, *place), places))

    bad = {place for place, good in zip(places, readable, strict=True) if not good}
    good = {place for place, good in zip(places, readable, strict=True) if good}
    assert (0, 0) in bad
    assert not bad & good
    assert (2, 1) in good


def test_closed_slide_cannot_be_read(scn: Path) -> None:
    """A late reader gets an error."""
    slide = open_slide(scn)
    slide.close()

    with pytest.raises(ReadError, match="closed"):
        slide.read_tile(0, 0, 0)


def test_colour_planes_stored_apart_are_read(tmp_path: Path) -> None:
    """What the native reader refuses, OpenSlide may still know."""
    path = tmp_path / "a.tif"
    planes = np.moveaxis(IMAGE, 2, 0)
    tifffile.imwrite(path, planes, tile=(128, 128), photometric="rgb", planarconfig="separate")

    slide = open_slide(path, mpp=0.5)

    assert slide.info.reader == "openslide"
    assert np.array_equal(read_level(slide), IMAGE)


def _is_readable(slide: Slide, col: int, row: int) -> bool:
    try:
        slide.read_tile(0, col, row)
    except ReadError:
        return False
    return True
