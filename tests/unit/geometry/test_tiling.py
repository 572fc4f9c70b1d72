"""Where pixels of a mask lie over native tiles."""

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from dfaseg.geometry import NativeAxis

AXES = st.builds(
    NativeAxis,
    st.fractions(min_value=Fraction(1, 5), max_value=40, max_denominator=12),
    st.integers(1, 60),
    st.integers(1, 40),
    st.integers(1, 9),
)


@given(AXES)
def test_tiles_cover_the_axis_once_and_as_far_as_the_mask(axis: NativeAxis) -> None:
    """The last one is taken to reach beyond the slide where the mask does."""
    pixels = [px for tile in range(axis.num_tiles) for px in axis.source_of(tile)]

    assert pixels == list(range(axis.source_px))
    assert axis.source_px >= max(axis.num_tiles * axis.tile_px, axis.length * axis.scale)


@given(AXES)
def test_each_pixel_is_completed_once_in_order(axis: NativeAxis) -> None:
    """By the tile in which it ends."""
    completed = [axis.completed(tile) for tile in range(axis.num_tiles)]

    assert [px for pixels in completed for px in pixels] == list(range(axis.length))
    for tile, pixels in enumerate(completed):
        assert all(axis.tile_completing(px) == tile for px in pixels)


@given(AXES, st.data())
def test_touched_pixels_are_those_that_cover_a_part(axis: NativeAxis, data: st.DataObject) -> None:
    """By definition; and a pixel begins in the first tile that it touches."""
    pixel = data.draw(st.integers(0, axis.length - 1))
    start, stop = pixel * axis.scale, (pixel + 1) * axis.scale

    touching = [tile for tile in range(axis.num_tiles) if pixel in axis.touched(tile)]

    assert touching == [
        tile
        for tile, source in enumerate(map(axis.source_of, range(axis.num_tiles)))
        if source.start < stop and start < source.stop
    ]
    assert touching[0] == axis.tile_at(pixel)
    assert axis.most_touched >= math.ceil(len(axis.source_of(0)) / axis.scale) or (
        axis.most_touched == axis.length
    )
