"""Real slides of several vendors, where they are at hand."""

from pathlib import Path

import numpy as np
import openslide
import pytest

from dfaseg.errors import MissingResolutionError, UnsupportedSlideError
from dfaseg.slide import open_slide
from tests.factories import read_level


@pytest.fixture
def slides(real_data: Path) -> Path:
    """Folder of the real slides."""
    return real_data / "slides"


def _read_with_openslide(path: Path, level: int = 0) -> np.ndarray:
    with openslide.OpenSlide(path) as slide:
        size = slide.level_dimensions[level]
        return np.asarray(slide.read_region((0, 0), level, size).convert("RGB"))


def test_aperio_jpeg_equals_openslide(slides: Path) -> None:
    """RGB JPEG with shared tables, 240 px tiles."""
    path = slides / "CMU-1-Small-Region.svs"

    slide = open_slide(path)

    info = slide.info
    assert (info.reader, info.mpp, info.mpp_source) == ("tiff", 0.499, "metadata")
    assert (info.objective_power, len(info.levels), info.warnings) == (20.0, 1, ())
    difference = np.abs(read_level(slide).astype(int) - _read_with_openslide(path))
    assert difference.max() <= 1


def test_aperio_jpeg2000_equals_openslide_on_both_levels(slides: Path) -> None:
    """The second level's size is rounded down from an odd one: its factor is 2 all the same."""
    path = slides / "TCGA-CR-7395-01A-01-TS1.svs"

    slide = open_slide(path, mpp=0.5)

    assert [level.downsample_x for level in slide.info.levels] == [1.0, 2.0]
    difference = np.abs(read_level(slide, 1).astype(int) - _read_with_openslide(path, 1))
    assert difference.max() <= 1


def test_slide_without_resolution_or_objective_needs_mpp(slides: Path) -> None:
    """TCGA's frozen sections often state neither."""
    with pytest.raises(MissingResolutionError, match=r"TS1\.svs': no resolution"):
        open_slide(slides / "TCGA-CR-7395-01A-01-TS1.svs")


@pytest.mark.parametrize("name", ["CMU-1-Small-Region.jpeg.tiff", "CMU-1-Small-Region.jp2.tiff"])
def test_resolution_tag_that_is_wrong_by_a_hundred_is_not_believed(slides: Path, name: str) -> None:
    """OpenSlide passes the value on as it stands."""
    with pytest.raises(MissingResolutionError, match=r"states 0\.00499 µm/px \(tiff tags\)"):
        open_slide(slides / name)


def test_jpeg2000_tiff_that_openslide_refuses_is_read(slides: Path) -> None:
    """The same tissue as in the SVS, stored as JP2."""
    slide = open_slide(slides / "CMU-1-Small-Region.jp2.tiff", mpp=0.499)
    original = open_slide(slides / "CMU-1-Small-Region.svs")

    patch, same = slide.read_tile(0, 0, 0), original.read_tile(0, 0, 0)

    assert slide.info.reader == "tiff"
    assert patch is not None
    assert same is not None
    assert np.abs(patch[:240, :240].astype(int) - same).mean() < 3


def test_ndpi_is_read_through_openslide(slides: Path) -> None:
    """Strips of 8 px are read in blocks of 512."""
    path = slides / "fluorescence-DAPI.ndpi"

    slide = open_slide(path)

    assert slide.info.reader == "openslide"
    assert slide.info.mpp == pytest.approx(0.2282, abs=1e-4)
    assert [level.downsample_x for level in slide.info.levels] == [1, 2, 4, 8, 16, 32, 64]
    assert np.array_equal(read_level(slide, 2), _read_with_openslide(path, 2))


def test_dicom_is_read_through_openslide(slides: Path) -> None:
    """A small DICOM slide without a pyramid."""
    path = slides / "marrow-smear-jpeg.dcm"

    slide = open_slide(path)

    assert (slide.info.reader, len(slide.info.levels)) == ("openslide", 1)
    assert np.array_equal(read_level(slide), _read_with_openslide(path))


def test_broken_slide_is_refused(slides: Path) -> None:
    """A kilobyte of a slide is not a slide."""
    with pytest.raises(UnsupportedSlideError, match=r"slide 'broken\.svs'"):
        open_slide(slides / "broken.svs")


def test_fingerprints_differ(slides: Path) -> None:
    """The same tissue in three files is three slides."""
    paths = sorted(slides.glob("CMU-1*"))

    prints = {open_slide(path, mpp=0.5).info.fingerprint for path in paths}

    assert len(prints) == len(paths)
