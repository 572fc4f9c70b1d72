"""SAM-Path's figures are reproduced, and shown to be what their labels say."""

import numpy as np
import pytest

from dfaseg.classmap import ClassMap
from dfaseg.errors import ConfigError
from dfaseg.evaluation.confusion import ConfusionMatrix
from dfaseg.evaluation.metrics import Scores, compute_scores
from dfaseg.evaluation.sampath_compat import sampath_scores, sampath_variants


def _scores(counts: np.ndarray) -> Scores:
    confusion = ConfusionMatrix(len(counts))
    confusion.counts = counts
    return compute_scores(confusion)


@pytest.mark.parametrize("seed", range(3))
def test_micro_dice_is_pixel_accuracy(seed: int) -> None:
    """Whatever the counts: summed over all classes, Dice is the share of right pixels."""
    counts = np.random.default_rng(seed).integers(0, 99, (5, 5))

    assert sampath_scores(counts).micro_dice == pytest.approx(_scores(counts).pixel_accuracy)


def test_iou_without_background_is_recall() -> None:
    """With one class besides, background that was painted over is no error, and IoU beats Dice."""
    counts = np.array([[60, 30], [2, 8]])

    theirs, ours = sampath_scores(counts, background=0), _scores(counts)

    assert theirs.macro_iou == theirs.micro_iou == pytest.approx(ours.recall[1])
    assert theirs.micro_dice == pytest.approx(ours.dice[1])
    assert theirs.macro_iou > theirs.micro_dice > ours.iou[1]


@pytest.mark.slow  # the other library takes seconds to import
def test_iou_equals_that_of_torchmetrics() -> None:
    """The library that SAM-Path calls, called as it calls it, finds the same on random masks."""
    torch = pytest.importorskip("torch")
    other = pytest.importorskip("torchmetrics.functional.classification")
    label, mask = np.random.default_rng(4).integers(0, 4, (2, 30, 30)).astype(np.uint8)
    confusion = ConfusionMatrix(4)
    confusion.update(label, mask)
    pair = torch.from_numpy(mask).long(), torch.from_numpy(label).long()

    scores = sampath_scores(confusion.counts, background=0)

    for average, value in [("macro", scores.macro_iou), ("micro", scores.micro_iou)]:
        expected = other.multiclass_jaccard_index(*pair, 4, average=average, ignore_index=0)
        assert value == pytest.approx(float(expected), abs=1e-6)


def test_nothing_counted_has_no_score() -> None:
    """Where all pixels are background there is nothing to divide by, and null in the file."""
    record = sampath_scores(np.array([[5, 0], [0, 0]]), background=0).to_record()

    assert set(record.values()) == {None}


def test_class_that_is_not_scored_is_left_out_of_the_mean_only() -> None:
    """What was predicted as it stays wrong in the sums over classes."""
    counts = np.array([[35, 0, 5], [0, 40, 0], [0, 0, 0]])

    scores = sampath_scores(counts, unscored=(2,))

    assert scores.macro_iou == pytest.approx((35 / 40 + 1) / 2)
    assert scores.micro_dice == pytest.approx(75 / 80)
    assert scores.micro_iou == sampath_scores(counts).micro_iou


def test_unknown_background_is_refused() -> None:
    """A class that is not there cannot be dropped."""
    with pytest.raises(ConfigError, match="background class 2: there are 2 classes"):
        sampath_scores(np.eye(2, dtype=np.int64), background=2)


@pytest.mark.parametrize("name", ["Background", "non-gland"])
def test_background_is_dropped_only_where_a_class_is_named_so(name: str) -> None:
    """Nobody guesses which class it is: with other names there are no figures without it."""
    counts = np.array([[60, 30], [2, 8]])
    named, other = (
        ClassMap.from_records(
            [
                {"index": 0, "name": first, "colour": "#d9d9d9"},
                {"index": 1, "name": "Gland", "colour": "#009e73"},
            ]
        )
        for first in (name, "Stroma")
    )

    everything, without = sampath_variants(counts, named)

    assert without.name == f"without {name}"
    assert without.scores == sampath_scores(counts, background=0)
    assert sampath_variants(counts, other) == (everything,)
