"""Scores follow from the confusion matrix alone."""

import numpy as np
import pytest

from dfaseg.evaluation.confusion import ConfusionMatrix
from dfaseg.evaluation.metrics import compute_scores


def _matrix(counts: list[list[int]]) -> ConfusionMatrix:
    confusion = ConfusionMatrix(len(counts))
    confusion.counts = np.array(counts, np.int64)
    return confusion


def test_scores_equal_those_worked_out_by_hand() -> None:
    """Two classes: 6 right and 2 missed of one, 1 missed and 3 right of the other."""
    scores = compute_scores(_matrix([[6, 2], [1, 3]]))

    assert scores.dice == pytest.approx([12 / 15, 6 / 9])
    assert scores.iou == pytest.approx([6 / 9, 3 / 6])
    assert scores.precision == pytest.approx([6 / 7, 3 / 5])
    assert scores.recall == pytest.approx([6 / 8, 3 / 4])
    assert scores.pixel_accuracy == pytest.approx(9 / 12)
    assert scores.frequency_weighted_iou == pytest.approx((6 / 9 * 8 + 3 / 6 * 4) / 12)
    assert scores.macro_dice == pytest.approx((12 / 15 + 6 / 9) / 2)
    assert scores.worst_dice == pytest.approx(6 / 9)


def test_absent_class_is_left_out_of_means_and_named() -> None:
    """A class in neither truth nor prediction has no score and does not lower the mean."""
    scores = compute_scores(_matrix([[4, 0, 0], [0, 0, 0], [0, 0, 4]]))

    record = scores.to_record(("a", "b", "c"))

    assert scores.macro_dice == 1.0
    assert scores.macro_iou == 1.0
    assert record["absent_classes"] == ["b"]
    assert record["classes"]["b"]["dice"] is None


def test_class_that_is_not_scored_costs_only_the_classes_it_was_taken_for() -> None:
    """Five pixels of the first class were predicted as it: it has no score, they stay wrong."""
    scores = compute_scores(_matrix([[35, 0, 5], [0, 40, 0], [0, 0, 0]]), unscored=(2,))

    assert scores.dice[:2] == pytest.approx([70 / 75, 1])
    assert np.isnan([scores.dice[2], scores.iou[2], scores.precision[2], scores.recall[2]]).all()
    assert scores.macro_dice == pytest.approx((70 / 75 + 1) / 2)
    assert scores.macro_precision == 1
    assert scores.worst_dice == pytest.approx(70 / 75)
    assert scores.pixel_accuracy == pytest.approx(75 / 80)
    assert scores.frequency_weighted_iou == pytest.approx((35 / 40 * 40 + 40) / 80)
    assert scores.to_record(("a", "b", "c"))["absent_classes"] == []


def test_class_predicted_but_not_true_scores_zero() -> None:
    """Pixels given to a class that is not there count against the mean."""
    scores = compute_scores(_matrix([[3, 1], [0, 0]]))

    assert scores.dice[1] == 0.0
    assert np.isnan(scores.recall[1])


def test_no_pixel_gives_no_score() -> None:
    """An empty matrix has no defined score instead of a division by zero."""
    scores = compute_scores(ConfusionMatrix(2))

    assert np.isnan(scores.macro_dice)
    assert np.isnan(scores.worst_dice)
    assert scores.to_record(("a", "b"))["pixel_accuracy"] is None


def test_macro_dice_does_not_depend_on_class_order() -> None:
    """Renaming the classes permutes the scores and keeps the mean."""
    counts = np.random.default_rng(0).integers(1, 50, (5, 5))
    order = [3, 1, 4, 0, 2]

    before = compute_scores(_matrix(counts.tolist()))
    after = compute_scores(_matrix(counts[np.ix_(order, order)].tolist()))

    assert after.macro_dice == pytest.approx(before.macro_dice)
    assert after.dice == pytest.approx(before.dice[order])


@pytest.mark.parametrize("seed", range(3))
def test_scores_equal_those_of_scikit_learn(seed: int) -> None:
    """An independent library finds the same in random masks with ignored pixels."""
    other = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(seed)
    label, mask = generator.choice([0, 1, 2, 3, 255], (2, 40, 40)).astype(np.uint8)
    confusion = ConfusionMatrix(4)
    confusion.update(label, mask)
    known = (label != 255) & (mask != 255)
    pair = label[known], mask[known]

    scores = compute_scores(confusion)

    assert np.array_equal(confusion.counts, other.confusion_matrix(*pair))
    assert scores.dice == pytest.approx(other.f1_score(*pair, average=None))
    assert scores.macro_iou == pytest.approx(other.jaccard_score(*pair, average="macro"))
    assert scores.macro_precision == pytest.approx(other.precision_score(*pair, average="macro"))
    assert scores.macro_recall == pytest.approx(other.recall_score(*pair, average="macro"))
    assert scores.pixel_accuracy == pytest.approx(other.accuracy_score(*pair))
    weighted = other.jaccard_score(*pair, average="weighted")
    assert scores.frequency_weighted_iou == pytest.approx(weighted)
