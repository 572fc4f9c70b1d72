"""Borders found, ordered and connected in C."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from dfaseg.native.trace import OPEN, connect, find_edges, order_nodes

MASKS = arrays.arrays(
    np.uint8,
    arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
    elements=st.sampled_from([0, 1, 2, 255]),
)


def padded(mask):
    """Return a whole mask as a strip: nothing is analysed around it."""
    return np.pad(mask, 1, constant_values=255)


def find(strip, first_line=0):
    """Return the edges of a strip that nothing runs into, and what runs out of it."""
    columns = np.arange(strip.shape[1], dtype=np.int32)
    down, up = (np.full(strip.shape[1], OPEN, np.int32) for _ in range(2))
    return find_edges(strip, columns, first_line, down, up), down, up


def steps_along(found):
    """Yield all steps of one pixel that lead along the borders, as (x, y, dx, dy)."""
    for (begin_x, y, end_x, _), after in zip(found.edges.tolist(), found.following, strict=True):
        dx = 1 if end_x > begin_x else -1
        yield from ((x, y, dx, 0) for x in range(begin_x, end_x, dx))
        next_x, next_y = found.edges[after, :2].tolist()
        assert next_x == end_x
        dy = 1 if next_y > y else -1
        yield from ((end_x, line, 0, dy) for line in range(y, next_y, dy))


def steps_around_pixels(strip):
    """Return the steps around all analysed pixels, but for those between equal pixels."""
    steps = set()
    for row, col in np.argwhere(strip != 255).tolist():
        # A pixel lies to the left of the lattice column of its number, below the line before its.
        left, right, top, bottom = col - 1, col, row - 1, row
        around = {
            (row - 1, col): (left, top, 1, 0),
            (row, col + 1): (right, top, 0, 1),
            (row + 1, col): (right, bottom, -1, 0),
            (row, col - 1): (left, bottom, 0, -1),
        }
        steps |= {step for at, step in around.items() if strip[at] != strip[row, col]}
    return steps


@given(MASKS)
def test_borders_pass_each_side_between_unequal_pixels_once(mask):
    """With their region on the right; nothing else is walked."""
    strip = padded(mask)

    found, down, up = find(strip)

    steps = list(steps_along(found))
    assert sorted(steps) == sorted(steps_around_pixels(strip))
    assert (down == OPEN).all()
    assert (up == OPEN).all()


@given(MASKS)
def test_each_ring_has_a_top_and_edges_come_in_reading_order(mask):
    """So that the first top of a ring is where it is met first."""
    found, _, _ = find(padded(mask))

    left = found.edges[:, [0, 2]].min(axis=1)
    places = found.edges[:, 1] * 100 + left
    assert (np.diff(places) >= 0).all()
    order_nodes(found.following, np.flatnonzero(found.is_top))  # refuses rings without one


@given(MASKS)
def test_contacts_and_tops_join_the_borders_of_each_region(mask):
    """Connected by contacts, the rings are as many as the regions."""
    strip = padded(mask)
    found, _, _ = find(strip)
    _, _, ring = order_nodes(found.following, np.flatnonzero(found.is_top))

    num_parts, _ = connect(int(ring.max(initial=-1)) + 1, ring[found.contacts])

    regions = (ndimage.label(mask == index)[1] for index in (0, 1, 2))
    assert num_parts == sum(regions)


@given(MASKS)
def test_equal_pixels_that_meet_diagonally_are_noted(mask):
    """By the two edges that begin, or that end, at their vertex."""
    strip = padded(mask)
    found, _, _ = find(strip)

    a, b, c, d = strip[:-1, :-1], strip[:-1, 1:], strip[1:, :-1], strip[1:, 1:]
    apart = (a != b) & (a != c) & (d != b) & (d != c)
    falling = np.argwhere(apart & (a == d) & (a != 255))
    rising = np.argwhere(apart & (b == c) & (b != 255))
    for pairs, end, expected in ((found.same_begin, 0, falling), (found.same_end, 2, rising)):
        vertices = found.edges[pairs][..., [1, end]]
        np.testing.assert_array_equal(vertices[:, 0], vertices[:, 1])
        np.testing.assert_array_equal(vertices[:, 0], expected)


@given(MASKS, st.integers(1, 12))
def test_strips_go_on_where_the_one_before_ended(mask, cut):
    """What runs out of some rows runs into those below, in the same columns."""
    strip = padded(mask)
    cut = min(cut, len(strip) - 1)
    columns = np.arange(strip.shape[1], dtype=np.int32)
    whole, _, _ = find(strip)
    above, down, up = find(strip[: cut + 1])
    chains = np.arange(np.count_nonzero(down != OPEN), dtype=np.int32)
    for ends in (down, up):
        ends[ends != OPEN] = chains  # by column, whichever belong together

    below = find_edges(strip[cut:], columns, cut, down, up) if cut + 1 < len(strip) else None

    edges = [above.edges, *([] if below is None else [below.edges[len(chains) :]])]
    np.testing.assert_array_equal(np.concatenate(edges), whole.edges)


def test_columns_are_named_as_asked():
    """Edges lie where the mask has their columns and lines."""
    strip = padded(np.array([[1]], np.uint8))
    nowhere = np.full(3, OPEN, np.int32)

    found = find_edges(strip, np.array([40, 41, 42], np.int32), 7, nowhere.copy(), nowhere.copy())

    assert found.edges.tolist() == [[40, 7, 41, 7], [41, 8, 40, 8]]
    assert found.following.tolist() == [1, 0]
    assert found.is_top.tolist() == [True, False]


@pytest.mark.parametrize("width", [3, 8, 9, 127, 128, 129, 300])
def test_wide_rows_have_all_their_edges(width):
    """Whatever the number of pixels that are compared at once."""
    mask = np.random.default_rng(width).integers(0, 3, (5, width)).astype(np.uint8)

    found, _, _ = find(padded(mask))

    assert sorted(steps_along(found)) == sorted(steps_around_pixels(padded(mask)))


def test_rows_that_do_not_fit_are_refused():
    """They would be read or written beyond their end."""
    strip, nowhere = padded(np.ones((2, 3), np.uint8)), np.full(5, OPEN, np.int32)
    columns = np.arange(5, dtype=np.int32)

    for pixels, down, message in (
        (strip[:, ::-1], nowhere, "do not fit"),
        (strip[:, 1:], nowhere, "do not fit"),
        (strip[:, :4].copy(), nowhere[:4].copy(), "do not fit"),
        (strip.astype(np.int16), nowhere, "do not fit"),
        (np.ones((4, 5), np.uint8), nowhere, "begin and end with 255"),
        (strip, np.array([-1, 3, -1, -1, -1], np.int32), "chains of other rows"),
    ):
        with pytest.raises(ValueError, match=message):
            find_edges(pixels, columns, 0, down, nowhere)


def test_chains_are_listed_from_their_first_starter():
    """Open chains from their head to their end, rings once around."""
    following = np.array([2, 0, OPEN, 4, 3, OPEN], np.int32)

    nodes, starts, chain = order_nodes(following, np.array([1, 5, 4, 0, 3]))

    assert nodes.tolist() == [1, 0, 2, 5, 4, 3]
    assert starts.tolist() == [0, 3, 4]
    assert chain.tolist() == [0, 0, 0, 2, 2, 1]


def test_chains_that_cannot_be_listed_are_refused():
    """A chain without a starter, and nodes that are not there."""
    ring = np.array([1, 0], np.int32)

    for following, starters, message in (
        (ring, [], "no starter"),
        (ring, [2], "beyond the 2"),
        (np.array([1, 2], np.int32), [0], "beyond the 2"),
        (ring.astype(np.int64), [0], "kind int64"),
    ):
        with pytest.raises(ValueError, match=message):
            order_nodes(following, np.array(starters, np.intp))


@given(st.integers(1, 30), st.data())
def test_what_is_connected_has_one_number(count, data):
    """Numbers are those of parts in the order of their first nodes."""
    node = st.integers(0, count - 1)
    pairs = data.draw(st.lists(st.tuples(node, node), max_size=40))
    expected = list(range(count))
    for _ in range(count):
        for one, other in pairs:
            expected[one] = expected[other] = min(expected[one], expected[other])
    numbers = {first: number for number, first in enumerate(sorted(set(expected)))}

    num_parts, part = connect(count, np.array(pairs, np.int32).reshape(-1, 2))

    assert num_parts == len(numbers)
    assert part.tolist() == [numbers[first] for first in expected]


def test_nodes_that_are_not_there_are_not_connected():
    """They would be read beyond the end."""
    for pairs in (np.array([[0, 3]], np.int32), np.array([[-1, 0]], np.int32)):
        with pytest.raises(ValueError, match="beyond the 3"):
            connect(3, pairs)
    with pytest.raises(ValueError, match="kind int64"):
        connect(3, np.array([[0, 1]], np.int64))
