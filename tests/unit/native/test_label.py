"""Labels in C; what they must be is tested where they are used, in the stitcher."""

import numpy as np
import pytest

from dfaseg.native.label import classify_cells, label_squares

HALF = np.full(2, 0.5, np.float32)


def cells(num_classes=3, rows=2, width=5):
    """Logits and which cells are covered."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(num_classes, rows, width)).astype(np.float32)
    return logits, rng.random((rows, width)) < 0.7


@pytest.mark.parametrize("num_classes", [1, 2, 255])
def test_cells_have_their_largest_logit_s_class(num_classes):
    """The first one of equal ones, and 255 where nothing is covered."""
    logits, covered = cells(num_classes, 7, 33)
    logits = np.round(logits)

    found = classify_cells(logits, covered)

    np.testing.assert_array_equal(found, np.where(covered, logits.argmax(axis=0), 255))


def test_rows_may_lie_apart():
    """Planes and rows of a larger field are read where they are."""
    logits, covered = cells(4, 9, 40)

    found = classify_cells(logits[:, 2:7, 3:30], covered[2:7, 3:30])

    np.testing.assert_array_equal(found, classify_cells(logits, covered)[2:7, 3:30])


def test_nothing_is_written_beside_the_labels():
    """They are a part of a larger mask."""
    room = np.full((6, 16), 9, np.uint8)
    label_squares(*cells(), HALF, HALF, room[2:4, 2:14])

    room[2:4, 2:14] = 9
    assert (room == 9).all()


@pytest.mark.parametrize("wrong", ["kind", "shape", "gaps", "classes", "labels", "weights", "odd"])
def test_arrays_that_do_not_fit_are_refused(wrong):
    """C would read and write beyond them."""
    logits, covered = cells()
    near, out = HALF, np.empty((2, 12), np.uint8)
    if wrong == "kind":
        logits = logits.astype(np.float64)
    elif wrong == "shape":
        covered = covered[:, :4]
    elif wrong == "gaps":
        logits = np.repeat(logits, 2, axis=2)[:, :, ::2]
    elif wrong == "classes":
        logits = np.repeat(logits, 86, axis=0)
    elif wrong == "labels":
        out = out[:, 1:]
    elif wrong == "weights":
        near = near.astype(np.float64)
    else:
        near, out = np.ones(1, np.float32), np.empty((1, 6), np.uint8)

    with pytest.raises(ValueError, match="of shape"):
        label_squares(logits, covered, near, near, out)
