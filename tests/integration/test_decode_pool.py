"""Processes that decode: the same pixels, one slide after another, and an end for each of them."""

import errno
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from dfaseg.errors import SlideError
from dfaseg.geometry import TileGrid
from dfaseg.inference import places
from dfaseg.inference.on_device.patch_stream import DevicePatchStream
from dfaseg.side_process import SideProcess
from dfaseg.slide import ArraySlide, open_slide
from dfaseg.tiler import decode_pool
from dfaseg.tiler.decode_pool import DecodePool, can_serve
from dfaseg.tiler.plan import plan_reading
from dfaseg.tiler.shared_memory import SharedPixels, can_share
from dfaseg.tiler.stream import PatchStream
from tests.factories import corrupt_tile, tissue_like_image, write_tiff_slide

pytestmark = pytest.mark.skipif(not can_share(), reason="no memory without a name here")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pool():
    """Two processes for all tests of this file."""
    pool = DecodePool(2)
    yield pool
    pool.close()


def slide_file(folder: Path, seed: int, **options) -> Path:
    """Write a slide of 5 x 4 tiles."""
    image = tissue_like_image(300, 250, seed=seed)
    return write_tiff_slide(folder / f"s{seed}.tif", image, tile_px=64, **options)


def patches_of(slide, pool, *, on_device=True):
    """Cut all patches of a slide; return their pixels and what failed."""
    plan = plan_reading(slide.info, slide.info.mpp * 2)
    grid = TileGrid(plan.width, plan.height, 32, 8)
    everywhere = np.ones((grid.num_rows, grid.num_cols), bool)
    rest = {"batch_size": 4, "num_workers": 2}
    if on_device:
        stream = DevicePatchStream(slide, plan, grid, everywhere, CPU, pool=pool, **rest)
    else:
        stream = PatchStream(slide, plan, grid, everywhere, **rest)
    pixels = [np.asarray(patch) for batch in stream for patch in batch.pixels[: len(batch.tiles)]]
    return np.stack(pixels), stream.unreadable


def test_several_slides_are_decoded_as_by_threads(tmp_path, pool):
    """One pool serves them all, and remembers nothing of the one before."""
    for seed in (1, 2):
        slide = open_slide(str(slide_file(tmp_path, seed)))
        expected, _ = patches_of(slide, None, on_device=False)

        found, failures = patches_of(slide, pool)

        np.testing.assert_array_equal(found, expected)
        assert failures == {}
        slide.close()


def test_tiles_that_fail_there_are_named_here(tmp_path, pool):
    """Reasons cross the border between processes."""
    path = slide_file(tmp_path, 3)
    corrupt_tile(path, 0, 2, 1)
    slide = open_slide(str(path))
    expected, expected_failures = patches_of(slide, None, on_device=False)

    found, failures = patches_of(slide, pool)

    np.testing.assert_array_equal(found, expected)
    assert failures == expected_failures
    assert list(failures) == [(2, 1)]


def test_a_process_that_is_killed_is_replaced(tmp_path):
    """The slide at hand fails with a line to read; the next one is done."""
    pool = DecodePool(1)
    slide = open_slide(str(slide_file(tmp_path, 4)))
    try:
        patches_of(slide, pool)
        (process,) = pool._all
        os.kill(process._process.pid, signal.SIGKILL)

        with pytest.raises(SlideError, match=r"slide 's4': a process that decodes .* has ended"):
            patches_of(slide, pool)

        found, _ = patches_of(slide, pool)
        np.testing.assert_array_equal(found, patches_of(slide, None, on_device=False)[0])
    finally:
        pool.close()


def test_there_is_one_pool_whatever_its_size(monkeypatch):
    """A slide that leaves memory for fewer processes does not keep those of the one before."""
    monkeypatch.setattr(places, "resolve_devices", lambda _name: [torch.device("cuda")])
    try:
        first = places.decoding_processes("cuda", 5)
        assert places.decoding_processes("cuda", 5) is first
        processes = [process._process for process in first._all]

        second = places.decoding_processes("cuda", 4)

        assert len(second) == 4
        assert all(process.exit_code is not None for process in processes)
    finally:
        places._pools.close()


def test_threads_decode_where_no_more_processes_are_to_be_had(monkeypatch, caplog):
    """A job's limit of processes is said, and those that could be started are not left behind."""
    monkeypatch.setattr(places, "resolve_devices", lambda _name: [torch.device("cuda")])
    started = []

    class Limited(SideProcess):
        def __init__(self, module):
            if len(started) == 2:
                raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
            super().__init__(module)
            started.append(self)

    monkeypatch.setattr(decode_pool, "SideProcess", Limited)

    assert places.decoding_processes("cuda", 4) is None

    assert "tiles are decoded by threads" in caplog.text
    assert [process.exit_code for process in started] == [0, 0]


def test_a_slide_that_is_gone_is_said_so(tmp_path, pool):
    """A process that cannot open what this one has open says why."""
    path = slide_file(tmp_path, 5)
    slide = open_slide(str(path))
    path.unlink()

    # It was a file when asked, and is none when it is opened.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "is_file", lambda _self: True)
        with pytest.raises(SlideError, match="cannot be decoded side by side"):
            patches_of(slide, pool)


def test_stop_signals_are_left_to_the_main_process(tmp_path):
    """Ctrl-C reaches all processes of a terminal; the run is still saved by the one in charge."""
    pool = DecodePool(1)
    slide = open_slide(str(slide_file(tmp_path, 6)))
    try:
        patches_of(slide, pool)
        (process,) = pool._all
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            os.kill(process._process.pid, number)
        time.sleep(0.1)

        patches_of(slide, pool)
    finally:
        pool.close()
    assert process._process.exit_code == 0


def test_slides_in_memory_are_decoded_here():
    """What other processes cannot open is left to threads."""
    assert not can_serve(ArraySlide(tissue_like_image(64, 64)))


def test_shared_memory_leaves_nothing_behind():
    """Pixels outlive the file they came from, for as long as somebody holds them."""
    shared = SharedPixels.create((2, 3, 4))
    shared.pixels[...] = 7
    pixels = shared.pixels

    shared.close()

    assert (pixels == 7).all()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(shared.fd)
