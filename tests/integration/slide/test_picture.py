"""Plain pictures as slides."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image

from dfaseg.errors import MissingResolutionError, UnsupportedSlideError
from dfaseg.slide import open_slide, picture
from tests.factories import read_level, tissue_like_image, truncate

IMAGE = tissue_like_image(600, 100, seed=4)


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "webp"])
def test_picture_is_read_exactly(tmp_path: Path, ending: str) -> None:
    """One level of virtual tiles holds all pixels."""
    path = tmp_path / f"a.{ending}"
    Image.fromarray(IMAGE).save(path, lossless=True)

    slide = open_slide(path, mpp=0.5)

    assert slide.info.reader == "picture"
    assert len(slide.info.levels) == 1
    assert np.array_equal(read_level(slide), IMAGE)
    patch = slide.read_tile(0, 1, 0)
    assert patch is not None
    assert (patch[100:] == 255).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "LA", "RGBA"])
def test_other_kinds_of_pixels_become_rgb(tmp_path: Path, mode: str) -> None:
    """Black is black and clear is white, in every 8-bit kind."""
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    picture_of_mode = Image.new("RGBA", (8, 4), (0, 0, 0, 255))
    if mode in {"LA", "RGBA"}:
        picture_of_mode.putpixel((1, 0), (0, 0, 0, 0))
    picture_of_mode.convert(mode).save(path)

    pixels = read_level(open_slide(path, mpp=0.5))

    assert pixels[0, 0].max() == 0
    assert pixels[0, 1].min() == (255 if mode in {"LA", "RGBA"} else 0)


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_picture_marked_to_be_turned_is_read_as_it_is_stored(tmp_path: Path, ending: str) -> None:
    """So that coordinates agree with QuPath's; the user learns it."""
    path = tmp_path / f"a.{ending}"
    Image.fromarray(IMAGE).save(path, exif=marked(6), quality=95)

    slide = open_slide(path, mpp=0.5)

    assert "orientation 6" in slide.info.warnings[0]
    assert np.abs(read_level(slide).astype(int) - IMAGE).mean() < 5


def test_striped_tiff_marked_to_be_turned_is_refused(tmp_path: Path) -> None:
    """Pillow turned it, and scrambled it where it is not compressed."""
    path = tmp_path / "a.tif"
    Image.fromarray(IMAGE).save(path, exif=marked(6))

    with pytest.raises(UnsupportedSlideError, match=r"orientation 6.*save it turned"):
        open_slide(path, mpp=0.5)


def test_damaged_exif_is_no_mark(tmp_path: Path) -> None:
    """The picture is whole."""
    path = tmp_path / "a.jpg"
    Image.fromarray(IMAGE).save(path, exif=b"Exif\0\0II*\0\xff\xff")

    assert open_slide(path, mpp=0.5).info.warnings == ()


def marked(orientation: int) -> Image.Exif:
    """Return EXIF that asks viewers to turn the picture."""
    marks = Image.Exif()
    marks[ExifTags.Base.Orientation] = orientation
    return marks


def test_resolution_in_dots_per_inch_is_believed_when_possible(tmp_path: Path) -> None:
    """50 800 dots per inch are 0.5 µm; 72 are a screen's."""
    Image.fromarray(IMAGE).save(tmp_path / "fine.png", dpi=(50800, 50800))
    Image.fromarray(IMAGE).save(tmp_path / "screen.png", dpi=(72, 72))

    info = open_slide(tmp_path / "fine.png").info

    assert info.mpp == pytest.approx(0.5, rel=1e-3)
    assert info.mpp_source == "dots per inch"
    with pytest.raises(MissingResolutionError, match="states 352"):
        open_slide(tmp_path / "screen.png")


def test_picture_without_resolution_asks_for_one(tmp_path: Path) -> None:
    """Pictures seldom state a resolution."""
    Image.fromarray(IMAGE).save(tmp_path / "a.png")

    with pytest.raises(MissingResolutionError, match=r"slide 'a\.png': no resolution"):
        open_slide(tmp_path / "a.png")


def test_huge_picture_is_refused_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit into memory must be tiled first."""
    monkeypatch.setattr(picture, "MAX_PICTURE_PX", 1000)
    Image.fromarray(IMAGE).save(tmp_path / "a.png")

    with pytest.raises(UnsupportedSlideError, match=r"600 × 100 px.*tiled TIFF"):
        open_slide(tmp_path / "a.png", mpp=0.5)


def test_limit_of_pillow_is_lifted_and_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own limit counts, and only here."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    tifffile.imwrite(tmp_path / "a.tif", IMAGE, photometric="rgb")

    slide = open_slide(tmp_path / "a.tif", mpp=0.5)

    assert slide.info.levels[0].width == 600
    assert Image.MAX_IMAGE_PIXELS == 100


def test_sixteen_bit_picture_is_refused(tmp_path: Path) -> None:
    """Colours of H&E slides have 8 bits."""
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "a.png")

    with pytest.raises(UnsupportedSlideError, match="convert it to 8-bit RGB"):
        open_slide(tmp_path / "a.png", mpp=0.5)


@pytest.mark.parametrize("ending", ["png", "jpg", "tif"])
def test_cut_picture_is_refused(tmp_path: Path, ending: str) -> None:
    """Half a picture is not silently read as a whole one."""
    path = tmp_path / f"a.{ending}"
    Image.fromarray(IMAGE).save(path)
    truncate(path, path.stat().st_size // 2)

    with pytest.raises(UnsupportedSlideError, match=r"damaged|not a picture"):
        open_slide(path, mpp=0.5)


def test_closed_picture_gives_its_memory_back(tmp_path: Path) -> None:
    """A batch of pictures does not add up."""
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    slide = open_slide(tmp_path / "a.png", mpp=0.5)

    slide.close()

    assert np.all(slide.read_tile(0, 0, 0) == 255)
