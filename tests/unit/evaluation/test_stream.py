"""Truth and prediction compared a few rows at a time."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from dfaseg.evaluation.align import Alignment, Frame, align
from dfaseg.evaluation.stream import BAND_ROWS, Labels, OverlaidPair, PixelCounter, scan


@dataclass
class Rows:
    """Labels in memory that remember how many rows were asked for at once."""

    labels: Labels
    most: int = 0
    read: list[int] = field(default_factory=list)

    @property
    def frame(self) -> Frame:
        """Return the size."""
        return Frame(self.labels.shape[1], self.labels.shape[0])

    def read_rows(self, top: int, bottom: int) -> Labels:
        """Return rows."""
        assert 0 <= top < bottom <= len(self.labels)
        self.most = max(self.most, bottom - top)
        self.read.append(bottom - top)
        return self.labels[top:bottom]


def overlay(truth: Rows, prediction: Rows, alignment: Alignment | None = None) -> OverlaidPair:
    """Return a pair that is laid pixel on pixel, unless told else."""
    return OverlaidPair(truth, truth.frame, prediction, prediction.frame, alignment or Alignment())


def count(pair: OverlaidPair, num_classes: int = 2) -> PixelCounter:
    """Count all pixels of a pair."""
    counter = PixelCounter(num_classes)
    scan(pair, [counter])
    return counter


def test_counts_are_worked_out_by_hand() -> None:
    """255 on either side is not scored; what the prediction left out is counted apart."""
    truth = Rows(np.array([[0, 0, 1, 1], [255, 1, 0, 255]], np.uint8))
    prediction = Rows(np.array([[0, 1, 1, 255], [0, 255, 255, 255]], np.uint8))

    found = count(overlay(truth, prediction))

    assert found.confusion.counts.tolist() == [[1, 1], [0, 1]]
    assert found.left_out.tolist() == [1, 2]


def test_bands_count_as_the_whole() -> None:
    """Three bands, the last one short."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, (2, 2 * BAND_ROWS + 7, 11), np.uint8)
    labels[labels == 2] = 255
    truth, prediction = Rows(labels[0]), Rows(labels[1])
    whole = PixelCounter(2)
    whole.add(labels[0], labels[1])

    found = count(overlay(truth, prediction))

    assert truth.read == prediction.read == [BAND_ROWS, BAND_ROWS, 7]
    assert np.array_equal(found.confusion.counts, whole.confusion.counts)
    assert np.array_equal(found.left_out, whole.left_out)


@pytest.mark.parametrize("factor", [2, 3, 40])
def test_finer_prediction_is_read_in_no_more_rows(factor: int) -> None:
    """Memory depends on neither height nor scale."""
    truth = Rows(np.zeros((100, 4), np.uint8))
    prediction = Rows(np.zeros((100 * factor, 4 * factor), np.uint8))

    count(overlay(truth, prediction, Alignment(factor, factor)))

    assert prediction.most <= BAND_ROWS
    assert sum(truth.read) == 100


def test_coarser_prediction_is_spread_over_the_truth() -> None:
    """Each of its pixels counts four times."""
    truth = Rows(np.zeros((4, 6), np.uint8))
    prediction = Rows(np.array([[0, 1, 0], [1, 0, 0]], np.uint8))

    found = count(overlay(truth, prediction, Alignment(0.5, 0.5)))

    assert found.confusion.counts.tolist() == [[16, 8], [0, 0]]


@pytest.mark.parametrize("offset", [-2, 3], ids=["above and left", "below and right"])
def test_truth_beyond_the_prediction_is_left_out(offset: int) -> None:
    """It is counted, not hidden."""
    truth, prediction = Rows(np.zeros((4, 5), np.uint8)), Rows(np.zeros((4, 5), np.uint8))

    found = count(overlay(truth, prediction, Alignment(1, 1, offset, offset)))

    inside = (4 - abs(offset)) * (5 - abs(offset))
    assert found.confusion.counts[0, 0] == inside
    assert found.left_out.tolist() == [20 - inside, 0]


def test_rows_far_outside_are_not_read() -> None:
    """There is nothing to read."""
    truth, prediction = Rows(np.zeros((3, 3), np.uint8)), Rows(np.zeros((3, 3), np.uint8))
    found = count(overlay(truth, prediction, Alignment(1, 1, 0, 50)))
    assert prediction.read == []
    assert found.left_out.tolist() == [9, 0]


def test_truth_at_half_the_resolution_is_scored_at_its_own() -> None:
    """A prediction of 2 × 2 blocks compared with its own blocks is right everywhere."""
    blocks = np.random.default_rng(0).integers(0, 2, (6, 5), np.uint8)
    truth, prediction = Rows(blocks), Rows(np.kron(blocks, np.ones((2, 2), np.uint8)))
    frames = [Frame(5, 6, (1.0, 1.0)), Frame(10, 12, (0.5, 0.5))]

    found = count(overlay(truth, prediction, align(*frames)))

    assert np.trace(found.confusion.counts) == found.confusion.counts.sum() == 30


def test_progress_ends_with_all_rows() -> None:
    """A display knows when it is done."""
    said: list[tuple[int, int]] = []
    rows = Rows(np.zeros((BAND_ROWS + 1, 2), np.uint8))

    scan(overlay(rows, rows), [], on_rows=lambda *numbers: said.append(numbers))

    assert said == [(BAND_ROWS, BAND_ROWS + 1), (BAND_ROWS + 1, BAND_ROWS + 1)]
