"""Hypothesis strategies for the values that the laws speak of."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dfaseg.geometry import Rect, TileGrid

rects = st.builds(
    Rect,
    st.integers(-50, 50),
    st.integers(-50, 50),
    st.integers(0, 60),
    st.integers(0, 60),
)


@st.composite
def grids(draw: st.DrawFn, *, max_side: int = 120, multiple: int = 1) -> TileGrid:
    """Draw a grid whose patch and overlap are multiples of a network's output stride."""
    patch = draw(st.integers(1, 12)) * multiple
    overlap = draw(st.integers(0, patch // multiple - 1)) * multiple
    width, height = draw(st.integers(1, max_side)), draw(st.integers(1, max_side))
    return TileGrid(width, height, patch, overlap)


def pictures(max_side: int = 60) -> st.SearchStrategy[np.ndarray]:
    """RGB pictures of any small size."""
    sides = st.integers(1, max_side)
    shapes = st.tuples(sides, sides, st.just(3))
    return hnp.arrays(np.uint8, shapes, elements=st.integers(0, 255))
