"""Arithmetic of the strips in flight: which columns are shrunk."""

from unittest.mock import patch

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dfaseg.slide import ArraySlide
from dfaseg.tiler import strip_buffers
from dfaseg.tiler.plan import plan_reading
from dfaseg.tiler.strip_buffers import StripBuffers


@given(
    needed=st.lists(st.booleans(), min_size=1, max_size=12),
    tile_px=st.integers(3, 40),
    lacking_px=st.integers(0, 2),
    mpp=st.sampled_from([0.25, 0.5, 0.7, 1.0, 1.4, 2.2]),
    block_px=st.integers(1, 60),
)
def test_blocks_are_the_periods_that_needed_tiles_touch(needed, tile_px, lacking_px, mpp, block_px):
    """Each such period of the two pixel grids once, from left to right, and nothing else."""
    width = len(needed) * tile_px - lacking_px
    slide = ArraySlide(np.zeros((tile_px, width, 3), np.uint8), tile_px=tile_px)
    plan = plan_reading(slide.info, mpp)
    buffers = StripBuffers(plan, slide.info.levels[plan.level])
    period, result_period = plan.scale_x.numerator, plan.scale_x.denominator
    columns = np.repeat(needed, tile_px)[:width]
    periods = np.pad(columns, (0, -width % period)).reshape(-1, period).any(axis=1)

    with patch.object(strip_buffers, "BLOCK_PX", block_px):
        blocks = list(buffers.blocks(np.array(needed)))

    covered = [
        index
        for source, _ in blocks
        for index in range(source.start // period, source.stop // period)
    ]
    assert covered == np.flatnonzero(periods).tolist()
    for source, result in blocks:
        assert source.start % period == source.stop % period == 0
        assert (source.stop - source.start) < block_px + period
        assert result.start == source.start // period * result_period
        assert result.stop == source.stop // period * result_period
