"""Zarr v3's ``sharding_indexed`` codec: compressed chunks, an index and its checksum in one file.

Zarr itself wants a shard whole, which is 4096 rows of pixels, and takes a third of a second and
seven threads before it has written anything (``docs/design/0004-zarr-layout.md``).
"""

import struct
from collections.abc import Mapping
from math import prod

import google_crc32c
import imagecodecs
import numpy as np
from numpy.typing import NDArray

_NO_CHUNK = 2**64 - 1
_BYTES_PER_ENTRY = 16
_CHECKSUM = struct.Struct("<I")

Place = tuple[int, ...]
"""Where a chunk lies in its shard, in chunks along each axis."""


def encode_chunk(pixels: NDArray[np.uint8], level: int) -> bytes:
    """Compress the pixels of a whole chunk by Zstandard."""
    return bytes(imagecodecs.zstd_encode(pixels.tobytes(), level))


def decode_chunk(data: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return the pixels of a chunk of a shape.

    Raises:
        ValueError: The data are damaged.
    """
    try:
        pixels = imagecodecs.zstd_decode(data)
    except imagecodecs.ZstdError as error:
        raise ValueError(f"a chunk cannot be decompressed: {error}") from error
    return np.frombuffer(pixels, np.uint8).reshape(shape)


def encode_shard(chunks: Mapping[Place, bytes], grid: Place) -> bytes:
    """Lay out a shard, in an order that depends on nothing but its chunks.

    Args:
        chunks: Compressed chunks; those left out hold the fill value only.
        grid: Chunks per shard along each axis.
    """
    index = np.full((*grid, 2), _NO_CHUNK, dtype="<u8")
    offset = 0
    ordered = sorted(chunks.items())
    for place, data in ordered:
        index[place] = offset, len(data)
        offset += len(data)
    table = index.tobytes()
    checksum = _CHECKSUM.pack(google_crc32c.value(table))
    return b"".join([*(data for _, data in ordered), table, checksum])


def decode_shard(shard: bytes, grid: Place) -> dict[Place, bytes]:
    """Return the compressed chunks of a shard, the inverse of ``encode_shard``.

    Raises:
        ValueError: The shard is damaged.
    """
    end = len(shard) - _CHECKSUM.size
    begin = end - _BYTES_PER_ENTRY * prod(grid)
    table = shard[max(begin, 0) : max(end, 0)]
    if begin < 0 or _CHECKSUM.pack(google_crc32c.value(table)) != shard[end:]:
        raise ValueError("the index of a shard is damaged")
    index = np.frombuffer(table, "<u8").reshape(*grid, 2)
    chunks = {}
    for place in np.ndindex(*grid):
        offset, size = index[place].tolist()
        if offset != _NO_CHUNK:
            chunks[place] = shard[offset : offset + size]
    return chunks
