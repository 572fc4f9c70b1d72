"""Which of many things touch some rows, without looking at all of them."""

import numpy as np
from numpy.typing import NDArray

_BUCKET_ROWS = 512


class RowIndex:
    """Finds things by the rows that they span.

    Args:
        tops: First row of each thing, ``(n,)``.
        bottoms: Row after its last, ``(n,)``.
        height: Number of rows; what lies beyond is never found.
    """

    def __init__(self, tops: NDArray[np.int32], bottoms: NDArray[np.int32], height: int) -> None:
        self._tops, self._bottoms = tops, bottoms
        num_buckets = -(-height // _BUCKET_ROWS)
        first = np.clip(tops // _BUCKET_ROWS, 0, num_buckets)
        end = np.clip(-(-bottoms // _BUCKET_ROWS), 0, num_buckets)
        counts = np.maximum(end - first, 0).astype(np.int64)
        thing = np.repeat(np.arange(counts.size, dtype=np.int32), counts)
        nth = np.arange(thing.size) - np.repeat(np.cumsum(counts) - counts, counts)
        bucket = np.repeat(first, counts) + nth
        # Stable, so that things stay in their order within a bucket.
        self._things = thing[np.argsort(bucket, kind="stable")]
        self._bounds = np.searchsorted(np.sort(bucket), np.arange(num_buckets + 1))

    def touching(self, top: int, bottom: int) -> NDArray[np.int32]:
        """Return the numbers of the things that touch the rows, in rising order."""
        last = len(self._bounds) - 1
        first = min(max(top // _BUCKET_ROWS, 0), last)
        end = min(max(-(-bottom // _BUCKET_ROWS), first), last)
        found: NDArray[np.int32] = self._things[self._bounds[first] : self._bounds[end]]
        if end > first + 1:  # things may be in several buckets
            found = np.unique(found)
        touches = (self._tops[found] < bottom) & (self._bottoms[found] > top)
        return found[touches]
