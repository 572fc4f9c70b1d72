"""The slide's picture that lies below a mask, on disk."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.stitcher.shard_codec import encode_chunk
from dfaseg.stitcher.shards import CHUNK_PX, Chunks, shard_extent, write_shard
from dfaseg.stitcher.zarr_nodes import ArrayLayout, create_array

_ZSTD_LEVEL = 3
_ROWS_AT_ONCE = 16
"""Rows of a halved picture made at a time: few, as sums take several times the memory of pixels."""


@dataclass(frozen=True, slots=True)
class Overview:
    """A small picture of the slide, which viewers show below the mask.

    Attributes:
        pixels: RGB, uint8 ``(h, w, 3)``; its first pixel's corner is the mask's.
        factor: Mask pixels per pixel, along each axis.
    """

    pixels: NDArray[np.uint8]
    factor: int


def write_overview(folder: Path, pixels: NDArray[np.uint8], num_levels: int) -> None:
    """Write a picture and its halvings, one array each, named 0, 1, 2 and so on.

    Raises:
        OSError: An array is there already or cannot be made.
        OutputError: A shard cannot be written.
    """
    for level in range(num_levels):
        _write_level(folder / str(level), pixels)
        pixels = _halve_mean(pixels)


def _write_level(folder: Path, pixels: NDArray[np.uint8]) -> None:
    """Write a picture, ``(h, w, 3)``, as an array ``(3, h, w)``."""
    height, width, channels = pixels.shape
    shard = (channels, shard_extent(height), shard_extent(width))
    shape, chunk = (channels, height, width), (1, CHUNK_PX, CHUNK_PX)
    create_array(folder, ArrayLayout(("c", "y", "x"), shape, chunk, shard, _ZSTD_LEVEL))
    grid = (channels, shard[1] // CHUNK_PX, shard[2] // CHUNK_PX)
    for row, top in enumerate(range(0, height, shard[1])):
        for column, left in enumerate(range(0, width, shard[2])):
            chunks = _chunks(pixels[top : top + shard[1], left : left + shard[2]])
            if chunks:
                write_shard(folder / "c" / "0" / str(row) / str(column), chunks, grid)


def _chunks(pixels: NDArray[np.uint8]) -> Chunks:
    """Compress the chunks of a shard; those that hold nothing but 255 are left out."""
    chunks: Chunks = {}
    for row, top in enumerate(range(0, pixels.shape[0], CHUNK_PX)):
        for column, left in enumerate(range(0, pixels.shape[1], CHUNK_PX)):
            part = np.moveaxis(pixels[top : top + CHUNK_PX, left : left + CHUNK_PX], -1, 0)
            planes = np.full((len(part), CHUNK_PX, CHUNK_PX), IGNORE_INDEX, np.uint8)
            planes[:, : part.shape[1], : part.shape[2]] = part
            for channel, plane in enumerate(planes):
                if plane.min() != IGNORE_INDEX:
                    chunks[channel, row, column] = encode_chunk(plane, _ZSTD_LEVEL)
    return chunks


def _halve_mean(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Halve a picture along both axes by the rounded mean; odd edges count twice."""
    height, width, channels = pixels.shape
    halved = np.empty((-(-height // 2), -(-width // 2), channels), np.uint8)
    for top in range(0, len(halved), _ROWS_AT_ONCE):
        rows = pixels[2 * top : 2 * (top + _ROWS_AT_ONCE)]
        odd = ((0, len(rows) % 2), (0, width % 2), (0, 0))
        even = np.pad(rows, odd, mode="edge").astype(np.uint16)
        total = even[0::2, 0::2] + even[0::2, 1::2] + even[1::2, 0::2] + even[1::2, 1::2]
        halved[top : top + _ROWS_AT_ONCE] = (total + 2) // 4
    return halved
