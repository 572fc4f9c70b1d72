"""The native reader on whole files."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import openslide
import pytest
import tifffile
from numpy.typing import NDArray

from dfaseg.errors import MissingResolutionError, ReadError, SlideError
from dfaseg.slide import Slide, open_slide
from dfaseg.slide.tiff import TiffSlide
from dfaseg.slide.turbo_jpeg import shrunk
from tests.factories import (
    Compression,
    corrupt_tile,
    read_level,
    stored_tile,
    tissue_like_image,
    truncate,
    write_tiff_slide,
)

IMAGE = tissue_like_image(300, 200, seed=1)


def open_tiff_slide(path: Path) -> TiffSlide:
    """Open a slide that the native reader reads."""
    slide = open_slide(path)
    assert isinstance(slide, TiffSlide)
    return slide


@pytest.mark.parametrize("compression", ["jpeg2000", "webp", "lzw", "deflate", "zstd", "none"])
def test_lossless_slide_is_read_exactly(tmp_path: Path, compression: Compression) -> None:
    """Written pixels come back, over the borders of tiles."""
    path = write_tiff_slide(
        tmp_path / "a.tif", IMAGE, tile_px=128, compression=compression, quality=100
    )

    slide = open_slide(path)

    assert slide.info.reader == "tiff"
    assert np.array_equal(read_level(slide), IMAGE)


@pytest.mark.parametrize(
    "options",
    [
        {"bigtiff": True},
        {"byteorder": ">"},
        {"predictor": True, "compression": "lzw"},
        {"predictor": True, "compression": "deflate"},
        {"subifds": True},
        {"aperio": True},
        {"tile_px": 16},
        {"tile_px": 512},
    ],
    ids=str,
)
def test_layout_does_not_change_pixels(tmp_path: Path, options: dict[str, Any]) -> None:
    """Kinds of TIFF differ in their headers only."""
    defaults: dict[str, Any] = {"tile_px": 128, "compression": "none"}
    path = write_tiff_slide(tmp_path / "a.tif", IMAGE, **(defaults | options))

    slide = open_slide(path)

    assert slide.info.reader == "tiff"
    assert [(level.width, level.height) for level in slide.info.levels] == [(300, 200), (75, 50)]
    assert [level.downsample_x for level in slide.info.levels] == [1.0, 4.0]
    assert np.array_equal(read_level(slide), IMAGE)


@pytest.mark.parametrize("space", ["RGB", "YCBCR"])
def test_jpeg_slide_is_read_as_openslide_reads_it(tmp_path: Path, space: str) -> None:
    """Both colour spaces, on both levels."""
    options: dict[str, Any] = {"compressionargs": {"level": 90, "outcolorspace": space}}
    path = write_tiff_slide(tmp_path / "a.tif", IMAGE, tile_px=128, **options)

    slide = open_slide(path)

    with openslide.OpenSlide(path) as reference:
        for level, size in enumerate(reference.level_dimensions):
            expected = np.asarray(reference.read_region((0, 0), level, size))[..., :3]
            assert np.array_equal(read_level(slide, level), expected)


@pytest.mark.parametrize("shape", [(200, 300), (200, 300, 4)], ids=["grey", "rgba"])
def test_other_channels_become_rgb(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """Grey is repeated, alpha is laid over white."""
    image = np.zeros(shape, np.uint8)
    path = write_tiff_slide(
        tmp_path / "a.tif",
        image,
        compression="deflate",
        photometric="minisblack" if len(shape) == 2 else "rgb",
    )

    pixels = read_level(open_slide(path))

    assert (pixels == (0 if len(shape) == 2 else 255)).all()


@pytest.mark.parametrize("compression", ["jpeg", "none"])
def test_overhang_of_edge_tiles_is_white(tmp_path: Path, compression: Compression) -> None:
    """Files pad with black; readers must not see it."""
    path = write_tiff_slide(tmp_path / "a.tif", IMAGE, tile_px=128, compression=compression)

    patch = open_slide(path).read_tile(0, 2, 1)

    assert patch is not None
    assert patch.shape == (128, 128, 3)
    assert (patch[72:] == 255).all()
    assert (patch[:, 44:] == 255).all()
    assert (patch[:72, :44] != 255).any()


def test_reduced_edge_tile_is_the_mean_of_pixels_and_white(tmp_path: Path) -> None:
    """What a file stores beyond the edge of a level is not mixed into its last pixels."""
    path = write_tiff_slide(tmp_path / "a.tif", IMAGE[:199, :299], tile_px=128, compression="jpeg")
    slide = open_tiff_slide(path)

    for place in ((0, 2, 0), (0, 1, 1), (0, 2, 1)):
        patch, whole = slide.read_reduced_tile(*place, 2), slide.read_tile(*place)
        assert patch is not None
        assert whole is not None
        np.testing.assert_array_equal(patch, shrunk(whole, 2))


@pytest.mark.parametrize("compression", ["jpeg", "none"])
@pytest.mark.parametrize("reduction", [1, 2])
def test_tiles_decoded_into_memory_are_the_same(
    tmp_path: Path, compression: Compression, reduction: int
) -> None:
    """Whatever was in that memory before, inside the level and at its edges."""
    path = write_tiff_slide(tmp_path / "a.tif", IMAGE, tile_px=128, compression=compression)
    slide = open_tiff_slide(path)
    memory = np.full((128 // reduction, 128 // reduction, 3), 77, np.uint8)

    for place in ((0, 0, 0), (0, 2, 0), (0, 0, 1), (0, 2, 1)):
        expected = slide.read_reduced_tile(*place, reduction)
        found = slide.read_tile_into(memory, *place, reduction)
        assert expected is not None
        assert found is not None
        np.testing.assert_array_equal(found, expected)
    if compression == "jpeg":
        whole = slide.read_tile_into(memory, 0, 0, 0, reduction)
        assert whole is not None
        assert np.shares_memory(whole, memory)


def test_reduced_tile_that_is_not_stored_is_none(tmp_path: Path) -> None:
    """Smaller or not, glass that was left out is left out."""
    missing = [(0, 0, 0), (0, 2, 1)]
    path = write_tiff_slide(
        tmp_path / "a.tif", IMAGE, tile_px=128, compression="jpeg", missing=missing
    )
    slide = open_tiff_slide(path)

    assert [slide.read_reduced_tile(*place, 4) for place in missing] == [None, None]


def test_reduced_tile_of_nonsense_cannot_be_read(tmp_path: Path) -> None:
    """The message says which tile it is."""
    path = write_tiff_slide(tmp_path / "a.tif", IMAGE, tile_px=128, compression="jpeg")
    corrupt_tile(path, 0, 1, 0)

    with pytest.raises(ReadError, match=r"tile \(level 0, column 1, row 0\) cannot be decoded"):
        open_tiff_slide(path).read_reduced_tile(0, 1, 0, 2)


@pytest.mark.parametrize(
    ("compression", "reductions"), [("jpeg", (2, 4, 8)), ("jpeg2000", ()), ("none", ())]
)
def test_only_jpeg_levels_offer_reductions(
    tmp_path: Path, compression: Compression, reductions: tuple[int, ...]
) -> None:
    """A plan for any other slide decodes whole tiles."""
    path = write_tiff_slide(tmp_path / "a.tif", IMAGE, tile_px=128, compression=compression)

    assert open_slide(path).info.levels[0].reductions == reductions


def test_tile_that_is_not_stored_is_none(tmp_path: Path) -> None:
    """Sparse files leave glass out."""
    path = write_tiff_slide(tmp_path / "a.tif", IMAGE, tile_px=128, missing=[(0, 1, 0), (1, 0, 0)])

    slide = open_slide(path)

    assert slide.read_tile(0, 1, 0) is None
    assert slide.read_tile(1, 0, 0) is None
    assert slide.read_tile(0, 0, 0) is not None


def test_aperio_pyramid_leaves_out_thumbnail_label_and_macro(tmp_path: Path) -> None:
    """Only levels are levels."""
    path = write_tiff_slide(tmp_path / "a.svs", IMAGE, tile_px=64, downsamples=(1, 2), aperio=True)

    info = open_slide(path).info

    assert [level.downsample_x for level in info.levels] == [1.0, 2.0]
    assert (info.mpp, info.mpp_source, info.objective_power) == (0.5, "metadata", 20.0)
    assert info.properties["aperio.MPP"] == "0.5"
    assert info.warnings == ()


def test_aperio_without_mpp_falls_back_on_the_objective(tmp_path: Path) -> None:
    """The guess is marked as one."""
    path = write_tiff_slide(tmp_path / "a.svs", IMAGE, aperio=True, mpp=None, appmag=40)

    info = open_slide(path).info

    assert (info.mpp, info.mpp_source) == (0.25, "objective power")
    assert len(info.warnings) == 1


def test_ome_resolution_is_read_in_its_unit(tmp_path: Path) -> None:
    """OME-TIFF states a physical size."""
    path = tmp_path / "a.ome.tif"
    metadata = {"PhysicalSizeX": 250, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.25}
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(IMAGE, tile=(128, 128), photometric="rgb", metadata=metadata, subifds=1)
        writer.write(IMAGE[::2, ::2], tile=(128, 128), photometric="rgb", subfiletype=1)

    info = open_slide(path).info

    assert (info.reader, info.mpp, info.mpp_source) == ("tiff", 0.25, "metadata")
    assert [level.downsample_x for level in info.levels] == [1.0, 2.0]


def test_focal_planes_are_told(tmp_path: Path) -> None:
    """Only the first of several full-size pictures is read, and the user learns it."""
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for value in (10, 20):
            plane = np.full((64, 64, 3), value, np.uint8)
            writer.write(plane, tile=(64, 64), photometric="rgb", metadata=None)

    slide = open_slide(path, mpp=0.5)

    assert "2 pictures of full size" in slide.info.warnings[0]
    assert read_level(slide).max() == 10


def test_implausible_resolution_tag_is_not_believed(tmp_path: Path) -> None:
    """A hundredfold error in a tag is common; --mpp helps."""
    path = write_tiff_slide(tmp_path / "a.tif", IMAGE, mpp=0.00499)

    with pytest.raises(MissingResolutionError, match=r"slide 'a\.tif': states 0\.00499 µm/px"):
        open_slide(path)
    assert open_slide(path, mpp=0.499).info.mpp == 0.499


def test_density_without_a_unit_is_no_resolution(tmp_path: Path) -> None:
    """Pixels per nothing are not pixels per inch, which is meant where the tag is missing."""
    path = write_tiff_slide(tmp_path / "a.tif", IMAGE, mpp=0.5)
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tiff.pages.first.tags[296].overwrite(1)

    with pytest.raises(MissingResolutionError, match="no resolution in its metadata"):
        open_slide(path)


@pytest.mark.parametrize("compression", ["jpeg", "jpeg2000", "webp", "lzw", "deflate", "zstd"])
def test_corrupt_tile_fails_alone_and_by_name(tmp_path: Path, compression: Compression) -> None:
    """The error names slide and tile; the neighbours stay readable."""
    path = write_tiff_slide(tmp_path / "a.tif", IMAGE, tile_px=128, compression=compression)
    corrupt_tile(path, level=0, col=1, row=0)

    slide = open_slide(path)

    with pytest.raises(ReadError, match=r"slide 'a': tile \(level 0, column 1, row 0\)") as caught:
        slide.read_tile(0, 1, 0)
    assert caught.value.__cause__ is not None
    assert slide.read_tile(0, 0, 0) is not None


def test_tile_of_another_size_is_a_read_error(tmp_path: Path) -> None:
    """A valid JPEG of the wrong size is corrupt as a tile."""
    path = write_tiff_slide(tmp_path / "a.tif", IMAGE, tile_px=128)
    offset, byte_count = stored_tile(path, 0, 0, 0)
    small = imagecodecs.jpeg8_encode(IMAGE[:32, :32], level=20)
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(small[:byte_count])

    with pytest.raises(ReadError, match="32 × 32 px instead of 128 × 128"):
        open_slide(path).read_tile(0, 0, 0)


def test_cut_file_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """An interrupted copy keeps its first tiles where the headers come first."""
    path = write_tiff_slide(tmp_path / "a.tif", IMAGE, tile_px=64, downsamples=(1,))
    offset, _ = stored_tile(path, 0, 2, 2)
    truncate(path, offset + 5)

    slide = open_slide(path)

    assert slide.read_tile(0, 0, 0) is not None
    with pytest.raises(ReadError, match="cut short"):
        slide.read_tile(0, 2, 2)
    with pytest.raises(ReadError, match="cut short"):
        slide.read_tile(0, 4, 3)


@pytest.mark.parametrize("num_bytes", [4, 8, 12, 60, 200])
def test_file_cut_in_its_headers_is_refused(tmp_path: Path, num_bytes: int) -> None:
    """Whatever the parser stumbles over, the error is ours and names the file."""
    path = write_tiff_slide(tmp_path / "a.tif", IMAGE, tile_px=64)
    truncate(path, num_bytes)

    with pytest.raises(SlideError, match=r"slide 'a\.tif'"):
        open_slide(path)


def test_file_cut_before_its_headers_is_said_to_be(tmp_path: Path) -> None:
    """Many writers put the headers last: the commonest damage deserves words."""
    path = tmp_path / "a.tif"
    path.write_bytes(b"II*\0" + (2**20).to_bytes(4, "little") + b"\0" * 100)

    with pytest.raises(SlideError, match=r"headers \(none where they should be"):
        open_slide(path)


def test_slide_whose_directories_go_round_is_read(tmp_path: Path) -> None:
    """One damaged offset must not hold up all other slides."""
    path = write_tiff_slide(tmp_path / "a.tif", IMAGE, compression="none", downsamples=(1,))
    with tifffile.TiffFile(path) as tiff:
        first = tiff.pages.first.offset
        next_at = first + 2 + 12 * len(tiff.pages.first.tags)
    content = bytearray(path.read_bytes())
    content[next_at : next_at + 4] = first.to_bytes(4, "little")
    path.write_bytes(content)

    assert np.array_equal(read_level(open_tiff_slide(path)), IMAGE)


def test_threads_read_the_same_pixels(tmp_path: Path) -> None:
    """One slide serves many threads."""
    path = write_tiff_slide(tmp_path / "a.tif", IMAGE, tile_px=32, compression="jpeg")
    slide = open_slide(path)
    places = [(col, row) for row in range(7) for col in range(10)] * 3
    alone = {place: _read(slide, place) for place in places}

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda place: _read(slide, place), places))

    assert all(
        np.array_equal(patch, alone[place]) for patch, place in zip(together, places, strict=True)
    )


def test_closed_slide_cannot_be_read(tmp_path: Path) -> None:
    """A late reader gets an error, not another file's bytes."""
    slide = open_slide(write_tiff_slide(tmp_path / "a.tif", IMAGE))
    slide.close()

    with pytest.raises(ReadError):
        slide.read_tile(0, 0, 0)


