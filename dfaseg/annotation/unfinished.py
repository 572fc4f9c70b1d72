"""What is known of regions that the next rows may still add to, and how it is saved."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.chains import Frontier
from dfaseg.annotation.trails import Trails


class Batch(NamedTuple):
    """Where the holes that one strip closed in one region lie in the spool."""

    strip: int
    first_header: int
    """The headers of ``RingTable``, one record per ring."""
    num_rings: int
    first_edge: int
    num_edges: int


@dataclass(frozen=True, slots=True)
class OpenRegions:
    """Regions that reach the last row seen, one entry per region."""

    class_index: NDArray[np.uint8]
    num_pixels: NDArray[np.int64]
    """Signed area of the edges so far; the number of pixels once all rings are closed."""
    first_key: NDArray[np.int64]
    """``y * (width + 1) + x`` of the first pixel so far."""
    batches: list[list[Batch]]

    def __len__(self) -> int:
        return self.first_key.size


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Everything that a strip hands to the next."""

    frontier: Frontier
    trails: Trails
    """Where the edges of the frontier's chains lie in the spool."""
    region_of_frontier: NDArray[np.intp]
    regions: OpenRegions

    @classmethod
    def nothing(cls) -> "Unfinished":
        """Return the state before the first row."""
        none = np.empty(0, np.intp)
        no_regions = OpenRegions(
            np.empty(0, np.uint8), np.empty(0, np.int64), np.empty(0, np.int64), []
        )
        return cls(Frontier(none, none), Trails.nothing(), none, no_regions)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return plain arrays that ``from_arrays`` reads back."""
        batches = self.regions.batches
        return {
            "head_x": self.frontier.head_x,
            "tail_x": self.frontier.tail_x,
            "region_of_frontier": self.region_of_frontier,
            "trail_first": self.trails.first,
            "trail_count": self.trails.count,
            "trail_num_edges": self.trails.num_edges,
            "class_index": self.regions.class_index,
            "num_pixels": self.regions.num_pixels,
            "first_key": self.regions.first_key,
            "batch_counts": np.array([len(of_region) for of_region in batches], np.int64),
            "batches": np.array(
                [batch for of_region in batches for batch in of_region],
                np.int64,
            ).reshape(-1, 5),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Unfinished":
        """Build the state from the arrays of ``to_arrays``."""
        batches = iter([Batch(*(int(number) for number in row)) for row in arrays["batches"]])
        regions = OpenRegions(
            arrays["class_index"].astype(np.uint8),
            arrays["num_pixels"].astype(np.int64),
            arrays["first_key"].astype(np.int64),
            [[next(batches) for _ in range(count)] for count in arrays["batch_counts"]],
        )
        return cls(
            Frontier(arrays["head_x"].astype(np.intp), arrays["tail_x"].astype(np.intp)),
            Trails(arrays["trail_first"], arrays["trail_count"], arrays["trail_num_edges"]),
            arrays["region_of_frontier"].astype(np.intp),
            regions,
        )
