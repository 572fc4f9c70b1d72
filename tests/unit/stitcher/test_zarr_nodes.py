"""Metadata of our own hand beside what Zarr writes."""

import json
from pathlib import Path

import numpy as np
import pytest
import zarr
import zarr.codecs

from dfaseg.stitcher.zarr_nodes import ArrayLayout, create_array, create_group

LAYOUT = ArrayLayout(("c", "y", "x"), (3, 700, 900), (1, 512, 512), (3, 1024, 1024), zstd_level=3)


def metadata(folder: Path) -> object:
    """Return what lies in a node's file."""
    return json.loads((folder / "zarr.json").read_text(encoding="utf-8"))


def test_array_is_described_as_zarr_does(tmp_path: Path) -> None:
    """The same shape, chunks, codecs, fill value and names."""
    zarr.create_array(
        store=tmp_path / "theirs",
        shape=LAYOUT.shape,
        dtype="uint8",
        chunks=LAYOUT.chunk,
        shards=LAYOUT.shard,
        compressors=zarr.codecs.ZstdCodec(level=LAYOUT.zstd_level),
        fill_value=255,
        dimension_names=LAYOUT.axes,
        zarr_format=3,
    )
    theirs = zarr.open_array(tmp_path / "theirs", mode="r").metadata

    create_array(tmp_path / "ours", LAYOUT)

    assert zarr.open_array(tmp_path / "ours", mode="r").metadata == theirs


def test_group_is_described_as_zarr_does(tmp_path: Path) -> None:
    """Attributes are those given, in letters of any kind."""
    attributes = {"ome": {"version": "0.5", "name": "µ"}}
    zarr.create_group(tmp_path / "theirs", attributes=attributes, zarr_format=3)

    create_group(tmp_path / "below" / "ours", attributes)

    assert metadata(tmp_path / "below" / "ours") == metadata(tmp_path / "theirs")
    assert dict(zarr.open_group(tmp_path / "below" / "ours", mode="r").attrs) == attributes


def test_array_without_shards_is_255(tmp_path: Path) -> None:
    """What was never written was never analysed."""
    create_array(tmp_path / "0", LAYOUT)

    assert np.all(zarr.open_array(tmp_path / "0", mode="r")[:, :9, :9] == 255)


def test_nothing_is_written_over(tmp_path: Path) -> None:
    """A node that is there stays as it is."""
    create_group(tmp_path / "group", {"a": 1})

    with pytest.raises(FileExistsError):
        create_array(tmp_path / "group", LAYOUT)
    assert metadata(tmp_path / "group") == {
        "attributes": {"a": 1},
        "zarr_format": 3,
        "node_type": "group",
    }
