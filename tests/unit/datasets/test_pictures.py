"""Pictures are decoded exactly, and what cannot be a label is refused with its name."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import ExifTags, Image

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.datasets import pictures
from dfaseg.datasets.pictures import CodeTable, PairReader, read_codes, read_image
from dfaseg.errors import DatasetError
from tests.datasets_trees import make_image, make_mask, write_picture

MASK = Path("mask.png")
SUFFIXES = (".png", ".tif")


def write_grey_png(path: Path, codes: NDArray[np.uint8], bits: int) -> None:
    """Write a grey PNG of few bits, which Pillow does not write."""
    rows = b"".join(b"\0" + row for row in packed_rows(codes, bits))
    height, width = codes.shape
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def write_grey_tiff(path: Path, codes: NDArray[np.uint8], bits: int) -> None:
    """Write a grey TIFF of few bits: one strip behind a directory."""
    height, width = codes.shape
    data = b"".join(packed_rows(codes, bits))
    values = {256: width, 257: height, 258: bits, 259: 1, 262: 1, 277: 1, 278: height}
    tags = {**values, 273: 8 + 2 + 12 * 9 + 4, 279: len(data)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags))
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + b"\0" * 4 + data)


def packed_rows(codes: NDArray[np.uint8], bits: int) -> list[bytes]:
    """Return the bytes of each row, the first code in the highest bits."""
    digits = (codes[..., np.newaxis] >> np.arange(bits - 1, -1, -1)) & 1
    return [np.packbits(row.ravel()).tobytes() for row in digits]


def test_codes_become_class_indices() -> None:
    """Known codes are looked up; several may mean one class, and one may mean ignore."""
    table = CodeTable({0: IGNORE_INDEX, 1: 0, 19: 0, 2: 1})

    label = table.to_label(np.array([[0, 1], [19, 2]], np.uint16), MASK)

    assert label.tolist() == [[IGNORE_INDEX, 0], [0, 1]]
    assert label.dtype == np.uint8


def test_unknown_code_is_counted_and_the_known_listed() -> None:
    """The message names the file, the code, its pixels and the codes that are known."""
    codes = np.array([[0, 7, 7, 200]], np.uint8)

    with pytest.raises(DatasetError, match=r"mask\.png.*code 7 in 2 pixels.*1 other.*0, 3"):
        CodeTable({0: 0, 3: 1}).to_label(codes, MASK)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_instance_ids_of_any_width_are_one_class(dtype: type) -> None:
    """All other codes mean the class of instances, however large they are."""
    largest = int(np.iinfo(dtype).max)

    label = CodeTable({0: 0}, others=1).to_label(np.array([[0, 1, 2, largest]], dtype), MASK)

    assert label.tolist() == [[0, 1, 1, 1]]


def test_negative_codes_are_no_instances() -> None:
    """A code below 0 is damage, not a gland."""
    with pytest.raises(DatasetError, match="code -1 in 1 pixels"):
        CodeTable({0: 0}, others=1).to_label(np.array([[-1, 0]], np.int32), MASK)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [(mode, suffix) for mode in ("L", "P", "RGB", "RGBA", "LA", "I;16") for suffix in SUFFIXES]
    + [("I", ".tif")],
)
def test_masks_of_every_kind_hold_the_same_codes(tmp_path: Path, mode: str, suffix: str) -> None:
    """Grey, paletted, 16-bit masks and greys stored as colours are read alike."""
    codes = make_mask(12, 5, (0, 3, 1))
    path = tmp_path / f"mask{suffix}"
    if mode == "P":
        picture = Image.fromarray(codes).convert("P")
        picture.putpalette([10, 20, 30] * 2 + [90, 0, 0] + [0, 90, 0])
    elif mode in {"I;16", "I"}:
        picture = Image.fromarray(codes.astype(np.uint16 if mode == "I;16" else np.int32))
    else:
        picture = Image.fromarray(codes).convert(mode)
    picture.save(path)

    assert np.array_equal(read_codes(path, ""), codes)


def test_mask_of_one_bit_holds_zeros_and_ones(tmp_path: Path) -> None:
    """Black is 0 and white is 1, not 255."""
    write_picture(tmp_path / "mask.png", np.array([[False, True]]))

    codes = read_codes(tmp_path / "mask.png", "")

    assert codes.tolist() == [[0, 1]]
    assert codes.dtype == np.uint8


@pytest.mark.parametrize("bits", [2, 4])
@pytest.mark.parametrize("write", [write_grey_png, write_grey_tiff])
def test_mask_of_few_bits_holds_the_stored_codes(
    tmp_path: Path, bits: int, write: Callable[[Path, NDArray[np.uint8], int], None]
) -> None:
    """Pillow spreads them over 0 to 255, so that code 3 of 2 bits was 255: ignored."""
    codes = make_mask(9, 3, range(2**bits))
    write(tmp_path / "mask", codes, bits)

    assert np.array_equal(read_codes(tmp_path / "mask", ""), codes)


def test_palette_of_few_bits_holds_the_stored_codes(tmp_path: Path) -> None:
    """Palette indices are not spread, nor may they be drawn together."""
    picture = Image.fromarray(make_mask(8, 2, (0, 1, 3))).convert("P")
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    picture.save(tmp_path / "mask.png", bits=2)

    assert np.array_equal(read_codes(tmp_path / "mask.png", ""), make_mask(8, 2, (0, 1, 3)))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_picture_that_is_marked_to_be_turned_is_refused(tmp_path: Path, name: str) -> None:
    """Pillow turns TIFF only, other programs all or none: image and mask would part in silence."""
    marks = Image.Exif()
    marks[ExifTags.Base.Orientation] = 3
    Image.fromarray(make_mask(8, 8, (0, 1))).save(tmp_path / name, exif=marks)

    with pytest.raises(DatasetError, match=rf"{name}': is marked to be shown turned .*save it"):
        read_image(tmp_path / name, "")
    with pytest.raises(DatasetError, match=rf"{name}': is marked to be shown turned"):
        read_codes(tmp_path / name, "")


def test_large_tiff_is_no_attack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow looks at its own limit a second time, which was a traceback."""
    codes = make_mask(20, 20, (0, 1))
    tifffile.imwrite(tmp_path / "mask.tif", codes, compression="zlib")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    monkeypatch.setattr(pictures, "_LARGE_PX", 90)

    assert np.array_equal(read_codes(tmp_path / "mask.tif", ""), codes)


