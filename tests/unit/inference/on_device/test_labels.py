"""Labels made on a device: the bits of the host's, wherever rows are cut (here the CPU is one)."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dfaseg.errors import ConfigError
from dfaseg.inference.on_device import labels as labels_module
from dfaseg.inference.on_device.labels import DeviceLabels
from dfaseg.stitcher.canvas import ReleasedRows
from dfaseg.stitcher.labels import LabelUpsampler
from tests.devices import device_or_skip, on_each_device

CPU = torch.device("cpu")


def released(logits, covered, rows=slice(None), device=CPU):
    """Hand rows over as a canvas on a device does."""
    return ReleasedRows(
        rows.start or 0,
        torch.from_numpy(logits[:, rows].copy()).to(device),
        torch.from_numpy(covered[rows].copy()).to(device),
    )


def random_field(num_classes, rows, cols, seed, *, coarse=False):
    """Random logits and flags; coarse ones hold many ties."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((num_classes, rows, cols)).astype(np.float32)
    if coarse:
        logits = np.round(logits)
    return logits, rng.random((rows, cols)) < 0.8


@on_each_device
@settings(max_examples=80)
@given(
    st.integers(1, 6),
    st.sampled_from([1, 2, 4, 8]),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 5),
    st.booleans(),
    st.integers(0, 2**16),
)
def test_labels_are_those_of_the_host(
    device_name, num_classes, stride, height, width, cut, coarse, seed
):
    """For any size and number of classes, however rows are cut, ties included."""
    device = device_or_skip(device_name)
    rows, cols = -(-height // stride), -(-width // stride)
    logits, covered = random_field(num_classes, rows, cols, seed, coarse=coarse)
    expected = LabelUpsampler(num_classes, width, height, stride).add(logits, covered)
    labels = DeviceLabels(num_classes, width, height, stride, device)

    parts = []
    for first in range(0, rows, cut):
        assert labels.next_row_px == sum(map(len, parts))
        given_rows = released(logits, covered, slice(first, first + cut), device)
        parts.append(labels.add(given_rows).cpu().numpy())

    np.testing.assert_array_equal(np.concatenate(parts), expected)
    assert labels.next_row_px == height


def test_slabs_change_nothing(monkeypatch):
    """Memory is bounded by working on some rows at a time."""
    logits, covered = random_field(3, 20, 16, seed=4)
    whole = DeviceLabels(3, 64, 80, 4, CPU).add(released(logits, covered))
    monkeypatch.setattr(labels_module, "_SLAB_PX", 48 * 4**2)

    in_slabs = DeviceLabels(3, 64, 80, 4, CPU).add(released(logits, covered))

    assert torch.equal(in_slabs, whole)


@pytest.mark.parametrize("stride", [1, 4, 16])
def test_slabs_are_of_equal_memory_at_every_stride(monkeypatch, stride):
    """A cell of a coarse network is many pixels, and each of them takes memory."""
    monkeypatch.setattr(labels_module, "_SLAB_PX", 8 * 16 * 16 * 16)
    logits, covered = random_field(2, 2 * 16 * 16, 8, seed=6)
    sizes = []

    class Noting(DeviceLabels):
        def _add_slab(self, cells):
            sizes.append(cells.covered.numel() * stride**2)
            return super()._add_slab(cells)

    Noting(2, 8 * stride, 512 * stride, stride, CPU).add(released(logits, covered))

    assert max(sizes) == min(8 * 16**3, 8 * 512 * stride**2)


@pytest.mark.parametrize("cut", [0, 7, 20])
def test_a_run_goes_on_between_host_and_device(cut):
    """What one saved the other takes up: a run may be continued on another machine."""
    logits, covered = random_field(3, 20, 16, seed=5)
    expected = LabelUpsampler(3, 64, 80, 4).add(logits, covered)
    for first, second in (
        (DeviceLabels(3, 64, 80, 4, CPU), LabelUpsampler(3, 64, 80, 4)),
        (LabelUpsampler(3, 64, 80, 4), DeviceLabels(3, 64, 80, 4, CPU)),
    ):
        parts = []
        for upsampler, rows in ((first, slice(0, cut)), (second, slice(cut, 20))):
            if upsampler is second:
                upsampler.restore(first.state())
            if rows.start == rows.stop:
                continue
            field = logits[:, rows], covered[rows]
            if isinstance(upsampler, DeviceLabels):
                parts.append(upsampler.add(released(*field)).numpy())
            else:
                parts.append(upsampler.add(*field))
        np.testing.assert_array_equal(np.concatenate(parts), expected)


def test_a_state_of_another_slide_is_refused():
    """Sizes that differ mean another slide or model."""
    state = DeviceLabels(3, 64, 80, 4, CPU).state()

    with pytest.raises(ConfigError, match="another slide or model"):
        DeviceLabels(3, 60, 80, 4, CPU).restore(state)


def test_an_odd_stride_is_refused():
    """Cell centres would lie on pixels."""
    with pytest.raises(ConfigError, match="output stride 3 px"):
        DeviceLabels(3, 64, 80, 3, CPU)
