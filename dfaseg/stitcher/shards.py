"""One level of a mask on disk: rows stream in, whole Zarr shards come out."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfaseg.analysed import analysed_pieces
from dfaseg.classmap import IGNORE_INDEX
from dfaseg.errors import OutputError
from dfaseg.files import explain, write_aside
from dfaseg.stitcher.shard_codec import (
    Place,
    decode_chunk,
    decode_shard,
    encode_chunk,
    encode_shard,
)
from dfaseg.stitcher.zarr_nodes import METADATA, ArrayLayout, create_array

CHUNK_PX = 512
"""Side of a chunk, the unit in which viewers read."""
SHARD_PX = 4096
"""Largest side of a shard, the unit in which files are written."""

_ZSTD_LEVEL = 1
"""Labels shrink 24-fold at 700 Mpx/s; level 5 gains a seventh and takes four times as long."""

Labels = NDArray[np.uint8]
Chunks = dict[Place, bytes]
"""Compressed chunks of one shard by their place in it."""


def shard_extent(length: int) -> int:
    """Return a shard's side along an axis: whole chunks, just enough of them, at most 4096 px."""
    return min(-(-length // CHUNK_PX) * CHUNK_PX, SHARD_PX)


def create_level(folder: Path, height: int, width: int) -> None:
    """Write the metadata of an empty level, all of it 255.

    Raises:
        OSError: The folder is there already or cannot be made.
    """
    shard = (shard_extent(height), shard_extent(width))
    chunk = (CHUNK_PX, CHUNK_PX)
    create_array(folder, ArrayLayout(("y", "x"), (height, width), chunk, shard, _ZSTD_LEVEL))


def read_rows(folder: Path, shape: tuple[int, int], first: int, end: int) -> Labels:
    """Read rows of a level back.

    Args:
        folder: What ``create_level`` made.
        shape: Height and width of the level.
        first: First row.
        end: Row after the last.

    Returns:
        Shape ``(end - first, width)``; 255 where nothing was written.

    Raises:
        OSError: There is no such level, or a shard cannot be read.
        ValueError: A shard is damaged.
    """
    (folder / METADATA).stat()
    height, width = (shard_extent(length) for length in shape)
    grid = (height // CHUNK_PX, width // CHUNK_PX)
    rows = np.full((end - first, shape[1]), IGNORE_INDEX, np.uint8)
    for shard_row in range(first // height, -(-end // height)):
        for path in (folder / "c" / str(shard_row)).glob("[0-9]*"):
            for place, data in decode_shard(path.read_bytes(), grid).items():
                top = shard_row * height + place[0] * CHUNK_PX
                left = int(path.name) * width + place[1] * CHUNK_PX
                begin, stop = max(top, first), min(top + CHUNK_PX, end)
                if begin < stop:
                    chunk = decode_chunk(data, (CHUNK_PX, CHUNK_PX))
                    across = rows[begin - first : stop - first, left : left + CHUNK_PX]
                    across[:] = chunk[begin - top : stop - top, : across.shape[1]]
    return rows


def write_shard(path: Path, chunks: Mapping[Place, bytes], grid: Place) -> None:
    """Write a shard, which takes its name only when it is complete on disk.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"output '{path}': cannot be written ({explain(error)})") from error
    with write_aside(path) as aside:
        aside.write_bytes(encode_shard(chunks, grid))


class _ChunkPool:
    """Keeps compressed chunks in one block of memory that is used again and again.

    Thousands of small objects that live long, between large ones that do not, would fragment the
    heap and let the process grow with the slide.
    """

    def __init__(self) -> None:
        self._block = bytearray()
        self._used = 0

    def keep(self, data: bytes) -> slice:
        """Store a chunk and return where it lies."""
        end = self._used + len(data)
        if end > len(self._block):
            self._block.extend(bytes(end))
        place = slice(self._used, end)
        self._block[place] = data
        self._used = end
        return place

    def chunks(self, places: Mapping[Place, slice]) -> Chunks:
        """Return copies of chunks by their place in the shard."""
        return {place: bytes(self._block[span]) for place, span in places.items()}

    def clear(self) -> None:
        """Forget all chunks but keep the memory."""
        self._used = 0


class ShardRows:
    """Writes the rows of one level, top to bottom.

    Each row of chunks is compressed as soon as it is complete, so that 512 rows of pixels are held
    and not the 4096 of a shard. Shards that hold nothing but 255 are never written, every other one
    whole and, but for ``flush``, once; its bytes depend on the pixels alone.

    Args:
        folder: Zarr array that ``create_level`` made.
        height: Rows of the level.
        width: Columns of the level.
    """

    def __init__(self, folder: Path, height: int, width: int) -> None:
        self._folder = folder
        self._height, self._width = height, width
        self._shard_height, self._shard_width = shard_extent(height), shard_extent(width)
        padded_width = -(-width // CHUNK_PX) * CHUNK_PX
        self._strip: Labels = np.full((CHUNK_PX, padded_width), IGNORE_INDEX, np.uint8)
        # Columns of chunks with analysed pixels; all else of the strip is 255.
        self._is_used = np.zeros(padded_width // CHUNK_PX, np.bool_)
        self._pool = _ChunkPool()
        self._places: defaultdict[int, dict[Place, slice]] = defaultdict(dict)
        self.next_row = 0

    def write(self, rows: Labels) -> None:
        """Take the next rows, shape ``(n, width)``.

        Raises:
            OutputError: A shard cannot be written.
        """
        while len(rows):
            offset = self.next_row % CHUNK_PX
            part = rows[: CHUNK_PX - offset]
            for first, end in analysed_pieces(part):
                self._strip[offset : offset + len(part), first:end] = part[:, first:end]
                self._is_used[first // CHUNK_PX : -(-end // CHUNK_PX)] = True
            self.next_row += len(part)
            rows = rows[len(part) :]
            if self.next_row % CHUNK_PX == 0 or self.next_row == self._height:
                self._finish_strip()

    def flush(self) -> None:
        """Write shards that are not complete yet, so that ``resume`` finds every row so far.

        Raises:
            OutputError: A shard cannot be written.
        """
        self._write_shards(self._begun_shards())

    def resume(self, next_row: int) -> None:
        """Go on at a row up to which a former run had flushed; what lies below is forgotten.

        Raises:
            OSError: A shard cannot be read or removed.
            OutputError: A shard cannot be written.
            ValueError: A shard is damaged.
        """
        if next_row == self._height:
            self.next_row = next_row
            return
        shard_row = next_row // self._shard_height
        self.next_row = shard_row * self._shard_height
        shape = (self._height, self._width)
        for top in range(self.next_row, next_row, CHUNK_PX):
            self.write(read_rows(self._folder, shape, top, min(top + CHUNK_PX, next_row)))
        # Written before others are removed: a second kill must not lose what the first one left.
        begun = self._begun_shards()
        self._write_shards(begun)
        for path in self._folder.glob("c/*/*"):
            row, column = int(path.parent.name), int(path.name)
            if row > shard_row or (row == shard_row and column not in begun):
                path.unlink()

    def _begun_shards(self) -> dict[int, Chunks]:
        """Return the shards of the current row of shards, the strip in work included."""
        begun = {column: self._pool.chunks(places) for column, places in self._places.items()}
        if self.next_row % CHUNK_PX and self.next_row < self._height:
            for column, place, data in self._encoded_strip():
                begun.setdefault(column, {})[place] = data
        return begun

    def _finish_strip(self) -> None:
        for column, place, data in self._encoded_strip():
            self._places[column][place] = self._pool.keep(data)
        for index in np.flatnonzero(self._is_used).tolist():
            self._strip[:, index * CHUNK_PX : (index + 1) * CHUNK_PX] = IGNORE_INDEX
        self._is_used[:] = False
        if self.next_row % self._shard_height == 0 or self.next_row == self._height:
            self._write_shards(self._begun_shards())
            self._places.clear()
            self._pool.clear()

    def _encoded_strip(self) -> Iterator[tuple[int, Place, bytes]]:
        """Compress the chunks of the strip: column of the shard, place in it, bytes."""
        row = (self.next_row - 1) % self._shard_height // CHUNK_PX
        chunks_across = self._shard_width // CHUNK_PX
        for index in np.flatnonzero(self._is_used).tolist():
            chunk = self._strip[:, index * CHUNK_PX : (index + 1) * CHUNK_PX]
            if chunk.min() == IGNORE_INDEX:
                continue
            column, place = divmod(index, chunks_across)
            yield column, (row, place), encode_chunk(chunk, _ZSTD_LEVEL)

    def _write_shards(self, shards: Mapping[int, Chunks]) -> None:
        row = (self.next_row - 1) // self._shard_height
        grid = (self._shard_height // CHUNK_PX, self._shard_width // CHUNK_PX)
        for column, chunks in shards.items():
            write_shard(self._folder / "c" / str(row) / str(column), chunks, grid)
