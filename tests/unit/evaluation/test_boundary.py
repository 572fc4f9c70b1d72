"""Outlines of truth and prediction are compared in µm, per class."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.distance import directed_hausdorff

from dfaseg.errors import ConfigError
from dfaseg.evaluation import boundary
from dfaseg.evaluation.boundary import SurfaceMeter, SurfaceScores, measure_surfaces
from dfaseg.evaluation.outline import OutlineTracer

Labels = NDArray[np.uint8]


def _halves(border: int) -> Labels:
    """Ten by ten pixels, class 1 from a column on."""
    label = np.zeros((10, 10), np.uint8)
    label[:, border:] = 1
    return label


def _measured(
    label: Labels,
    mask: Labels,
    tolerance_um: float = 1.0,
    mpp: tuple[float, float] = (0.5, 0.5),
) -> SurfaceScores:
    scores = measure_surfaces(label, mask, 3, mpp=mpp, tolerance_um=tolerance_um)
    assert scores is not None
    return scores


def _blobs(seed: int, num_classes: int = 3) -> Labels:
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).random((40, 50)), 2)
    return np.digitize(smooth, np.quantile(smooth, [0.3, 0.7]))[:, :].astype(np.uint8) % num_classes


def test_shifted_border_is_off_by_the_shift() -> None:
    """A straight border moved by three pixels of 0.5 µm lies 1.5 µm away, all along."""
    scores = _measured(_halves(4), _halves(7), tolerance_um=1.0)

    assert scores.true_um[:2] == pytest.approx([4.5, 4.5])
    assert scores.hausdorff95_um[:2] == pytest.approx([1.5, 1.5])
    assert scores.surface_dice[:2] == pytest.approx([0, 0])


def test_distance_equal_to_tolerance_counts_as_near() -> None:
    """The tolerance itself is allowed."""
    scores = _measured(_halves(4), _halves(7), tolerance_um=1.5)

    assert scores.surface_dice[:2] == pytest.approx([1, 1])


def test_only_near_part_of_outline_counts() -> None:
    """A border that steps aside half way is half right."""
    mask = _halves(4)
    mask[5:] = _halves(9)[5:]

    scores = _measured(_halves(4), mask, tolerance_um=0.0)

    # Four straight corners and the one where the step begins are shared; the step is longer.
    assert scores.true_near_um[1] == pytest.approx(5 * 0.5)
    assert scores.predicted_near_um[1] == pytest.approx((4 + math.sqrt(2) / 2) * 0.5)


def test_oblong_pixels_are_measured_by_their_own_sides() -> None:
    """0.5 µm wide and 2 µm high: two px to the right are 1 µm, two px down are 4."""
    mpp = (0.5, 2.0)

    across = _measured(_halves(4), _halves(6), 1.5, mpp)
    down = _measured(_halves(4).T, _halves(6).T, 1.5, mpp)

    assert across.hausdorff95_um[:2] == pytest.approx([1, 1])
    assert across.surface_dice[:2] == pytest.approx([1, 1])
    assert across.true_um[:2] == pytest.approx([9 * 2, 9 * 2])
    assert down.hausdorff95_um[:2] == pytest.approx([4, 4])
    assert down.surface_dice[:2] == pytest.approx([0, 0])
    assert down.true_um[:2] == pytest.approx([9 * 0.5, 9 * 0.5])


def test_oblong_pixel_has_the_outline_of_its_corners() -> None:
    """Four half diagonals of a pixel of 3 × 4 µm, each 2.5 µm; of two at one corner, eight."""
    label = np.zeros((6, 6), np.uint8)
    label[2, 2] = 1
    both = label.copy()
    both[3, 3] = 1

    assert _measured(label, label, mpp=(3, 4)).true_um[1] == pytest.approx(4 * 2.5)
    assert _measured(both, both, mpp=(3, 4)).true_um[1] == pytest.approx(8 * 2.5)


def test_distances_of_oblong_pixels_equal_those_of_a_distance_map() -> None:
    """SciPy measures the same with a side per axis."""
    label, mask = _blobs(6), _blobs(16)

    scores = _measured(label, mask, mpp=(0.5, 1.25))

    worst = []
    for one, other in [(label, mask), (mask, label)]:
        points, away = np.array(list(_weighted_points(one, 1)), int), np.ones((40, 50))
        away[tuple(np.array(list(_weighted_points(other, 1)), int).T)] = 0
        distances = ndimage.distance_transform_edt(away, sampling=(1.25, 0.5))[tuple(points.T)]
        tracer = OutlineTracer()
        tracer.add(one)
        lengths = tracer.outlines(3, 1.25 / 0.5)[1].lengths
        order = np.argsort(distances)
        reached = np.cumsum(lengths[order]) >= 0.95 * lengths.sum()
        worst.append(distances[order][reached][0])
    assert scores.hausdorff95_um[1] == pytest.approx(max(worst))


def test_class_missing_on_one_side_scores_zero_without_distance() -> None:
    """An invented or missed class shares no outline, and no distance to it exists."""
    label = np.zeros((10, 10), np.uint8)
    mask = label.copy()
    mask[4:6, 4:6] = 1

    scores = _measured(label, mask)

    assert scores.surface_dice[1] == 0
    assert np.isnan(scores.hausdorff95_um[1])
    assert np.isnan(scores.surface_dice[2])


def test_pixel_has_the_outline_of_its_corners() -> None:
    """One pixel alone is cut around by four half diagonals."""
    label = np.zeros((5, 5), np.uint8)
    label[2, 2] = 1

    scores = _measured(label, label)

    assert scores.true_um[1] == pytest.approx(4 * math.sqrt(2) / 2 * 0.5)


def test_border_of_picture_is_no_outline() -> None:
    """A class that fills the picture goes on beyond it, as far as anyone knows."""
    label = np.ones((6, 6), np.uint8)

    scores = _measured(label, label)

    assert scores.true_um[1] == 0
    assert np.isnan(scores.surface_dice[1])


def test_ignored_pixels_make_no_outline_in_either() -> None:
    """Where the truth is unknown, borders of the prediction are not counted, nor its rim."""
    label, mask = _halves(4), _halves(4)
    label[:5] = 255
    mask[:5, 6:8] = 2

    scores = _measured(label, mask)

    assert scores.true_um == pytest.approx([2, 2, 0])
    assert scores.predicted_um == pytest.approx([2, 2, 0])


def _drawn_on_unlabelled() -> Labels:
    """Ten by ten pixels, of which a square of class 1 is labelled and nothing else."""
    label = np.full((10, 10), 255, np.uint8)
    label[2:8, 2:8] = 1
    return label


def test_class_among_ignored_pixels_is_not_compared() -> None:
    """Its outline is nowhere known, so that what is predicted inside is neither near nor far."""
    mask = np.ones((10, 10), np.uint8)
    mask[4:6, 4:6] = 2

    scores = _measured(_drawn_on_unlabelled(), mask)

    assert scores.is_compared.tolist() == [True, False, True]
    assert np.isnan(scores.surface_dice[1])
    assert np.isnan(scores.predicted_um[1])
    assert scores.to_record()["true_um"] == [0, None, 0]
    # No truth says that class 2 is there, and none of it touches ignored pixels.
    assert scores.surface_dice[2] == 0


def test_class_that_meets_another_somewhere_is_compared() -> None:
    """The part of its outline that is known counts."""
    label = _drawn_on_unlabelled()
    label[2:8, 5:8] = 2

    scores = _measured(label, label)

    assert scores.is_compared.all()
    assert scores.surface_dice[1:] == pytest.approx([1, 1])


def test_class_that_only_meets_the_border_of_the_picture_is_compared() -> None:
    """The truth says that it does not end within the picture; an outline there is an error."""
    scores = _measured(np.ones((10, 10), np.uint8), _halves(4))

    assert scores.is_compared.all()
    assert scores.surface_dice[1] == 0


def test_strips_measure_what_the_whole_does() -> None:
    """A mask that comes in rows of any number has the outlines of the whole."""
    label, mask = _blobs(1), _blobs(2)
    label[10:30, 10:30][label[10:30, 10:30] == 0] = 255
    meter = SurfaceMeter(3, mpp=(0.5, 0.5), tolerance_um=1)

    for start, stop in [(0, 1), (1, 1), (1, 17), (17, 40)]:
        meter.add(label[start:stop], mask[start:stop])
    in_strips = meter.finish()

    assert in_strips is not None
    assert in_strips.to_record() == _measured(label, mask).to_record()


def _weighted_points(label: Labels, index: int) -> Iterator[tuple[float, float]]:
    for row in range(label.shape[0] - 1):
        for col in range(label.shape[1] - 1):
            inside = int((label[row : row + 2, col : col + 2] == index).sum())
            if 0 < inside < 4:
                yield row, col


@pytest.mark.parametrize("seed", range(3))
def test_distances_equal_those_of_a_distance_map(seed: int) -> None:
    """Maps of distances by SciPy, another way to the same numbers, agree to the last digit."""
    label, mask = _blobs(seed), _blobs(seed + 10)

    scores = _measured(label, mask, tolerance_um=0.8)

    for index in range(3):
        near, total, worst = 0.0, 0.0, []
        for one, other in [(label, mask), (mask, label)]:
            points = np.array(list(_weighted_points(one, index)), int)
            away = np.ones((40, 50))
            away[tuple(np.array(list(_weighted_points(other, index)), int).T)] = 0
            distances = 0.5 * ndimage.distance_transform_edt(away)[tuple(points.T)]
            tracer = OutlineTracer()
            tracer.add(one)
            lengths = 0.5 * tracer.outlines(3)[index].lengths
            near += lengths[distances <= 0.8].sum()
            total += lengths.sum()
            order = np.argsort(distances)
            reached = np.cumsum(lengths[order]) >= 0.95 * lengths.sum()
            worst.append(distances[order][reached][0])
        assert scores.surface_dice[index] == pytest.approx(near / total)
        assert scores.hausdorff95_um[index] == pytest.approx(max(worst))


def test_robust_distance_never_exceeds_the_plain_one() -> None:
    """Leaving out the worst twentieth can only shorten the Hausdorff distance."""
    label, mask = _blobs(4), _blobs(5)
    sides = [np.array(list(_weighted_points(side, 1))) for side in (label, mask)]
    plain = max(directed_hausdorff(*sides)[0], directed_hausdorff(*sides[::-1])[0])

    scores = _measured(label, mask)

    assert 0 < scores.hausdorff95_um[1] <= 0.5 * plain


def test_too_long_outlines_are_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit there is no score, rather than a process out of memory."""
    monkeypatch.setattr(boundary, "MAX_OUTLINE_POINTS", 17)

    assert measure_surfaces(_halves(4), _halves(7), 2, mpp=(1, 1), tolerance_um=1) is None


@pytest.mark.parametrize(
    ("mpp", "tolerance_um"), [((0, 1), 1), ((1, 0), 1), ((float("nan"), 1), 1), ((1, 1), -1)]
)
def test_impossible_units_are_refused(mpp: tuple[float, float], tolerance_um: float) -> None:
    """A resolution must be positive, a tolerance not negative."""
    with pytest.raises(ConfigError, match="must be positive"):
        SurfaceMeter(2, mpp=mpp, tolerance_um=tolerance_um)


def test_different_shapes_are_refused() -> None:
    """Truth and prediction must lie on each other, strip by strip."""
    meter = SurfaceMeter(2, mpp=(1, 1), tolerance_um=1)
    with pytest.raises(ConfigError, match="shapes must be equal"):
        meter.add(np.zeros((2, 3), np.uint8), np.zeros((2, 4), np.uint8))
    meter.add(np.zeros((2, 3), np.uint8), np.zeros((2, 3), np.uint8))
    with pytest.raises(ConfigError, match="wider or narrower"):
        meter.add(np.zeros((2, 4), np.uint8), np.zeros((2, 4), np.uint8))