def test_fingerprint_follows_content_not_name(tmp_path: Path) -> None:
    """Copies are the same slide; another slide is another."""
    first = write_tiff_slide(tmp_path / "a.tif", IMAGE)
    copy = tmp_path / "sub" / "b.tif"
    copy.parent.mkdir()
    copy.write_bytes(first.read_bytes())
    other = write_tiff_slide(tmp_path / "c.tif", tissue_like_image(300, 200, seed=2))

    prints = [open_slide(path).info.fingerprint for path in (first, copy, other)]

    assert prints[0] == prints[1] != prints[2]


def _read(slide: Slide, place: tuple[int, int]) -> NDArray[np.uint8]:
    patch = slide.read_tile(0, *place)
    assert patch is not None
    return patch


@pytest.mark.parametrize(("stated", "num_warnings"), [(1, 0), (3, 1), (6, 1), (99, 0)])
def test_slide_marked_to_be_turned_is_read_as_it_is_stored(
    tmp_path: Path, stated: int, num_warnings: int
) -> None:
    """As OpenSlide and QuPath read it, but not in silence."""
    path = tmp_path / "a.tif"
    mark = (274, "H", 1, stated, True)
    tifffile.imwrite(path, IMAGE, tile=(64, 64), photometric="rgb", extratags=[mark])

    slide = open_slide(path, mpp=0.5)

    assert slide.info.reader == "tiff"
    assert np.array_equal(read_level(slide), IMAGE)
    told = [text for text in slide.info.warnings if f"(orientation {stated})" in text]
    assert len(told) == num_warnings
