"""Closed chains too long for memory, split into simple rings inside the spool."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.rings import (
    Pairs,
    Places,
    Segments,
    cut_segments,
    find_pairs,
    join_segments,
    keys_of,
)
from dfaseg.annotation.spool import Spool
from dfaseg.annotation.trails import Trails, read_blocks, unmark_edges


@dataclass(frozen=True, slots=True)
class LongRings:
    """The simple rings of one chain, which lie one after another in the spool.

    They are sorted by their topmost, then leftmost edge, with which each begins.
    """

    first: int
    """The first edge of the first ring."""
    num_edges: Places
    """Edges of each ring."""
    last_line: int
    """Largest y of the chain."""
    first_key: int
    """Smallest key of its vertices."""


def split_long_chain(trails: Trails, chain: int, spool: Spool, num_columns: int) -> LongRings:
    """Split a closed chain where it touches itself.

    Memory depends on how often it does, not on how long it is.

    Args:
        trails: Where its edges lie.
        chain: Its number.
        spool: Where to read and to write.
        num_columns: Lattice columns, one more than the mask has pixels.
    """
    first, last_line, pairs = _copy_chain(trails, chain, spool, num_columns)
    size = int(trails.num_edges[chain])
    segments = cut_segments(np.array([0, size]), *pairs)
    copied = read_blocks(iter([(first, size)]), spool)
    key, at = _find_smallest(copied, segments, num_columns)
    ranges = join_segments(segments, key, at)
    pieces = zip((ranges.firsts + first).tolist(), ranges.counts.tolist(), strict=True)
    begin = spool.num_records
    for edges in read_blocks(pieces, spool):
        spool.append(edges)
    return LongRings(begin, ranges.num_edges, last_line, int(key.min()))


def _copy_chain(
    trails: Trails, chain: int, spool: Spool, num_columns: int
) -> tuple[int, int, tuple[Pairs, Pairs]]:
    """Write a chain in one piece, without marks.

    Returns:
        Where it begins, its last line, and the pairs of its edges that begin and that end at one
        vertex.
    """
    begin, last_line = spool.num_records, 0
    marked: tuple[list[Places], list[Places]] = [], []
    vertices: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]] = [], []
    for edges in trails.blocks(chain, spool):
        offset = spool.num_records - begin
        for end, here in enumerate(unmark_edges(edges)):
            x, y = edges[here, 2 * end], edges[here, 1]
            marked[end].append(here + offset)
            vertices[end].append(y * np.int64(num_columns) + x)
        spool.append(edges)
        last_line = max(last_line, int(edges[:, 1].max()))
    numbers = [np.concatenate(parts) for parts in marked]
    begins, ends = (
        find_pairs(number, np.concatenate(keys), np.zeros(number.size, np.intp))
        for number, keys in zip(numbers, vertices, strict=True)
    )
    return begin, last_line, (begins, ends)


def _find_smallest(
    blocks: Iterator[NDArray[np.int32]], segments: Segments, num_columns: int
) -> tuple[NDArray[np.int64], Places]:
    """Return the smallest key of each segment, and the edge that has it."""
    smallest = np.full(segments.starts.size, np.iinfo(np.int64).max)
    at = np.zeros(segments.starts.size, np.intp)
    offset = 0
    for edges in blocks:
        keys = keys_of(edges, num_columns)
        first, end = np.searchsorted(segments.starts, [offset + 1, offset + len(edges)])
        here = np.arange(first - 1, end)
        starts = np.maximum(segments.starts[here] - offset, 0)
        least = np.minimum.reduceat(keys, starts)
        hits = np.flatnonzero(keys == np.repeat(least, np.diff(starts, append=keys.size)))
        place = hits[np.searchsorted(hits, starts)] + offset
        is_less = least < smallest[here]
        smallest[here[is_less]], at[here[is_less]] = least[is_less], place[is_less]
        offset += len(edges)
    return smallest, at
