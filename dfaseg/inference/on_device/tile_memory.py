"""Host memory that tiles are decoded into, by threads or by processes, for a device to copy."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfaseg.inference.on_device.lane import pinned, registered
from dfaseg.slide.slide import Slide
from dfaseg.tiler.decode_pool import DecodePool, can_serve
from dfaseg.tiler.plan import ReadPlan
from dfaseg.tiler.rows import TileReader, tile_reader
from dfaseg.tiler.shared_memory import SharedPixels
from dfaseg.tiler.tile_jobs import Failures, decode_tiles


class TileDecoder(Protocol):
    """Decodes tiles into places of a slot."""

    def decode(self, slot: int, first: int, cols: Sequence[int], row: int) -> Failures:
        """Decode tiles of one row into a slot, from a place on; return those that failed."""
        ...


@dataclass(frozen=True, slots=True)
class OwnTiles:
    """Decodes in the thread that asks."""

    read_tile: TileReader
    memory: NDArray[np.uint8]

    def decode(self, slot: int, first: int, cols: Sequence[int], row: int) -> Failures:
        """Decode tiles; see ``TileDecoder``."""
        return decode_tiles(self.read_tile, cols, row, self.memory[slot, first:])


@contextmanager
def tile_memory(
    slide: Slide,
    plan: ReadPlan,
    shape: Sequence[int],
    device: torch.device,
    pool: DecodePool | None,
) -> Iterator[tuple[Tensor, TileDecoder]]:
    """Take memory for decoded tiles, and what fills it.

    Args:
        slide: Open slide; stays open.
        plan: How it is read.
        shape: Slots, places, height, width, colours.
        device: What copies from the memory.
        pool: Processes that decode; None decodes in the threads that ask.
    """
    if pool is None or not can_serve(slide):
        memory = pinned(shape, torch.uint8, device)
        yield memory, OwnTiles(tile_reader(slide, plan), memory.numpy())
        return
    shared = SharedPixels.create(shape)
    try:
        with registered(torch.from_numpy(shared.pixels), device) as memory:
            yield memory, pool.serve(slide, plan, shared)
    finally:
        shared.close()
