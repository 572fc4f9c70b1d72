"""Patches cut on a device: the same as those cut on the host, to the bit (here the CPU is one)."""

import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dfaseg.errors import SlideError
from dfaseg.geometry import TileGrid
from dfaseg.inference.on_device import strip_feed
from dfaseg.inference.on_device.patch_stream import DevicePatchStream, can_cut
from dfaseg.slide import ArraySlide
from dfaseg.tiler.plan import plan_reading
from dfaseg.tiler.stream import PatchStream
from tests.devices import device_or_skip, on_each_device
from tests.unit.tiler.test_rows import CountingSlide, picture

CPU = torch.device("cpu")


def patches_of(stream):
    """Collect the patches of a stream by (row, column), in order, and its batches."""
    batches = list(stream)
    pairs = [
        ((tile.row, tile.col), torch.as_tensor(patch).cpu().numpy())
        for batch in batches
        for tile, patch in zip(batch.tiles, batch.pixels, strict=False)
    ]
    return pairs, batches


@on_each_device
@settings(max_examples=60)
@given(
    st.integers(1, 150),
    st.integers(1, 150),
    st.integers(4, 40),
    st.integers(0, 3),
    st.integers(8, 40),
    st.sampled_from([1, 1.4, 2, 2.5, 2.8, 3, 4, 5.6]),
    st.integers(1, 5),
    st.integers(0, 3),
    st.integers(0, 2**16),
)
def test_patches_are_those_of_the_host(
    device_name, height, width, patch, overlap, tile_px, scale, batch_size, first_row, seed
):
    """For any slide, grid and scale, wherever reading begins, each native tile being read once."""
    device = device_or_skip(device_name)
    assume(max(height, width) >= scale)  # something is left
    slide = CountingSlide(ArraySlide(picture(height, width, seed), tile_px=tile_px))
    plan = plan_reading(slide.info, slide.info.mpp * scale)
    grid = TileGrid(plan.width, plan.height, patch, overlap)
    selected = np.random.default_rng(seed).random((grid.num_rows, grid.num_cols)) < 0.6
    rest = {"batch_size": batch_size, "num_workers": 2, "first_row": first_row}
    expected, _ = patches_of(PatchStream(slide, plan, grid, selected, **rest))
    slide.reads.clear()
    assert can_cut(plan)

    found, batches = patches_of(DevicePatchStream(slide, plan, grid, selected, device, **rest))

    assert [place for place, _ in found] == [place for place, _ in expected]
    for (_, one), (_, other) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert all(count == 1 for count in slide.reads.values())
    assert all(len(batch.pixels) == batch_size for batch in batches)


def test_the_last_batch_is_filled_up_with_white():
    """The network sees one shape only, and nothing left over from an earlier batch."""
    slide = ArraySlide(picture(16, 48, seed=1), tile_px=16)
    plan = plan_reading(slide.info, slide.info.mpp)
    stream = DevicePatchStream(
        slide, plan, TileGrid(48, 16, 16, 0), np.ones((1, 3), bool), CPU,
        batch_size=2, num_workers=1,
    )  # fmt: skip

    _, last = list(stream)

    assert len(last.tiles) == 1
    assert (last.pixels[1] == 255).all()


def test_tiles_that_fail_are_white_and_named(monkeypatch):
    """As on the host: a tile that cannot be decoded stops nothing."""
    monkeypatch.setattr(strip_feed, "_GROUP_BYTES", 2 * 16 * 16 * 3)
    monkeypatch.setattr(strip_feed, "_TILES_PER_JOB", 1)
    pixels = picture(48, 64, seed=2)
    slide = ArraySlide(pixels, tile_px=16, failing=[(0, 2, 1)])
    plan = plan_reading(slide.info, slide.info.mpp)
    grid = TileGrid(64, 48, 16, 0)
    stream = DevicePatchStream(
        slide, plan, grid, np.ones((3, 4), bool), CPU, batch_size=4, num_workers=2
    )

    found = dict(patches_of(stream)[0])

    assert (found.pop((1, 2)) == 255).all()
    for place, patch in found.items():
        np.testing.assert_array_equal(patch, pixels[grid.tile(*place).mask_rect.slices])
    assert list(stream.unreadable) == [(2, 1)]
    assert [(rect.x, rect.y) for rect in stream.unreadable_below(16)] == [(32, 16)]


def test_a_failure_of_the_slide_travels_and_leaves_no_thread():
    """What is not bound to a tile ends the iteration with the very error."""

    class Broken(ArraySlide):
        def read_tile(self, level, col, row):
            if row == 2:
                raise SlideError("broken", "disk gone")
            return super().read_tile(level, col, row)

    slide = Broken(picture(64, 64, seed=3), tile_px=16)
    plan = plan_reading(slide.info, slide.info.mpp)
    stream = DevicePatchStream(
        slide, plan, TileGrid(64, 64, 16, 0), np.ones((4, 4), bool), CPU,
        batch_size=4, num_workers=2,
    )  # fmt: skip

    with pytest.raises(SlideError, match="disk gone"):
        list(stream)
    assert not [t for t in threading.enumerate() if t.name.startswith(("decode", "patch-stream"))]


def test_memory_lasts_until_no_job_is_left(monkeypatch):
    """Where one of a group fails, the others may still be decoding into the memory they share."""
    monkeypatch.setattr(strip_feed, "_TILES_PER_JOB", 1)
    events = []

    class Decoder:
        def decode(self, _slot, first, _cols, _row):
            if first == 0:
                raise SlideError("broken", "disk gone")
            time.sleep(0.1)
            events.append("decoded")
            return {}

    @contextmanager
    def memory_of(_slide, _plan, shape, _device, _pool):
        try:
            yield torch.empty(shape, dtype=torch.uint8), Decoder()
        finally:
            events.append("gone")

    monkeypatch.setattr(strip_feed, "tile_memory", memory_of)
    slide = ArraySlide(picture(16, 32), tile_px=16)
    plan = plan_reading(slide.info, slide.info.mpp)
    stream = DevicePatchStream(
        slide, plan, TileGrid(32, 16, 16, 0), np.ones((1, 2), bool), CPU,
        batch_size=2, num_workers=2,
    )  # fmt: skip

    with pytest.raises(SlideError, match="disk gone"):
        list(stream)
    assert events == ["decoded", "gone"]


def test_leaving_early_ends_all_threads():
    """A consumer that stops listening leaves no thread behind."""
    slide = ArraySlide(picture(256, 256), tile_px=16)
    plan = plan_reading(slide.info, slide.info.mpp)
    before = threading.active_count()
    stream = DevicePatchStream(
        slide, plan, TileGrid(256, 256, 16, 0), np.ones((16, 16), bool), CPU,
        batch_size=1, num_workers=2,
    )  # fmt: skip

    for _ in stream:
        break

    assert threading.active_count() == before
