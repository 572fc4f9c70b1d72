"""Logits of a network become counts by confidence, a strip at a time."""

import numpy as np
import pytest
import torch

from dfaseg.evaluation import confidence
from dfaseg.evaluation.calibration import count_calibration
from dfaseg.evaluation.confidence import count_confidence
from dfaseg.evaluation.windows import ImageLogits


def test_strips_count_what_the_whole_image_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probabilities are never all in memory, and no pixel is lost or counted twice."""
    logits = torch.from_numpy(np.random.default_rng(0).normal(0, 2, (3, 11, 6)))
    label = np.random.default_rng(1).integers(0, 3, (11, 6)).astype(np.uint8)
    label[4, 2] = 255
    whole = count_calibration(logits.softmax(dim=0).numpy(), label)
    monkeypatch.setattr(confidence, "_STRIP_PX", 12)

    counts = count_confidence(ImageLogits(logits), label)

    assert counts.pixels.sum() == 65
    assert np.array_equal(counts.pixels, whole.pixels)
    assert np.array_equal(counts.right, whole.right)
    assert counts.expected_error == pytest.approx(whole.expected_error)


def test_confidence_is_that_of_softmax() -> None:
    """Logits of 0 and ln 3 make the second class 75 % sure."""
    logits = torch.tensor([0.0, np.log(3)]).reshape(2, 1, 1)

    counts = count_confidence(ImageLogits(logits), np.array([[1]], np.uint8))

    (filled,) = [entry for entry in counts.bins() if entry.pixels]
    assert filled.confidence == pytest.approx(0.75)
    assert (filled.pixels, filled.accuracy) == (1, 1.0)
    assert filled.low < 0.75 <= filled.high
