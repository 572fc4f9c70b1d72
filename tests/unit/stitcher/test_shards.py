"""Shards laid out by us and read by Zarr."""

from pathlib import Path

import numpy as np
import pytest
import zarr

from dfaseg.errors import OutputError
from dfaseg.stitcher import shards
from dfaseg.stitcher.shards import ShardRows, create_level, read_rows, shard_extent


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make chunks of 8 px and shards of 32 px, so that tests need few pixels."""
    monkeypatch.setattr(shards, "CHUNK_PX", 8)
    monkeypatch.setattr(shards, "SHARD_PX", 32)


def labels(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return a mask with blocks of 255."""
    rng = np.random.default_rng(seed)
    blocks = np.kron(rng.random((height // 8 + 1, width // 8 + 1)) < 0.5, np.ones((8, 8)))
    mask = rng.integers(0, 5, (height, width), dtype=np.uint8)
    return np.where(blocks[:height, :width] > 0, mask, np.uint8(255))


def new_level(folder: Path, height: int, width: int) -> ShardRows:
    """Make an empty level and its writer."""
    create_level(folder, height, width)
    return ShardRows(folder, height, width)


def files(folder: Path) -> dict[str, bytes]:
    """Return the content of all files below a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.mark.parametrize(
    ("length", "extent"), [(1, 8), (8, 8), (9, 16), (32, 32), (33, 32), (900, 32)]
)
def test_shards_are_as_large_as_the_axis_needs(length: int, extent: int) -> None:
    """A small array has one small shard."""
    assert shard_extent(length) == extent


@pytest.mark.parametrize("shape", [(5, 3), (32, 32), (70, 45), (33, 100)])
@pytest.mark.parametrize("portion", [1, 7, 64])
def test_zarr_reads_what_was_written(tmp_path: Path, shape: tuple[int, int], portion: int) -> None:
    """Rows may come in any portions."""
    mask = labels(*shape)
    level = new_level(tmp_path / "0", *shape)

    for top in range(0, shape[0], portion):
        level.write(mask[top : top + portion])

    np.testing.assert_array_equal(zarr.open_array(tmp_path / "0", mode="r")[:], mask)


def test_shards_of_255_are_never_written(tmp_path: Path) -> None:
    """Empty glass costs no file."""
    mask = np.full((70, 70), 255, np.uint8)
    mask[40, 40] = 1

    new_level(tmp_path / "0", 70, 70).write(mask)

    assert [name for name in files(tmp_path / "0") if name != "zarr.json"] == ["c/1/1"]


def test_a_shard_is_written_once_it_is_complete(tmp_path: Path) -> None:
    """No file shows up before its last row."""
    level = new_level(tmp_path / "0", 64, 16)
    mask = np.zeros((64, 16), np.uint8)

    level.write(mask[:31])
    assert list(files(tmp_path / "0")) == ["zarr.json"]
    level.write(mask[31:33])
    assert list(files(tmp_path / "0")) == ["c/0/0", "zarr.json"]


@pytest.mark.parametrize("stop", [0, 5, 8, 32, 45, 70])
def test_resumed_level_ends_byte_identical(tmp_path: Path, stop: int) -> None:
    """What a killed run wrote past the last flush is forgotten, whatever it was."""
    mask, other = labels(70, 70), labels(70, 70, seed=1)
    new_level(tmp_path / "whole", 70, 70).write(mask)
    killed = new_level(tmp_path / "cut", 70, 70)
    killed.write(mask[:stop])
    killed.flush()
    killed.write(other[stop:])

    resumed = ShardRows(tmp_path / "cut", 70, 70)
    resumed.resume(stop)
    resumed.write(mask[stop:])

    assert files(tmp_path / "cut") == files(tmp_path / "whole")


def test_flushed_rows_can_be_read(tmp_path: Path) -> None:
    """A flush brings every row so far to disk and changes nothing else."""
    mask = labels(40, 20)
    level = new_level(tmp_path / "0", 40, 20)

    level.write(mask[:13])
    level.flush()
    flushed = zarr.open_array(tmp_path / "0", mode="r")[:]
    level.write(mask[13:])

    np.testing.assert_array_equal(flushed[:13], mask[:13])
    assert np.all(flushed[13:] == 255)
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "0", mode="r")[:], mask)


@pytest.mark.parametrize(("first", "end"), [(0, 70), (0, 1), (31, 33), (45, 45), (64, 70)])
def test_rows_come_back(tmp_path: Path, first: int, end: int) -> None:
    """What was written is read without Zarr, whatever shards and chunks it lies in."""
    mask = labels(70, 45)
    new_level(tmp_path / "0", 70, 45).write(mask)
    (tmp_path / "0" / "c" / "0" / ".DS_Store").write_text("left by a program that shows folders")

    np.testing.assert_array_equal(read_rows(tmp_path / "0", (70, 45), first, end), mask[first:end])


def test_rows_of_a_damaged_shard_are_not_read(tmp_path: Path) -> None:
    """Nobody goes on from what a disk has spoilt."""
    new_level(tmp_path / "0", 16, 16).write(labels(16, 16))
    shard = tmp_path / "0" / "c" / "0" / "0"
    shard.write_bytes(shard.read_bytes()[:-1])

    with pytest.raises(ValueError, match="index of a shard is damaged"):
        read_rows(tmp_path / "0", (16, 16), 0, 16)


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """The message says which shard."""
    level = new_level(tmp_path / "0", 8, 8)
    (tmp_path / "0" / "c").write_text("in the way")

    with pytest.raises(OutputError, match=r"c.0.0.*cannot be written"):
        level.write(np.zeros((8, 8), np.uint8))
