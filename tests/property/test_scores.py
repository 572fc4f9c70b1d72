"""Laws of scores: what they must not depend on, and how parts make up the whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from dfaseg.evaluation.boundary import SurfaceScores, measure_surfaces
from dfaseg.evaluation.calibration import count_calibration
from dfaseg.evaluation.confusion import ConfusionMatrix
from dfaseg.evaluation.metrics import compute_scores
from dfaseg.evaluation.objects import score_objects

Labels = NDArray[np.uint8]
CODES = (0, 1, 2, 255)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Labels, Labels]:
    """Draw truth and prediction of three classes, with ignored pixels, of equal shape."""
    shape = draw(st.tuples(st.integers(2, 9), st.integers(2, 9)))
    images = hnp.arrays(np.uint8, shape, elements=st.sampled_from(CODES))
    return draw(images), draw(images)


def _counts(label: Labels, mask: Labels) -> NDArray[np.int64]:
    confusion = ConfusionMatrix(3)
    confusion.update(label, mask)
    return confusion.counts


def _surfaces(label: Labels, mask: Labels) -> SurfaceScores:
    scores = measure_surfaces(label, mask, 3, mpp=(0.5, 0.5), tolerance_um=0.6)
    assert scores is not None
    return scores


@given(pairs(), st.permutations(range(3)))
def test_renaming_classes_permutes_their_scores(
    pair: tuple[Labels, Labels], order: list[int]
) -> None:
    """Scores belong to classes, not to their numbers."""
    renamed = np.arange(256, dtype=np.uint8)
    renamed[order] = [0, 1, 2]
    confusion = ConfusionMatrix(3)
    confusion.counts = _counts(*pair)
    again = ConfusionMatrix(3)
    again.counts = _counts(*(renamed[image] for image in pair))

    before, after = compute_scores(confusion), compute_scores(again)
    outlines = _surfaces(*pair), _surfaces(*(renamed[image] for image in pair))

    for name in ("dice", "iou", "precision", "recall"):
        assert getattr(after, name) == pytest.approx(getattr(before, name)[order], nan_ok=True)
    assert after.macro_dice == pytest.approx(before.macro_dice, nan_ok=True)
    assert outlines[1].surface_dice == pytest.approx(outlines[0].surface_dice[order], nan_ok=True)
    expected = pytest.approx(outlines[0].hausdorff95_um[order], nan_ok=True)
    assert outlines[1].hausdorff95_um == expected


@given(pairs())
def test_outlines_agree_in_both_directions(pair: tuple[Labels, Labels]) -> None:
    """Truth and prediction may be swapped: distance and share stay, lengths change sides."""
    there, back = _surfaces(*pair), _surfaces(*pair[::-1])
    compared = there.is_compared & back.is_compared

    expected = pytest.approx(there.hausdorff95_um[compared], nan_ok=True)
    assert back.hausdorff95_um[compared] == expected
    expected = pytest.approx(there.surface_dice[compared], nan_ok=True)
    assert back.surface_dice[compared] == expected
    assert back.true_um[compared] == pytest.approx(there.predicted_um[compared])


@given(pairs())
def test_equal_masks_are_perfect_in_every_measure(pair: tuple[Labels, Labels]) -> None:
    """A mask against itself has no distance, and shares all outlines and objects."""
    label = pair[0]

    outlines, found = _surfaces(label, label), score_objects(label, label, 1)

    assert found is not None
    assert np.all(outlines.surface_dice[outlines.true_um > 0] == 1)
    assert np.all(outlines.hausdorff95_um[outlines.true_um > 0] == 0)
    if found.num_true:
        assert (found.f1, found.object_hausdorff_px) == (1, 0)
        assert found.object_dice == pytest.approx(1)


@given(pairs())
def test_objects_agree_in_both_directions(pair: tuple[Labels, Labels]) -> None:
    """Object Dice and distance are means of both directions, so sides may be swapped."""
    there, back = score_objects(*pair, 1), score_objects(*pair[::-1], 1)

    assert there is not None
    assert back is not None
    assert (back.num_true, back.true_px) == (there.num_predicted, there.predicted_px)
    assert back.object_dice == pytest.approx(there.object_dice, nan_ok=True)
    assert back.object_hausdorff_px == pytest.approx(there.object_hausdorff_px, nan_ok=True)


@given(pairs(), st.integers(0, 9))
def test_counts_of_parts_add_up_to_the_whole(pair: tuple[Labels, Labels], cut: int) -> None:
    """An image counted in two parts is counted once, pixels and confidences alike."""
    label, mask = pair
    sure = np.stack([np.where(mask == index, 0.8, 0.1) for index in range(3)])

    parts = _counts(label[:cut], mask[:cut]) + _counts(label[cut:], mask[cut:])
    top, rest = (
        count_calibration(sure[:, rows], label[rows]) for rows in (slice(cut), slice(cut, None))
    )
    whole = count_calibration(sure, label)

    assert np.array_equal(parts, _counts(label, mask))
    assert np.array_equal((top + rest).right, whole.right)
    assert (top + rest).expected_error == pytest.approx(whole.expected_error, nan_ok=True)
