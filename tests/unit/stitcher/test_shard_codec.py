"""Shards as bytes: out and back, and damage that is noticed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfaseg.stitcher.shard_codec import (
    decode_chunk,
    decode_shard,
    encode_chunk,
    encode_shard,
)

GRID = (2, 3)
PLACES = st.tuples(st.integers(0, GRID[0] - 1), st.integers(0, GRID[1] - 1))
CHUNKS = st.dictionaries(PLACES, st.binary(min_size=1, max_size=9))


@given(CHUNKS)
def test_chunks_come_back(chunks: dict[tuple[int, ...], bytes]) -> None:
    """A shard holds all of its chunks and no other."""
    assert decode_shard(encode_shard(chunks, GRID), GRID) == chunks


@given(CHUNKS)
def test_bytes_do_not_depend_on_the_order_of_chunks(
    chunks: dict[tuple[int, ...], bytes],
) -> None:
    """A shard is a function of its chunks, which lie in reading order."""
    shard = encode_shard(chunks, GRID)

    assert encode_shard(dict(reversed(chunks.items())), GRID) == shard
    assert shard.startswith(b"".join(chunks[place] for place in sorted(chunks)))


@pytest.mark.parametrize("size", [0, 3, 4, 99, 100])
def test_shard_that_was_cut_off_is_damaged(size: int) -> None:
    """Its index of 96 bytes and the checksum of 4 lie at its end."""
    shard = encode_shard({(1, 2): b"abc"}, GRID)
    assert len(shard) == 3 + 96 + 4

    with pytest.raises(ValueError, match="damaged"):
        decode_shard(shard[:size], GRID)


def test_index_with_a_wrong_bit_is_damaged() -> None:
    """The checksum finds it."""
    shard = bytearray(encode_shard({(1, 2): b"abc"}, GRID))
    shard[10] ^= 1

    with pytest.raises(ValueError, match="damaged"):
        decode_shard(bytes(shard), GRID)


def test_pixels_come_back_from_any_memory() -> None:
    """Rows of a chunk may lie apart."""
    strip = np.random.default_rng(0).integers(0, 256, (8, 32), dtype=np.uint8)

    data = encode_chunk(strip[:, 8:16], level=1)

    np.testing.assert_array_equal(decode_chunk(data, (8, 8)), strip[:, 8:16])


@pytest.mark.parametrize("spoilt", [b"", b"no Zstandard", "half"])
def test_chunk_that_is_damaged_is_named(spoilt: bytes | str) -> None:
    """Whatever the library raises becomes a ValueError."""
    data = encode_chunk(np.arange(64, dtype=np.uint8), level=1)
    if isinstance(spoilt, str):
        spoilt = data[: len(data) // 2]

    with pytest.raises(ValueError, match=r"decompressed|reshape"):
        decode_chunk(spoilt, (8, 8))
