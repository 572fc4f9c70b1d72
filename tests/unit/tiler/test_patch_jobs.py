"""Jobs on patches: exact pixels, grid order, what cannot be decoded, and no thread left behind."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfaseg.errors import SlideError
from dfaseg.geometry import TileGrid
from dfaseg.slide import ArraySlide
from dfaseg.tiler import patch_jobs
from dfaseg.tiler.patch_jobs import do_patches
from dfaseg.tiler.plan import plan_reading
from dfaseg.tiler.stream import PatchStream
from dfaseg.tiler.tile_rows import TileRows
from dfaseg.tiler.unscaled_rows import are_unscaled
from tests.unit.tiler.test_rows import CountingSlide, ReducingArraySlide, picture

ROADS = [
    pytest.param(0.5, 16, id="whole tiles"),
    pytest.param(0.5, 20, id="shared tiles"),
    pytest.param(1.0, 16, id="strips"),
]
"""Ways to the pixels of a patch on a slide of 0.5 µm/px: resolution and side."""


def rows_of(slide, patch_px, overlap_px=0, *, selected=None, mpp=0.5):
    """Return the selected tiles of a slide; all if not told else."""
    plan = plan_reading(slide.info, mpp)
    grid = TileGrid(plan.width, plan.height, patch_px, overlap_px)
    selected = np.ones((grid.num_rows, grid.num_cols), bool) if selected is None else selected
    return TileRows(slide, plan, grid, selected)


def each(job):
    """Do the same job on all tiles of a turn."""
    return lambda _tiles: job


def keep(tile, pixels):
    """Keep what a job is given."""
    return (tile.row, tile.col), None if pixels is None else pixels.copy()


@settings(max_examples=30)
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.sampled_from([(16, 0, 16), (32, 0, 16), (16, 0, 13), (24, 5, 16), (40, 0, 16)]),
    st.integers(1, 4),
    st.integers(0, 2**16),
)
def test_jobs_get_the_pixels_of_the_slide_in_grid_order(height, width, sides, workers, seed):
    """Whether native tiles lie in one patch or in several; each of them is decoded once."""
    patch_px, overlap_px, tile_px = sides
    pixels = picture(height, width, seed)
    grid = TileGrid(width, height, patch_px, overlap_px)
    selected = np.random.default_rng(seed).random((grid.num_rows, grid.num_cols)) < 0.6
    slide = CountingSlide(ArraySlide(pixels, tile_px=tile_px))
    rows = rows_of(slide, patch_px, overlap_px, selected=selected)

    results = list(do_patches(rows, each(keep), num_workers=workers))

    assert [place for place, _ in results] == [tuple(place) for place in np.argwhere(selected)]
    assert all(count == 1 for count in slide.reads.values())
    for (row, col), found in results:
        expected = np.full((patch_px, patch_px, 3), 255, np.uint8)
        inside = pixels[grid.tile(row, col).mask_rect.slices]
        expected[: inside.shape[0], : inside.shape[1]] = inside
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("mpp", [1.0, 1.3], ids=["from tiles", "from strips"])
@pytest.mark.parametrize("overlap_px", [0, 7])
@pytest.mark.parametrize("patch_px", [16, 20])
def test_tiles_decoded_smaller_give_what_batches_hold(patch_px, overlap_px, mpp):
    """At a reduction, at edges that are no multiple of it, too; shrunk further or not."""
    slide = ReducingArraySlide(picture(150, 117), mpp=0.5, tile_px=32)
    plan = replace(plan_reading(slide.info, mpp), reduction=2)
    grid = TileGrid(plan.width, plan.height, patch_px, overlap_px)
    selected = np.ones((grid.num_rows, grid.num_cols), bool)
    rows = TileRows(slide, plan, grid, selected)

    results = dict(do_patches(rows, each(keep), num_workers=2))

    assert are_unscaled(rows) == (mpp == 1.0)
    for batch in PatchStream(slide, plan, grid, selected, batch_size=1, num_workers=1):
        tile = batch.tiles[0]
        assert np.array_equal(results[tile.row, tile.col], batch.pixels[0])


@pytest.mark.parametrize(("mpp", "patch_px"), ROADS)
def test_patch_with_a_part_that_cannot_be_decoded_has_no_pixels(mpp, patch_px):
    """The job is told, the others are not touched, and the reason is kept."""
    slide = ArraySlide(picture(64, 64), tile_px=16, failing=[(0, 1, 2)])
    rows = rows_of(slide, patch_px, mpp=mpp)

    results = list(do_patches(rows, each(keep), num_workers=2))

    bad = [place for place, pixels in results if pixels is None]
    touched = {
        (0.5, 16): [(2, 1)],
        (0.5, 20): [(1, 0), (1, 1), (2, 0), (2, 1)],
        (1.0, 16): [(1, 0)],
    }
    assert bad == touched[mpp, patch_px]
    assert list(rows.unreadable.reasons) == [(1, 2)]


@pytest.mark.parametrize(("mpp", "patch_px"), ROADS)
def test_failure_of_a_job_reaches_who_iterates(mpp, patch_px):
    """And no thread is left."""
    before = threading.active_count()

    def fail(tile, _):
        if tile.row == 1:
            raise SlideError("s", "the disk is full")

    rows = rows_of(ArraySlide(picture(256, 64), tile_px=16), patch_px, mpp=mpp)
    with pytest.raises(SlideError, match="the disk is full"):
        list(do_patches(rows, each(fail), num_workers=2))

    assert threading.active_count() == before


@pytest.mark.parametrize(("mpp", "patch_px"), ROADS)
def test_reading_does_not_run_ahead_of_who_iterates(monkeypatch, mpp, patch_px):
    """Decoding waits when nobody takes results, and leaving early ends all threads."""
    monkeypatch.setattr(patch_jobs, "MOST_TURN_PX", 1)
    slide = CountingSlide(ArraySlide(picture(1600, 16), tile_px=16))
    before = threading.active_count()
    results = do_patches(rows_of(slide, patch_px, mpp=mpp), each(keep), num_workers=1)

    next(results)
    threading.Event().wait(0.2)
    decoded = len(slide.reads)
    results.close()

    assert decoded <= 2 * (patch_jobs.JOBS_AHEAD + 4)
    assert threading.active_count() == before


def test_nothing_selected_gives_nothing():
    """A slide without tissue is not read at all."""
    slide = CountingSlide(ArraySlide(picture(64, 64), tile_px=16))
    rows = rows_of(slide, 16, selected=np.zeros((4, 4), bool))

    assert list(do_patches(rows, each(keep), num_workers=2)) == []
    assert slide.reads == {}
