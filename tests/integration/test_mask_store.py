"""Mask stores on disk: valid OME-Zarr, right pixels, the same bytes after a kill."""

import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import zarr
from ome_zarr_models.v05.image import Image
from ome_zarr_models.v05.image_label import ImageLabel
from ome_zarr_models.v05.labels import Labels

from dfaseg import files
from dfaseg.classmap import ClassMap, TissueClass
from dfaseg.errors import OutputError, OutputExistsError
from dfaseg.geometry import Rect
from dfaseg.inference.results.consumers import MaskResult
from dfaseg.stitcher import shards
from dfaseg.stitcher.mask_reader import open_mask, read_mask
from dfaseg.stitcher.mask_store import MaskWriter
from dfaseg.stitcher.ome import MaskSpec
from dfaseg.stitcher.overview_store import Overview
from dfaseg.stitcher.pyramid import PyramidRows

CLASSES = ClassMap((TissueClass(0, "stroma", (0, 0, 255)), TissueClass(1, "tumour", (9, 8, 7))))
SPEC = MaskSpec(1300, 1100, CLASSES, mpp_x=0.5, mpp_y=0.25)
RECORD = {"tool": "dfaseg 0.1", "slide": {"id": "µ-slide"}}


def some_mask() -> np.ndarray:
    """Return a mask of two classes with an empty left part."""
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 2, (110, 130), dtype=np.uint8)
    mask = np.kron(blocks, np.ones((10, 10), np.uint8))
    mask[:, :600] = 255
    return mask


def some_overview() -> Overview:
    """Return a picture of the slide, 32 times coarser than the mask."""
    pixels = np.random.default_rng(1).integers(0, 256, (35, 41, 3), dtype=np.uint8)
    return Overview(pixels, 32)


def write(path: Path, mask: np.ndarray, portion: int = 384) -> None:
    """Write a whole mask in portions of rows."""
    writer = MaskWriter(path, SPEC)
    writer.begin(some_overview())
    for top in range(0, len(mask), portion):
        writer.write_rows(mask[top : top + portion])
    writer.finish(RECORD)


