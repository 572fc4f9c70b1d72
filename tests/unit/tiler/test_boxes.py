"""Boxes of a grid that hold a flag."""

import numpy as np

from dfaseg.tiler.boxes import any_in_boxes


def test_boxes_find_what_a_loop_finds():
    """Overlapping, empty and overhanging boxes are told as by looking into each of them."""
    flags = np.random.default_rng(3).random((23, 31)) < 0.02
    rows = np.array([-4, 0, 5, 20, 7]), np.array([2, 6, 30, 40, 7])
    cols = np.array([0, 28, -9, 3]), np.array([9, 99, 1, 31])

    found = any_in_boxes(flags, rows, cols)

    expected = np.zeros((5, 4), bool)
    for row, (top, bottom) in enumerate(zip(*rows, strict=True)):
        for col, (left, right) in enumerate(zip(*cols, strict=True)):
            expected[row, col] = flags[max(top, 0) : bottom, max(left, 0) : right].any()
    assert 0 < expected.sum() < expected.size
    np.testing.assert_array_equal(found, expected)
