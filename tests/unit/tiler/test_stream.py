"""The patch stream: grid order, exact pixels, bounded, and failures that travel."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfaseg.errors import SlideError
from dfaseg.geometry import TileGrid
from dfaseg.slide import ArraySlide
from dfaseg.tiler import stream as stream_module
from dfaseg.tiler.plan import plan_reading
from dfaseg.tiler.stream import PatchStream
from tests.unit.tiler.test_rows import CountingSlide, picture


def streamed(slide, grid, selected, **settings_):
    """Collect the patches of a stream by (row, column), in order."""
    plan = plan_reading(slide.info, slide.info.mpp)
    options = {"batch_size": 3, "num_workers": 2} | settings_
    stream = PatchStream(slide, plan, grid, selected, **options)
    batches = list(stream)
    pairs = [
        ((tile.row, tile.col), patch)
        for batch in batches
        for tile, patch in zip(batch.tiles, batch.pixels, strict=True)
    ]
    return pairs, batches, stream


@settings(max_examples=20)
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.integers(4, 40),
    st.integers(0, 3),
    st.integers(8, 40),
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(0, 2**16),
)
def test_patches_are_exact_and_in_grid_order(
    height, width, patch, overlap, tile_px, batch_size, workers, seed
):
    """Whatever the batch size and number of threads, patches hold the slide's pixels, in order."""
    pixels = picture(height, width, seed)
    grid = TileGrid(width, height, patch, overlap)
    selected = np.random.default_rng(seed).random((grid.num_rows, grid.num_cols)) < 0.6
    slide = CountingSlide(ArraySlide(pixels, tile_px=tile_px))

    pairs, batches, _ = streamed(slide, grid, selected, batch_size=batch_size, num_workers=workers)

    assert [place for place, _ in pairs] == [tuple(place) for place in np.argwhere(selected)]
    assert all(len(batch.tiles) == batch_size for batch in batches[:-1])
    assert all(count == 1 for count in slide.reads.values())
    for (row, col), patch_pixels in pairs:
        expected = np.full((patch, patch, 3), 255, np.uint8)
        inside = pixels[grid.tile(row, col).mask_rect.slices]
        expected[: inside.shape[0], : inside.shape[1]] = inside
        assert np.array_equal(patch_pixels, expected)


def test_glass_is_not_decoded():
    """Native tiles that no selected tile touches stay undecoded."""
    slide = CountingSlide(ArraySlide(picture(64, 64), tile_px=16))
    grid = TileGrid(64, 64, 16, 0)
    selected = np.zeros((4, 4), bool)
    selected[2, 1] = True

    streamed(slide, grid, selected)

    assert set(slide.reads) == {(1, 2)}


def test_beginning_in_the_middle_skips_earlier_rows():
    """A resumed stream gives the rest of the patches, the same as before."""
    slide = ArraySlide(picture(60, 60), tile_px=13)
    grid = TileGrid(60, 60, 16, 4)
    selected = np.ones((grid.num_rows, grid.num_cols), bool)

    whole, _, _ = streamed(slide, grid, selected)
    rest, _, _ = streamed(slide, grid, selected, first_row=3)

    expected = [pair for pair in whole if pair[0][0] >= 3]
    assert [place for place, _ in rest] == [place for place, _ in expected]
    assert all(
        np.array_equal(one, other) for (_, one), (_, other) in zip(rest, expected, strict=True)
    )


def test_unreadable_tiles_are_known_before_their_patches():
    """When a patch arrives, the bad tiles under it are already listed."""
    slide = ArraySlide(picture(64, 64), tile_px=16, failing=[(0, 1, 2)])
    grid = TileGrid(64, 64, 16, 0)
    plan = plan_reading(slide.info, 0.5)
    stream = PatchStream(slide, plan, grid, np.ones((4, 4), bool), batch_size=1, num_workers=2)

    for batch in stream:
        if batch.tiles[0].row >= 2:
            assert [(r.x, r.y) for r in stream.unreadable_below(32)] == [(16, 32)]
    assert list(stream.unreadable) == [(1, 2)]
    assert stream.unreadable_below(48) == ()


def test_failure_reaches_the_consumer():
    """An error of the slide itself ends the iteration, in the consumer's thread."""
    slide = CountingSlide(ArraySlide(picture(64, 64), tile_px=16))

    def fail(*_):
        raise SlideError("s", "the disk is gone")

    slide.read_tile = fail
    grid = TileGrid(64, 64, 16, 0)

    with pytest.raises(SlideError, match="the disk is gone"):
        streamed(slide, grid, np.ones((4, 4), bool))


def test_leaving_early_ends_all_threads():
    """A consumer that stops listening leaves no thread behind."""
    slide = ArraySlide(picture(256, 256), tile_px=16)
    grid = TileGrid(256, 256, 16, 0)
    plan = plan_reading(slide.info, 0.5)
    before = threading.active_count()

    for _ in PatchStream(slide, plan, grid, np.ones((16, 16), bool), batch_size=1, num_workers=2):
        break

    assert threading.active_count() == before


def test_stream_does_not_run_ahead_of_its_consumer():
    """Decoding waits when nobody takes the batches: memory is bounded."""
    slide = CountingSlide(ArraySlide(picture(1600, 16), tile_px=16))
    grid = TileGrid(16, 1600, 16, 0)
    plan = plan_reading(slide.info, 0.5)
    stream = iter(
        PatchStream(slide, plan, grid, np.ones((100, 1), bool), batch_size=1, num_workers=1)
    )

    next(stream)
    threading.Event().wait(0.2)
    decoded = len(slide.reads)
    stream.close()

    assert decoded <= stream_module.BATCHES_AHEAD + 8


def test_nothing_selected_gives_nothing():
    """A slide without tissue is not read at all."""
    slide = CountingSlide(ArraySlide(picture(64, 64), tile_px=16))

    pairs, _, _ = streamed(slide, TileGrid(64, 64, 16, 0), np.zeros((4, 4), bool))

    assert pairs == []
    assert slide.reads == {}