def test_mask_in_colour_is_refused(tmp_path: Path) -> None:
    """A rendered overlay is no label."""
    write_picture(tmp_path / "mask.png", make_image(4, 4))

    with pytest.raises(DatasetError, match=r"mask\.png.*colour picture"):
        read_codes(tmp_path / "mask.png", "")


@pytest.mark.parametrize("name", ["mask.png", "mask.tif"])
def test_mask_with_colours_of_16_bits_is_refused(tmp_path: Path, name: str) -> None:
    """Pillow keeps the high byte, so that every code below 256 was 0; images may be cut."""
    codes = np.repeat(np.array([[0, 1], [19, 255]], np.uint16)[..., np.newaxis], 3, axis=2)
    cv2.imwrite(str(tmp_path / name), codes)

    with pytest.raises(DatasetError, match=rf"{name}': stores colours or alpha with 16 bits"):
        read_codes(tmp_path / name, "")
    assert read_image(tmp_path / name, "").shape == (2, 2, 3)


@pytest.mark.parametrize("kind", [np.bool_, np.uint8])
def test_mask_with_white_as_zero_is_refused(tmp_path: Path, kind: type) -> None:
    """Some programs store their codes so as they are, others turned over; black as 0 is read."""
    codes = np.array([[0, 1], [1, 0]], kind)
    tifffile.imwrite(tmp_path / "mask.tif", codes, photometric="miniswhite")
    tifffile.imwrite(tmp_path / "good.tif", codes, photometric="minisblack")

    with pytest.raises(DatasetError, match=r"mask\.tif': is stored with white as 0"):
        read_codes(tmp_path / "mask.tif", "")
    assert np.array_equal(read_codes(tmp_path / "good.tif", ""), codes)


def test_mask_with_ambiguous_palette_is_refused(tmp_path: Path) -> None:
    """Is palette entry 1, a grey of 31, the code 1 or the code 31?"""
    picture = Image.fromarray(make_mask(4, 4, (0, 1))).convert("P")
    picture.putpalette([0, 0, 0, 31, 31, 31])
    picture.save(tmp_path / "mask.png")

    with pytest.raises(DatasetError, match=r"mask\.png.*codes are uncertain"):
        read_codes(tmp_path / "mask.png", "")


def test_image_of_16_bits_is_cut_to_8(tmp_path: Path) -> None:
    """The high byte counts, in all three channels."""
    path = tmp_path / "image.png"
    Image.fromarray(np.array([[0, 65535, 0x1234]], np.uint16)).save(path)

    assert read_image(path, "").tolist() == [[[0] * 3, [255] * 3, [0x12] * 3]]


def test_image_of_fractions_is_refused(tmp_path: Path) -> None:
    """Values between 0 and 1 would all become black, and a network would learn from that."""
    path = tmp_path / "image.tif"
    Image.fromarray(np.full((2, 3), 0.5, np.float32)).save(path)

    with pytest.raises(DatasetError, match=r"image\.tif': holds fractions"):
        read_image(path, "")


def test_transparent_image_lies_over_white(tmp_path: Path) -> None:
    """What was cut away looks like glass."""
    path = tmp_path / "image.png"
    Image.fromarray(np.array([[[9, 8, 7, 0], [9, 8, 7, 255]]], np.uint8)).save(path)

    assert read_image(path, "").tolist() == [[[255] * 3, [9, 8, 7]]]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
def test_truncated_picture_is_named_with_its_remedy(tmp_path: Path, suffix: str) -> None:
    """Half a download is an error and not an image with a grey half."""
    path = tmp_path / f"image{suffix}"
    write_picture(path, make_image(64, 64))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    with pytest.raises(DatasetError, match=rf"image\{suffix}.*not a readable picture.*fetch it"):
        read_image(path, "fetch it again")


def test_sizes_that_differ_name_both_files(tmp_path: Path) -> None:
    """An image and the mask of another cannot be learnt from."""
    image, mask = tmp_path / "a.png", tmp_path / "a_mask.png"
    write_picture(image, make_image(6, 4))
    write_picture(mask, make_mask(4, 6, (0,)))

    with pytest.raises(DatasetError, match=r"a\.png': 6 × 4 px.*a_mask\.png' is 4 × 6 px"):
        PairReader(CodeTable({0: 0}), "").example("a", "a", image, mask).read()