def content(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files below a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def attributes(group: Path) -> dict[str, Any]:
    """Return the attributes in a group's metadata file."""
    metadata: dict[str, Any] = json.loads((group / "zarr.json").read_text())["attributes"]
    return metadata


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a finished mask."""
    write(tmp_path / "mask.zarr", some_mask())
    return tmp_path / "mask.zarr"


def test_store_is_valid_ome_zarr(store: Path) -> None:
    """Image, list of labels and label image follow OME-Zarr 0.5, arrays included."""
    image = Image.from_zarr(zarr.open_group(store, mode="r"))
    labels = Labels.from_zarr(zarr.open_group(store / "labels", mode="r"))
    label = ImageLabel.from_zarr(zarr.open_group(store / "labels" / "tissue", mode="r"))

    assert labels.label_paths == ["tissue"]
    assert image.labels is not None
    assert label.attributes.ome.version == "0.5"
    for group in (store, store / "labels", store / "labels" / "tissue"):
        assert attributes(group)["ome"]["version"] == "0.5"


def test_image_and_label_have_as_many_levels(store: Path) -> None:
    """The specification asks for it, and viewers rely on it."""
    image, label = (
        attributes(group)["ome"]["multiscales"][0]["datasets"]
        for group in (store, store / "labels" / "tissue")
    )

    assert len(image) == len(label) == SPEC.num_levels


def test_pixels_of_all_levels_come_back(store: Path) -> None:
    """Each level is the majority of the one before."""
    reader = open_mask(store)

    levels = PyramidRows(SPEC.height, SPEC.width, SPEC.num_levels).add(some_mask())
    assert reader.num_levels == len(levels) == 3
    for level, expected in enumerate(levels):
        assert reader.shape(level) == expected.shape
        np.testing.assert_array_equal(reader.read(level), expected)


def test_mask_describes_itself(store: Path) -> None:
    """Classes, resolution and run record are read back."""
    reader = open_mask(store)

    assert reader.spec == SPEC
    assert reader.record == RECORD


@pytest.mark.parametrize(
    "rect", [Rect(590, 10, 30, 20), Rect(-5, -5, 10, 10), Rect(1290, 1090, 20, 20)]
)
def test_part_of_a_mask_is_read_alone(store: Path, rect: Rect) -> None:
    """A rectangle may overhang the mask; what lies outside is 255."""
    padded = np.pad(some_mask(), 20, constant_values=255)

    pixels = read_mask(store, rect=rect)

    np.testing.assert_array_equal(pixels, padded[rect.shifted(20, 20).slices])


def test_overview_is_stored_as_colour_channels(store: Path) -> None:
    """The root image is the picture given, halved level by level."""
    pixels = zarr.open_array(store / "0", mode="r")[:]

    np.testing.assert_array_equal(np.moveaxis(pixels, 0, -1), some_overview().pixels)
    assert zarr.open_array(store / "2", mode="r").shape == (3, 9, 11)


def test_bytes_do_not_depend_on_how_rows_are_cut(store: Path, tmp_path: Path) -> None:
    """Two runs over the same slide give the same store."""
    write(tmp_path / "other.zarr", some_mask(), portion=97)

    assert content(tmp_path / "other.zarr") == content(store)


@pytest.mark.parametrize("stop", [0, 1, 511, 513, 775, 1100])
def test_resumed_store_ends_byte_identical(store: Path, tmp_path: Path, stop: int) -> None:
    """A run killed after a flush, further on and in the middle of a file, is made good."""
    cut, mask = tmp_path / "cut.zarr", some_mask()
    killed = MaskWriter(cut, SPEC)
    killed.begin(some_overview())
    killed.write_rows(mask[:stop])
    killed.flush()
    killed.write_rows(mask[::-1][stop:])
    killed.flush()
    row = cut / "labels" / "tissue" / "0" / "c" / "0"
    (row / ".0.dfaseg.0123abcd.tmp").write_bytes(b"half a shard")
    (row / ".0.dfaseg.u.0123abcd.tmp").touch()  # killed before the file was locked

    resumed = MaskWriter(cut, SPEC)
    resumed.resume(stop)
    assert resumed.next_row == stop
    resumed.write_rows(mask[stop:])
    resumed.finish(RECORD)

    assert content(cut) == content(store)


def test_nothing_is_written_over(store: Path) -> None:
    """The writer never touches what is already there."""
    before = content(store)

    with pytest.raises(OutputExistsError, match=r"mask\.zarr"):
        MaskWriter(store, SPEC).begin(some_overview())
    assert content(store) == before


def test_unfinished_mask_is_not_finished(tmp_path: Path) -> None:
    """A record is only added to a whole mask."""
    writer = MaskWriter(tmp_path / "mask.zarr", SPEC)
    writer.begin(some_overview())
    writer.write_rows(some_mask()[:100])

    with pytest.raises(ValueError, match="100 of its 1100 rows"):
        writer.finish(RECORD)


def test_full_disk_is_reported_with_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No shard is left half-written."""

    def no_space(_path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    writer = MaskWriter(tmp_path / "mask.zarr", SPEC)
    writer.begin(some_overview())
    before = content(tmp_path / "mask.zarr")
    monkeypatch.setattr(files, "_flush_to_disk", no_space)

    with pytest.raises(OutputError, match=r"mask\.zarr.*No space left"):
        writer.write_rows(some_mask())
    assert content(tmp_path / "mask.zarr") == before


def test_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    """A file in the way gives one line, not a traceback."""
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(OutputError, match="cannot be read or written"):
        MaskWriter(tmp_path / "file" / "mask.zarr", SPEC).begin(some_overview())


@pytest.mark.parametrize("path", ["missing.zarr", "."], ids=["missing", "not a mask"])
def test_what_is_no_mask_is_reported(tmp_path: Path, path: str) -> None:
    """Opening names the path."""
    with pytest.raises(OutputError, match="no dfaseg mask"):
        open_mask(tmp_path / path)


def test_damaged_metadata_is_reported(store: Path) -> None:
    """A store whose label image lost its names is not guessed at."""
    path = store / "labels" / "tissue" / "zarr.json"
    path.write_text(path.read_text().replace('"image-label"', '"other"'))

    with pytest.raises(OutputError, match="damaged"):
        open_mask(store)


def test_resuming_without_a_store_is_reported(tmp_path: Path) -> None:
    """A removed folder cannot be continued."""
    with pytest.raises(OutputError, match="no dfaseg mask"):
        MaskWriter(tmp_path / "gone.zarr", SPEC).resume(10)


def test_shards_hold_many_chunks(tmp_path: Path) -> None:
    """A mask larger than a shard is a handful of files, each read in chunks of 512 px."""
    spec = MaskSpec(4600, 4200, CLASSES, 1, 1)
    writer = MaskWriter(tmp_path / "mask.zarr", spec)
    writer.begin(some_overview())
    writer.write_rows(np.zeros((4200, 4600), np.uint8))

    array = zarr.open_array(tmp_path / "mask.zarr" / "labels" / "tissue" / "0", mode="r")

    assert array.shards == (shards.SHARD_PX, shards.SHARD_PX)
    assert array.chunks == (shards.CHUNK_PX, shards.CHUNK_PX)
    assert len(content(tmp_path / "mask.zarr" / "labels" / "tissue" / "0" / "c")) == 4


@pytest.mark.parametrize(("factor", "level"), [(1, 0), (2, 1), (4, 2), (2**20, -1)])
@pytest.mark.parametrize("shown", [(55, 65), (1100, 1300), (700, 1501), (1, 1)])
def test_who_writes_a_mask_returns_what_the_overlay_shows(
    tmp_path: Path, factor: int, level: int, shown: tuple[int, int]
) -> None:
    """It is drawn from the level as coarse as the overview, in any size, as OpenCV would do it."""
    path, mask = tmp_path / "mask.zarr", some_mask()
    overview = Overview(some_overview().pixels, factor)
    result = MaskResult(path, SPEC, overview, RECORD, shown)
    result.begin()
    result.write_rows(mask)

    found = result.finish()

    stored = [read_mask(path, number) for number in range(SPEC.num_levels)][level]
    expected = cv2.resize(stored, shown[::-1], interpolation=cv2.INTER_NEAREST)
    np.testing.assert_array_equal(found, expected)


def test_writing_a_mask_does_not_load_zarr(tmp_path: Path) -> None:
    """A run would wait for it, and keep its threads; only those who read a mask need it."""
    program = """
import sys
from pathlib import Path
from tests.integration.test_mask_store import RECORD, SPEC, some_mask, some_overview
for name in [name for name in sys.modules if name.partition(".")[0] == "zarr"]:
    del sys.modules[name]
from dfaseg.inference.results.consumers import MaskResult
result = MaskResult(Path(sys.argv[1]), SPEC, some_overview(), RECORD, (55, 65))
result.begin()
result.write_rows(some_mask())
result.finish()
print(*(name for name in sys.modules if name.partition(".")[0] == "zarr"))
"""

    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "mask.zarr")],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == []
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.zarr"), some_mask())
