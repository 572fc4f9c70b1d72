"""A bounded, ordered stream of patch batches, cut from a slide while it is decoded."""

import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from dfaseg.geometry import Rect, Tile, TileGrid
from dfaseg.slide.slide import Slide
from dfaseg.tiler.boxes import Span, any_in_boxes
from dfaseg.tiler.plan import ReadPlan
from dfaseg.tiler.rows import RowReader, RowStrip
from dfaseg.tiler.strip_buffers import WHITE

BATCHES_AHEAD = 3
"""Batches that wait for the device; more would only hold memory."""


@dataclass(frozen=True, slots=True)
class PatchBatch:
    """Patches that go through the network together.

    Attributes:
        tiles: Their places, in grid order (row by row).
        pixels: RGB, shape ``(n, patch_px, patch_px, 3)``; white outside the slide.
    """

    tiles: tuple[Tile, ...]
    pixels: NDArray[np.uint8]


class PatchStream:
    """Reads the selected tiles of a slide in grid order, each native tile once.

    Iterating starts the worker threads; leaving the iteration, even early, ends them.

    Args:
        slide: Open slide; stays open.
        plan: Level and scale to read at.
        grid: Tiles over the plan's mask frame.
        selected: Tiles to read, shape ``(grid.num_rows, grid.num_cols)``.
        batch_size: Most patches per batch; a batch may span several rows of tiles.
        num_workers: Threads that decode and resample.
        first_row: Row of tiles to begin with.
        unreadable: Native tiles that an earlier part of the run could not decode. They may reach
            into rows that are not finished, and nobody need ask for them again.
    """

    def __init__(  # noqa: PLR0913  # the last two say where a stopped run goes on
        self,
        slide: Slide,
        plan: ReadPlan,
        grid: TileGrid,
        selected: NDArray[np.bool_],
        *,
        batch_size: int,
        num_workers: int,
        first_row: int = 0,
        unreadable: Mapping[tuple[int, int], str] = MappingProxyType({}),
    ) -> None:
        self._slide = slide
        self._plan = plan
        self._grid = grid
        self._selected = selected.copy()
        self._selected[:first_row] = False
        self._batch_size = batch_size
        self._num_workers = num_workers
        self._first_row = first_row
        self._unreadable: dict[tuple[int, int], str] = {}
        self._unreadable_rects: list[Rect] = []
        self._first_rect = 0
        self._note_unreadable(unreadable)

    @property
    def unreadable(self) -> dict[tuple[int, int], str]:
        """Reason for each native tile ``(column, row)`` that could not be decoded so far."""
        return dict(self._unreadable)

    def unreadable_below(self, y: int) -> tuple[Rect, ...]:
        """Return the mask pixels of unreadable tiles that reach below a row, which only grows.

        Complete for all rows of the batches yielded so far.
        """
        # Tiles fail strip by strip, so those that end above the row are the first ones.
        rects = self._unreadable_rects
        while self._first_rect < len(rects) and rects[self._first_rect].bottom <= y:
            self._first_rect += 1
        return tuple(rects[self._first_rect :])

    def __iter__(self) -> Iterator[PatchBatch]:
        """Yield the batches in grid order.

        Raises:
            SlideError: The slide failed in a way that is not bound to single tiles.
        """
        batches: queue.Queue[PatchBatch | BaseException | None] = queue.Queue(BATCHES_AHEAD)
        stopped = threading.Event()
        producer = threading.Thread(
            target=self._produce, args=(batches, stopped), name="patch-stream", daemon=True
        )
        producer.start()
        try:
            while (item := batches.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stopped.set()
            _drain(batches)
            producer.join()

    def _produce(
        self, batches: "queue.Queue[PatchBatch | BaseException | None]", stopped: threading.Event
    ) -> None:
        """Fill the queue from a thread of its own; a failure travels to the consumer."""
        try:
            with ThreadPoolExecutor(self._num_workers, thread_name_prefix="decode") as executor:
                for batch in self._batches(executor):
                    if not _put(batches, batch, stopped):
                        return
            _put(batches, None, stopped)
        except BaseException as error:  # noqa: BLE001 - raised again in the consumer's thread
            _put(batches, error, stopped)

    def _batches(self, executor: ThreadPoolExecutor) -> Iterator[PatchBatch]:
        """Group the patches of consecutive tiles."""
        pixels, tiles = self._empty_batch(), list[Tile]()
        for tile, patch_rows in self._tiles_with_rows(executor):
            patch = pixels[len(tiles)]
            x, right, bottom = tile.mask_rect.x, tile.mask_rect.right, tile.mask_rect.bottom
            if right > self._plan.width or bottom > self._plan.height:
                patch[...] = WHITE
            top = 0
            for part in patch_rows:
                piece = part[:, x:right]
                patch[top : top + len(piece), : piece.shape[1]] = piece
                top += len(piece)
            tiles.append(tile)
            if len(tiles) == self._batch_size:
                yield PatchBatch(tuple(tiles), pixels)
                pixels, tiles = self._empty_batch(), []
        if tiles:
            yield PatchBatch(tuple(tiles), pixels[: len(tiles)])

    def _empty_batch(self) -> NDArray[np.uint8]:
        side = self._grid.patch_px
        return np.empty((self._batch_size, side, side, 3), np.uint8)

    def _tiles_with_rows(
        self, executor: ThreadPoolExecutor
    ) -> Iterator[tuple[Tile, Sequence[NDArray[np.uint8]]]]:
        """Yield each selected tile with the pieces of full-width rows it is cut from."""
        rows_left = np.flatnonzero(self._selected.any(axis=1)).tolist()
        if not rows_left:
            return
        band = _RowBand(self._plan, self._grid)
        reader = RowReader(
            self._slide,
            self._plan,
            executor,
            self.needed_native_tiles(),
            num_workers=self._num_workers,
        )
        for strip in reader.strips(rows_left[0] * self._grid.stride_px):
            self._note_unreadable(reader.take_unreadable())
            band.append(strip)
            while rows_left and band.has_tile_row(rows_left[0]):
                row = rows_left.pop(0)
                parts = band.tile_row(row)
                for col in np.flatnonzero(self._selected[row]):
                    yield self._grid.tile(row, int(col)), parts
            if not rows_left:
                return
            band.forget_before(rows_left[0] * self._grid.stride_px)

    def _note_unreadable(self, tiles: Mapping[tuple[int, int], str]) -> None:
        level = self._slide.info.levels[self._plan.level]
        for (col, row), reason in tiles.items():
            if (col, row) not in self._unreadable:
                self._unreadable[col, row] = reason
                rect = self._plan.mask_rect_of(level.tile_rect(col, row))
                self._unreadable_rects.append(rect)

    def needed_native_tiles(self) -> NDArray[np.bool_]:
        """Tell which native tiles touch a selected tile."""
        level = self._slide.info.levels[self._plan.level]
        stride, side = self._grid.stride_px, self._grid.patch_px
        rows = _touching(
            level.num_tile_rows, level.tile_height / float(self._plan.scale_y), stride, side
        )
        cols = _touching(
            level.num_tile_cols, level.tile_width / float(self._plan.scale_x), stride, side
        )
        return any_in_boxes(self._selected, rows, cols)


class _RowBand:
    """The last strips of the mask frame, kept until every tile on them is cut."""

    def __init__(self, plan: ReadPlan, grid: TileGrid) -> None:
        self._plan = plan
        self._grid = grid
        self._end = 0
        self._strips: list[RowStrip] = []

    def append(self, strip: RowStrip) -> None:
        """Add the rows that follow the last ones."""
        self._strips.append(strip)
        self._end = strip.y + len(strip.pixels)

    def has_tile_row(self, row: int) -> bool:
        """Tell whether all pixels of a row of tiles have been read."""
        bottom = row * self._grid.stride_px + self._grid.patch_px
        return bool(self._strips) and self._end >= min(bottom, self._plan.height)

    def tile_row(self, row: int) -> list[NDArray[np.uint8]]:
        """Return the pieces of full-width rows that a row of tiles covers, top to bottom."""
        top = row * self._grid.stride_px
        bottom = top + self._grid.patch_px
        parts = [
            strip.pixels[max(0, top - strip.y) : max(0, bottom - strip.y)] for strip in self._strips
        ]
        return [part for part in parts if len(part)]

    def forget_before(self, y: int) -> None:
        """Drop strips that end above a mask row."""
        self._strips = [strip for strip in self._strips if strip.y + len(strip.pixels) > y]


def _touching(count: int, native_side: float, stride: int, side: int) -> Span:
    """First and one past the last tile of the grid that touches each native tile, on one axis.

    Args:
        count: Native tiles on the axis.
        native_side: Mask pixels per native tile.
        stride: Mask pixels between tiles.
        side: Mask pixels per tile.
    """
    index = np.arange(count)
    start = np.floor(index * native_side).astype(np.int64)
    stop = np.ceil((index + 1) * native_side).astype(np.int64)
    first = np.maximum(0, -(-(start - side + 1) // stride))
    last = (stop - 1) // stride + 1
    return first, last


def _put(
    batches: "queue.Queue[PatchBatch | BaseException | None]",
    item: PatchBatch | BaseException | None,
    stopped: threading.Event,
) -> bool:
    """Wait for room in the queue; give up once nobody listens."""
    while not stopped.is_set():
        try:
            batches.put(item, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False


def _drain(batches: "queue.Queue[PatchBatch | BaseException | None]") -> None:
    """Make room, so that a producer waiting to put can see that it was stopped."""
    while not batches.empty():
        try:
            batches.get_nowait()
        except queue.Empty:
            return
