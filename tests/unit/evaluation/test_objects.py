"""Objects are found, covered and outlined one by one, as in the GlaS contest."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.distance import directed_hausdorff

from dfaseg.errors import ConfigError
from dfaseg.evaluation import objects
from dfaseg.evaluation.instances import find_instances
from dfaseg.evaluation.objects import ObjectScores, compare_instances, score_objects

Instances = NDArray[np.int32]


def _picture(*boxes: tuple[int, int, int, int]) -> Instances:
    """Thirty by thirty pixels, one object per box (first row, first column, height, width)."""
    instances = np.zeros((30, 30), np.int32)
    for number, (row, col, height, width) in enumerate(boxes, start=1):
        instances[row : row + height, col : col + width] = number
    return instances


def test_equal_objects_score_perfectly() -> None:
    """Numbers play no part: only which pixels belong together."""
    true = _picture((0, 0, 4, 4), (10, 10, 6, 6))

    scores = compare_instances(true, np.where(true > 0, 7 - true, 0), 1)

    assert (scores.f1, scores.object_dice, scores.object_hausdorff_px) == (1, 1, 0)


def test_scores_equal_those_worked_out_by_hand() -> None:
    """One gland of 16 px half covered, one of 36 px missed, one invented of 4 px."""
    true = _picture((0, 0, 4, 4), (10, 10, 6, 6))
    predicted = _picture((0, 0, 4, 2), (0, 20, 2, 2))

    scores = compare_instances(true, predicted, 1)

    assert scores.f1 == pytest.approx(2 * 1 / (2 + 2))
    dice = 2 * 8 / (16 + 8)
    assert scores.object_dice == pytest.approx((16 / 52 * dice + 8 / 12 * dice) / 2)
    # The missed gland and the invented one are each other's nearest: (15, 10) to (1, 20).
    from_true = (16 * 2 + 36 * np.hypot(14, 10)) / 52
    from_predicted = (8 * 2 + 4 * np.hypot(14, 10)) / 12
    assert scores.object_hausdorff_px == pytest.approx((from_true + from_predicted) / 2)


def test_object_less_than_half_covered_is_not_found() -> None:
    """Seven of sixteen pixels are too few, eight are enough."""
    true = _picture((0, 0, 4, 4))
    seven = np.where(np.cumsum(true).reshape(30, 30) <= 7, true, 0)

    assert compare_instances(true, seven.astype(np.int32), 1).num_found == 0
    assert compare_instances(true, _picture((0, 0, 2, 4)), 1).num_found == 1


def test_merged_objects_count_once() -> None:
    """A prediction that swallows two glands finds only that which it shares most with."""
    scores = compare_instances(
        _picture((0, 0, 4, 4), (0, 5, 4, 5)), _picture((0, 0, 4, 10)), 1
    )  # fmt: skip

    assert (scores.num_true, scores.num_predicted, scores.num_found) == (2, 1, 1)


def test_object_split_in_exact_halves_is_found_once() -> None:
    """Both halves cover 50 %; the gland cannot be found twice."""
    scores = compare_instances(_picture((0, 0, 4, 4)), _picture((0, 0, 4, 2), (0, 2, 4, 2)), 1)

    assert scores.num_found == 1


@pytest.mark.parametrize(
    ("true", "predicted", "dice"),
    [((), (), np.nan), ((), ((0, 0, 3, 3),), 0.0), (((0, 0, 3, 3),), (), 0.0)],
    ids=["both empty", "no truth", "no prediction"],
)
def test_missing_objects_have_no_distance(
    true: tuple[tuple[int, int, int, int]], predicted: tuple[tuple[int, int, int, int]], dice: float
) -> None:
    """Without an object on one side Dice and F1 are 0, without any they are not defined."""
    scores = compare_instances(_picture(*true), _picture(*predicted), 1)

    assert scores.object_dice == pytest.approx(dice, nan_ok=True)
    assert scores.f1 == pytest.approx(dice, nan_ok=True)
    assert np.isnan(scores.object_hausdorff_px)


def test_distance_reaches_into_a_hole() -> None:
    """The centre of a filled disc is far from a ring, though their outlines touch."""
    disc, ring = _picture((0, 0, 9, 9)), _picture((0, 0, 9, 9))
    ring[1:8, 1:8] = 0

    assert compare_instances(disc, ring, 1).object_hausdorff_px == pytest.approx(4)


def test_ignored_pixels_belong_to_no_object() -> None:
    """What is unknown in either image is cut out before objects are made."""
    label, mask = np.zeros((2, 8, 8), np.uint8)
    label[2:6, 2:6] = mask[2:6, 2:6] = 1
    label[:, 5], mask[5] = 255, 255

    scores = score_objects(label, mask, 1)

    assert scores is not None
    assert (scores.true_px, scores.predicted_px, scores.f1) == (9, 9, 1)


def test_only_small_predictions_are_dropped() -> None:
    """Specks of the network may be cleaned away; the truth is never changed."""
    label, mask = np.zeros((2, 8, 8), np.uint8)
    label[0, 0] = mask[0, 0] = 1
    mask[4:6, 4:6] = 1

    scores = score_objects(label, mask, 1, min_px=2)

    assert scores is not None
    assert (scores.num_true, scores.num_predicted) == (1, 1)


def test_corner_to_corner_is_one_object() -> None:
    """Pixels that touch at a corner belong together."""
    assert find_instances(np.eye(4, dtype=bool)).max() == 1


def _blobs(seed: int) -> Instances:
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).random((60, 60)), 2.5)
    return find_instances(smooth > np.quantile(smooth, 0.6))


def _by_formula(true: Instances, predicted: Instances) -> tuple[float, float]:
    """Object Dice and Hausdorff, from the formulas of the paper, pixel by pixel."""
    dice, distance = [], []
    for here, there in [(true, predicted), (predicted, true)]:
        for number in range(1, here.max() + 1):
            inside = here == number
            weight = inside.sum() / (here > 0).sum() / 2
            partners = np.bincount(there[inside], minlength=there.max() + 1)
            partners[0] = 0
            all_distances = [
                max(directed_hausdorff(*pair)[0] for pair in [(a, b), (b, a)])
                for a in [np.argwhere(inside)]
                for b in [np.argwhere(there == other) for other in range(1, there.max() + 1)]
            ]
            partner = there == partners.argmax()
            if partners.any():
                dice.append(weight * 2 * (inside & partner).sum() / (inside.sum() + partner.sum()))
                distance.append(weight * all_distances[partners.argmax() - 1])
            else:
                distance.append(weight * min(all_distances))
    return sum(dice), sum(distance)


@pytest.mark.parametrize("seed", range(3))
def test_random_objects_score_as_the_formulas_say(seed: int) -> None:
    """Partners, weights and nearest objects give what SciPy finds from all pixels."""
    true, predicted = _blobs(seed), _blobs(seed + 20)

    scores = compare_instances(true, predicted, 1)

    expected = _by_formula(true, predicted)
    assert (scores.object_dice, scores.object_hausdorff_px) == pytest.approx(expected)


def test_sums_over_images_are_those_of_one_large_image() -> None:
    """Images far apart on one canvas score what their sums do, where all objects overlap."""
    pairs = [
        (_picture((0, 0, 4, 4)), _picture((1, 1, 4, 4))),
        (_picture((0, 0, 9, 9), (20, 20, 5, 5)), _picture((2, 0, 9, 9), (20, 20, 5, 3))),
    ]
    apart = [compare_instances(*pair, 1) for pair in pairs]
    canvas = [
        np.hstack([one, np.where(two > 0, two + 10, 0)]) for one, two in zip(*pairs, strict=True)
    ]

    total = apart[0] + apart[1]

    assert total == compare_instances(canvas[0], canvas[1], 1)


def test_different_classes_do_not_add_up() -> None:
    """Glands of one class and of another are different objects."""
    one = ObjectScores(1, *([0] * 11))
    with pytest.raises(ConfigError, match="different classes"):
        one + ObjectScores(2, *([0] * 11))


def test_too_large_image_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit there is no score, rather than a process out of memory."""
    monkeypatch.setattr(objects, "MAX_PIXELS", 63)

    assert score_objects(*np.zeros((2, 8, 8), np.uint8), 1) is None


def test_different_shapes_are_refused() -> None:
    """Truth and prediction must lie on each other."""
    with pytest.raises(ConfigError, match="shapes must be equal"):
        score_objects(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), 1)
    with pytest.raises(ConfigError, match="shapes must be equal"):
        compare_instances(np.zeros((2, 3), np.int32), np.zeros((3, 2), np.int32), 1)
