"""What happens to mask rows on their way to the results."""

import numpy as np
import pytest

from dfaseg.inference.sink import _leave_out_glass
from dfaseg.tiler.tissue import TissueMask


@pytest.mark.parametrize(("y", "height"), [(0, 12), (3, 5), (7, 1), (4, 4)])
def test_pixels_outside_the_tissue_become_255(y: int, height: int) -> None:
    """Each pixel goes by the tissue pixel that it lies in, wherever the rows begin and end."""
    rng = np.random.default_rng(0)
    tissue = TissueMask(rng.random((3, 4)) < 0.5, factor=4)
    labels = rng.integers(0, 5, (height, 14)).astype(np.uint8)
    expected = np.where(tissue.rows(y, height, 14), labels, 255)

    _leave_out_glass(labels, y, tissue)

    np.testing.assert_array_equal(labels, expected)
