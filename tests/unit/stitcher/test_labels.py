"""Upsampling logits to labels: exact, seamless, and honest about what was not analysed."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from dfaseg.errors import ConfigError
from dfaseg.stitcher.labels import LabelUpsampler


def random_logits(k: int, rows: int, cols: int, seed: int = 0) -> np.ndarray:
    """Return random logits, shape (k, rows, cols)."""
    return np.random.default_rng(seed).standard_normal((k, rows, cols)).astype(np.float32)


def dense_labels(logits: np.ndarray, stride: int) -> np.ndarray:
    """Upsample everything with PyTorch and take the argmax."""
    field = torch.from_numpy(logits)[None]
    upsampled = functional.interpolate(
        field, scale_factor=stride, mode="bilinear", align_corners=False
    )
    return upsampled[0].argmax(dim=0).numpy().astype(np.uint8)


@pytest.mark.parametrize("stride", [1, 2, 4, 8])
@pytest.mark.parametrize("num_classes", [2, 7])
def test_labels_equal_the_dense_reference(stride: int, num_classes: int) -> None:
    """Refining mixed squares only gives what interpolating everything gives."""
    logits = random_logits(num_classes, 9, 13)
    upsampler = LabelUpsampler(num_classes, 13 * stride, 9 * stride, stride)

    labels = upsampler.add(logits, np.ones((9, 13), bool))

    if stride == 1:
        np.testing.assert_array_equal(labels, logits.argmax(axis=0))
    else:
        np.testing.assert_array_equal(labels, dense_labels(logits, stride))


@pytest.mark.parametrize(("width", "height"), [(49, 33), (50, 35), (52, 36), (1, 1)])
def test_mask_that_ends_inside_a_cell_is_cropped(width: int, height: int) -> None:
    """The last cells may overhang the mask."""
    rows, cols = -(-height // 4), -(-width // 4)
    logits = random_logits(3, rows, cols)

    labels = LabelUpsampler(3, width, height, 4).add(logits, np.ones((rows, cols), bool))

    np.testing.assert_array_equal(labels, dense_labels(logits, 4)[:height, :width])


@pytest.mark.parametrize("cut", [1, 2, 5])
def test_rows_may_come_in_any_portions(cut: int) -> None:
    """What is held back at a cut is made up for after it."""
    logits, covered = random_logits(4, 10, 12), np.random.default_rng(2).random((10, 12)) < 0.8
    whole = LabelUpsampler(4, 48, 40, 4).add(logits, covered)
    upsampler = LabelUpsampler(4, 48, 40, 4)

    parts = [
        upsampler.add(logits[:, top : top + cut], covered[top : top + cut])
        for top in range(0, 10, cut)
    ]

    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_cells_not_covered_become_255() -> None:
    """Exactly the pixels inside such a cell are left out."""
    covered = np.random.default_rng(3).random((8, 9)) < 0.6

    labels = LabelUpsampler(3, 36, 32, 4).add(random_logits(3, 8, 9), covered)

    np.testing.assert_array_equal(labels == 255, ~np.kron(covered, np.ones((4, 4), bool)))


def test_cells_not_covered_do_not_pull_on_their_neighbours() -> None:
    """Beside a gap, a pixel is interpolated from covered cells only, whatever the gap holds."""
    logits = np.zeros((2, 1, 3), np.float32)
    logits[:, 0] = [[-3, -3, 99], [-1, -1, -99]]
    covered = np.array([[True, True, False]])

    labels = LabelUpsampler(2, 12, 4, 4).add(logits, covered)

    assert np.all(labels[:, :8] == 1)
    assert np.all(labels[:, 8:] == 255)


def test_lowest_class_wins_a_tie() -> None:
    """Equal logits give one answer everywhere."""
    labels = LabelUpsampler(3, 16, 16, 4).add(np.ones((3, 4, 4), np.float32), np.ones((4, 4), bool))

    assert np.all(labels == 0)


def test_position_tells_how_many_rows_came_out() -> None:
    """``next_row_px`` is where the caller's file stands."""
    upsampler = LabelUpsampler(2, 8, 30, 4)
    done = 0

    for _ in range(8):
        done += len(upsampler.add(random_logits(2, 1, 2), np.ones((1, 2), bool)))
        assert upsampler.next_row_px == done
    assert done == 30


@pytest.mark.parametrize("stop", [0, 1, 6])
def test_restored_upsampler_goes_on_bit_for_bit(stop: int) -> None:
    """A cut run ends like an uninterrupted one."""
    logits, covered = random_logits(3, 7, 6), np.ones((7, 6), bool)
    first, second = LabelUpsampler(3, 24, 28, 4), LabelUpsampler(3, 24, 28, 4)
    parts = [first.add(logits[:, :stop], covered[:stop])]

    second.restore(first.state())
    parts.append(second.add(logits[:, stop:], covered[stop:]))

    whole = LabelUpsampler(3, 24, 28, 4).add(logits, covered)
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_more_rows_than_the_mask_has_are_refused() -> None:
    """A caller that counts wrongly hears of it."""
    with pytest.raises(ValueError, match="rows of cells"):
        LabelUpsampler(2, 8, 8, 4).add(random_logits(2, 3, 2), np.ones((3, 2), bool))


@pytest.mark.parametrize("stride", [0, 3, -2])
def test_odd_strides_are_refused(stride: int) -> None:
    """A pixel on a cell's centre line would lie in two squares."""
    with pytest.raises(ConfigError, match="stride"):
        LabelUpsampler(2, 8, 8, stride)


def test_state_of_another_width_is_refused() -> None:
    """A saved row of another slide cannot be continued."""
    state = LabelUpsampler(2, 8, 8, 4).state()

    with pytest.raises(ConfigError, match="another slide"):
        LabelUpsampler(2, 16, 8, 4).restore(state)
