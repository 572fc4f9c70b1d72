"""Rows that can be read apart: all of them, and no native tile in two parts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfaseg.slide import ArraySlide
from dfaseg.tiler.needed import needed_native_tiles
from dfaseg.tiler.row_parts import row_parts
from tests.unit.tiler.test_patch_jobs import rows_of


def rows_on(height, tile_px, patch_px, overlap_px=0, *, mpp=0.5, share=1.0, seed=0):
    """Return tiles of a slide of 100 px width; a share of them is selected."""
    slide = ArraySlide(np.zeros((height, 100, 3), np.uint8), mpp=0.5, tile_px=tile_px)
    rows = rows_of(slide, patch_px, overlap_px, mpp=mpp)
    rows.selected &= np.random.default_rng(seed).random(rows.selected.shape) < share
    return rows


def natives_of(rows, part):
    """Return the native tiles that a part needs."""
    selected = np.zeros_like(rows.selected)
    selected[part.start : part.stop] = rows.selected[part.start : part.stop]
    return needed_native_tiles(rows.level, rows.plan, rows.grid, selected)


@settings(max_examples=80)
@given(
    st.integers(1, 600),
    st.sampled_from([16, 20, 23, 32]),
    st.sampled_from([(16, 0), (20, 0), (24, 4), (64, 0)]),
    st.sampled_from([0.5, 0.7, 1.0, 1.4]),
    st.sampled_from([0.05, 0.4, 1.0]),
    st.sampled_from([1, 1000, 10**9]),
    st.integers(0, 2**16),
)
def test_parts_hold_all_tiles_and_share_no_native_one(
    height, tile_px, sides, mpp, share, least_px, seed
) -> None:
    """In order, each large enough but the last, whatever the scales and the tissue."""
    rows = rows_on(height, tile_px, *sides, mpp=mpp, share=share, seed=seed)

    parts = row_parts(rows, least_px)

    covered = [row for part in parts for row in part]
    assert covered == sorted(set(covered))
    assert set(np.flatnonzero(rows.selected.any(axis=1))) <= set(covered)
    natives = np.array([natives_of(rows, part) for part in parts])
    assert not len(parts) or natives.sum(axis=0).max() == 1
    num_px = [int(rows.selected[p.start : p.stop].sum()) * rows.grid.patch_px**2 for p in parts]
    assert all(num >= least_px for num in num_px[:-1])
    assert all(num_px)


@pytest.mark.parametrize(
    ("tile_px", "patch_px", "overlap_px", "expected"),
    [
        pytest.param(16, 32, 0, 10, id="patches of whole native tiles"),
        pytest.param(16, 24, 0, 7, id="every second border"),
        pytest.param(16, 20, 0, 4, id="every fourth"),
        pytest.param(16, 32, 4, 1, id="patches that overlap"),
    ],
)
def test_borders_lie_where_edges_of_both_meet(tile_px, patch_px, overlap_px, expected) -> None:
    """Of a slide without glass, 320 px in height."""
    parts = row_parts(rows_on(320, tile_px, patch_px, overlap_px), 1)
    assert len(parts) == expected


def test_glass_is_a_border() -> None:
    """Rows of tiles on both sides of it have no native tile in common."""
    rows = rows_on(320, 16, 20)
    rows.selected[5] = False
    assert range(6, 8) in row_parts(rows, 1)
