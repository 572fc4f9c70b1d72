"""Shrinking on a device: the bits of the host's resampling, at every scale it offers to do."""

from fractions import Fraction

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dfaseg.inference.on_device import shrink as shrink_module
from dfaseg.inference.on_device.shrink import DeviceShrinker, can_shrink
from tests.averaging import exact_mean
from tests.devices import device_or_skip, on_each_device

SCALES = st.fractions(min_value=1, max_value=16, max_denominator=6)


@on_each_device
@settings(max_examples=80)
@given(
    SCALES, SCALES, st.integers(1, 4), st.integers(1, 4), st.integers(1, 255), st.integers(0, 99)
)
def test_pixels_are_those_of_the_host(device_name, scale_x, scale_y, down, across, brightest, seed):
    """For any scale, any size of block, and pictures full of halves that must be rounded."""
    device = device_or_skip(device_name)
    if not can_shrink(scale_x, scale_y):
        return
    shape = (scale_y.numerator * down, scale_x.numerator * across, 3)
    source = np.random.default_rng(seed).integers(0, brightest + 1, shape).astype(np.uint8)

    found = DeviceShrinker(scale_x, scale_y, device)(torch.from_numpy(source).to(device))

    np.testing.assert_array_equal(found.cpu().numpy(), exact_mean(source, scale_x, scale_y))


def test_wide_rows_are_shrunk_in_blocks(monkeypatch):
    """Memory is bounded, and where blocks meet nothing shows."""
    scale = Fraction(14, 5)
    source = torch.randint(0, 256, (28, 140, 3), dtype=torch.uint8)
    whole = DeviceShrinker(scale, scale, torch.device("cpu"))(source)
    monkeypatch.setattr(shrink_module, "_BLOCK_PX", 28 * 30)

    in_blocks = DeviceShrinker(scale, scale, torch.device("cpu"))(source)

    assert torch.equal(in_blocks, whole)


def test_enlarging_is_left_to_the_host():
    """Slides coarser than the model are few and small."""
    assert not can_shrink(Fraction(1, 2), Fraction(1, 2))
