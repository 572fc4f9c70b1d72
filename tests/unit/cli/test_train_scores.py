"""What ``dfaseg train`` says at its end."""

from pathlib import Path

import numpy as np
import pytest

from dfaseg.cli.train import _say_scores
from dfaseg.evaluation.confusion import ConfusionMatrix
from dfaseg.evaluation.metrics import compute_scores
from dfaseg.training.loop import TrainResult


def test_class_that_the_test_split_lacks_is_called_absent(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As in the table of the run; "nan" tells a pathologist nothing."""
    confusion = ConfusionMatrix(2)
    confusion.update(np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8))
    scores = compute_scores(confusion)

    _say_scores(TrainResult(Path("m.safetensors"), 2, scores, scores), ("stroma", "tumour"))

    assert capsys.readouterr().out.splitlines()[1:] == [
        "macro Dice: val 1.0000, test 1.0000",
        "  stroma: test Dice 1.0000",
        "  tumour: test Dice absent",
    ]
