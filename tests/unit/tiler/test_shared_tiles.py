"""Native tiles that patches share: decoded once, kept no longer than needed, told when bad."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest

from dfaseg.errors import ReadError
from dfaseg.slide import ArraySlide
from dfaseg.tiler.plan import plan_reading
from dfaseg.tiler.shared_tiles import SharedTiles
from dfaseg.tiler.unreadable import UnreadableTiles

SLIDE = ArraySlide(np.zeros((32, 48, 3), np.uint8), mpp=0.5, tile_px=16)


def unreadable_tiles(known=()):
    """Return what a slide's bad tiles are noted in."""
    return UnreadableTiles(plan_reading(SLIDE.info, 0.5), SLIDE.info.levels[0], dict(known))


class Decoder:
    """Decodes tiles to arrays of their own, or fails as told; counts."""

    def __init__(self, failure=None):
        self.failure = failure
        self.reads = []

    def __call__(self, col, row):
        """Decode a tile."""
        self.reads.append((col, row))
        if self.failure is not None:
            raise self.failure
        return np.full((16, 16, 3), 10 * row + col, np.uint8)


def test_a_tile_is_decoded_for_the_first_and_dropped_after_the_last():
    """All who ask get the same pixels; afterwards nobody holds them."""
    decode = Decoder()
    tiles = SharedTiles(decode, decode, np.full((2, 3), 3), unreadable_tiles())

    taken = [tiles.take(2, 1) for _ in range(3)]

    assert decode.reads == [(2, 1)]
    assert all(pixels is taken[0] for pixels in taken)
    assert taken[0][0, 0, 0] == 12
    assert not tiles._kept


def test_who_asks_while_a_tile_is_decoded_waits_for_it():
    """The same tile is not decoded a second time."""
    is_decoding, may_end = Event(), Event()
    decode = Decoder()

    def slowly(col, row):
        is_decoding.set()
        assert may_end.wait(10)
        return decode(col, row)

    tiles = SharedTiles(slowly, slowly, np.full((2, 3), 2), unreadable_tiles())
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(tiles.take, 0, 0)
        assert is_decoding.wait(10)
        second = pool.submit(tiles.take, 0, 0)
        assert not second.done()
        may_end.set()

    assert first.result() is second.result()
    assert decode.reads == [(0, 0)]


@pytest.mark.parametrize("num_uses", [1, 2])
def test_a_tile_that_cannot_be_decoded_is_tried_once_and_noted(num_uses):
    """Everybody who asks is told."""
    decode, bad = Decoder(ReadError("s", "bits are missing")), unreadable_tiles()
    tiles = SharedTiles(decode, decode, np.full((2, 3), num_uses), bad)

    taken = [tiles.take(1, 0) for _ in range(num_uses)]

    assert taken == [None] * num_uses
    assert not tiles.is_readable(1, 0)
    assert decode.reads == [(1, 0)]
    assert bad.reasons == {(1, 0): "bits are missing"}


def test_a_tile_that_failed_in_an_earlier_run_is_not_tried_again():
    """It stays what it was said to be."""
    decode = Decoder()
    tiles = SharedTiles(decode, decode, np.full((2, 3), 1), unreadable_tiles({(1, 0): "no bytes"}))

    assert tiles.take(1, 0) is None
    assert tiles.take(2, 0) is not None
    assert (tiles.is_readable(1, 0), tiles.is_readable(2, 0)) == (False, True)
    assert decode.reads == [(2, 0)]


def test_a_failure_of_the_whole_slide_reaches_all_who_ask():
    """Nobody waits for a tile that will never come."""
    decode = Decoder(OSError("gone"))
    tiles = SharedTiles(decode, decode, np.full((2, 3), 3), unreadable_tiles())

    for _ in range(3):
        with pytest.raises(OSError, match="gone"):
            tiles.take(0, 1)
