"""How sure a network is of each pixel, held against the truth."""

from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from dfaseg.evaluation.calibration import CalibrationCounts, count_calibration
from dfaseg.evaluation.windows import ImageLogits

_STRIP_PX = 1 << 20
"""Pixels whose probabilities are in memory at a time."""


def count_confidence(logits: ImageLogits, label: NDArray[np.uint8]) -> CalibrationCounts:
    """Sort the pixels of an image by the probability of the class they were given.

    Args:
        logits: What the network says of the image.
        label: True class indices, uint8 ``(h, w)``, 255 = ignore.
    """
    height, width = label.shape
    step = max(1, _STRIP_PX // width)
    strips = (
        count_calibration(logits.probabilities(top, top + step), label[top : top + step])
        for top in range(0, height, step)
    )
    return reduce(add, strips)
