"""Counting bytes in C."""

import numpy as np
import pytest

from dfaseg.native.count import count_values


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 1000, 2**24 + 77])
@pytest.mark.parametrize("highest", [1, 2, 256])
@pytest.mark.parametrize("run", [1, 40, 500])
def test_counts_are_those_of_numpy(size, highest, run):
    """Whatever the number of values and the length of their runs."""
    kinds = np.random.default_rng(0).integers(0, highest, size // run + 1).astype(np.uint8)
    values = np.repeat(kinds, run)[:size]

    np.testing.assert_array_equal(count_values(values), np.bincount(values, minlength=256))


def test_parts_of_pictures_are_counted_as_they_are():
    """Columns that are left out are not counted."""
    picture = np.random.default_rng(1).integers(0, 5, (40, 300)).astype(np.uint8)
    part = picture[3:, 5:-7]

    expected = np.bincount(part.ravel(), minlength=256)
    np.testing.assert_array_equal(count_values(part), expected)


def test_other_kinds_are_refused():
    """Their bytes would be counted, not their values."""
    with pytest.raises(ValueError, match="int64"):
        count_values(np.zeros(3, np.int64))
