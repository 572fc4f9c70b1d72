"""Zarr v3's metadata, one JSON file per group and array, as Zarr itself writes it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfaseg.classmap import IGNORE_INDEX

METADATA = "zarr.json"
"""Makes a folder a Zarr group or array."""


@dataclass(frozen=True, slots=True)
class ArrayLayout:
    """How the bytes of an array, uint8, lie in shards of compressed chunks; 255 is left out.

    Attributes:
        axes: Their names.
        shape: Length along each axis.
        chunk: Of a chunk, along each axis.
        shard: Of a shard, likewise; whole chunks.
        zstd_level: How hard chunks are compressed.
    """

    axes: tuple[str, ...]
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    shard: tuple[int, ...]
    zstd_level: int


def create_group(folder: Path, attributes: Mapping[str, Any]) -> None:
    """Make a group with its attributes.

    Raises:
        OSError: The folder is there already or cannot be made.
    """
    _create(folder, {"attributes": dict(attributes), "zarr_format": 3, "node_type": "group"})


def create_array(folder: Path, layout: ArrayLayout) -> None:
    """Make an array without any shard: all of it is 255.

    Raises:
        OSError: The folder is there already or cannot be made.
    """
    sharding = {
        "chunk_shape": layout.chunk,
        "codecs": [
            {"name": "bytes"},
            {"name": "zstd", "configuration": {"level": layout.zstd_level, "checksum": False}},
        ],
        "index_codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "crc32c"},
        ],
        "index_location": "end",
    }
    grid = {"name": "regular", "configuration": {"chunk_shape": layout.shard}}
    _create(
        folder,
        {
            "shape": layout.shape,
            "data_type": "uint8",
            "chunk_grid": grid,
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": IGNORE_INDEX,
            "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
            "attributes": {},
            "dimension_names": layout.axes,
            "zarr_format": 3,
            "node_type": "array",
            "storage_transformers": [],
        },
    )


def _create(folder: Path, metadata: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True)
    (folder / METADATA).write_text(json.dumps(metadata, indent=2), encoding="utf-8")
