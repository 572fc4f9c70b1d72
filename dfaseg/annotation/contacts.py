"""Which border lies left of a hole: the link between a hole and its region's exterior."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dfaseg.annotation.chains import Links

_WINDOWS_PX = (16, 512)
"""Pixels searched to the left of each hole, at first; longer runs are found row by row."""


def find_contacts(
    padded: NDArray[np.uint8],
    first_line: int,
    edges: NDArray[np.int32],
    tops: NDArray[np.intp],
    links: Links,
) -> NDArray[np.intp]:
    """Return pairs of nodes that bound the same run of equal pixels, ``(m, 2)``.

    The pixel above a hole's topmost edge is the region's; left of it, the region ends at another
    border, which reaches higher than the hole. From border to border this leads to the exterior.

    Args:
        padded: Rows of the strip, as ``find_corners`` takes them.
        first_line: The y of the line between the first two rows.
        edges: Edges by node, ``(n, 4)``.
        tops: Edges whose chain runs down from both ends; among them are the tops of all holes.
        links: How the nodes follow each other.
    """
    holes = tops[edges[tops, 0] > edges[tops, 2]]
    row = edges[holes, 1].astype(np.intp) - first_line
    # Padded column x + 1 is right of lattice column x.
    x = find_run_starts(padded, row, edges[holes, 2].astype(np.intp) + 1) - 1
    return np.stack([holes, _find_rising(edges, links, x, row + first_line)], axis=1)


def find_run_starts(
    padded: NDArray[np.uint8], row: NDArray[np.intp], col: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Return the first column of the run of equal pixels in a row that holds each pixel.

    Args:
        padded: Rows whose first column differs from all pixels asked for.
        row: Row of each pixel.
        col: Column of each pixel.
    """
    flat, stride = padded.reshape(-1), padded.shape[1]
    position = row * stride + col
    start = col.copy()
    far = np.arange(col.size)
    for window in _WINDOWS_PX:
        near = far[position[far] >= window]
        if near.size == 0:
            continue
        before = sliding_window_view(flat, window)[position[near] - window]
        differs = before[:, ::-1] != flat[position[near]][:, None]
        start[near] -= differs.argmax(axis=1)
        far = np.setdiff1d(far, near[differs.any(axis=1)], assume_unique=True)
    if far.size:
        rows, number = np.unique(row[far], return_inverse=True)
        chosen = padded[rows].reshape(-1)
        begins = np.flatnonzero(chosen[1:] != chosen[:-1]) + 1
        asked = number * stride + col[far]
        found = begins[np.searchsorted(begins, asked, side="right") - 1]
        start[far] = found - number * stride
    return start


def _find_rising(
    edges: NDArray[np.int32], links: Links, x: NDArray[np.intp], y: NDArray[np.intp]
) -> NDArray[np.int32]:
    """Return the nodes that upward edges in columns ``x`` lead to, just above lines ``y``.

    Each column is searched by bisection for the last edge that begins above the line.
    """
    low, high = links.rising_bounds[x], links.rising_bounds[x + 1]
    while (high - low > 1).any():
        middle = (low + high) >> 1
        is_above = edges[links.rising[middle], 1] < y
        low, high = np.where(is_above, middle, low), np.where(is_above, high, middle)
    return links.rising[low]
