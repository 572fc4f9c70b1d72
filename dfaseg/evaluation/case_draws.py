"""Cases drawn again and again, for measures that are no function of a confusion matrix."""

from collections.abc import Sequence

import numpy as np

from dfaseg.evaluation.bootstrap import (
    DEFAULT_LEVEL,
    NUM_RESAMPLES,
    draw_weights,
    percentile_ends,
)
from dfaseg.evaluation.estimate import Estimate
from dfaseg.evaluation.records import FloatArray


class CaseDraws:
    """The same draws for every measure of an evaluation; see ``bootstrap_intervals``.

    Args:
        cases: What each image was taken from; images of one case are drawn together.
        seed: Origin of the draws.
    """

    def __init__(self, cases: Sequence[str], seed: int) -> None:
        names = list(dict.fromkeys(cases))
        self._place = np.array([names.index(case) for case in cases], np.int64)
        self._num_cases = len(names)
        draws = draw_weights(len(names), num_resamples=NUM_RESAMPLES, seed=seed) if names else ()
        self._weights = np.concatenate([*draws, np.zeros((0, len(names)))])

    def totals(self, sums: FloatArray) -> FloatArray:
        """Return what the images of each draw add up to.

        Args:
            sums: What each image adds, ``(images, ...)``.

        Returns:
            Shape ``(draws, ...)``.
        """
        by_case = np.zeros((self._num_cases, *sums.shape[1:]))
        np.add.at(by_case, self._place, sums)
        totals: FloatArray = np.tensordot(self._weights, by_case, axes=1)
        return totals

    def estimate(self, value: float, draws: FloatArray) -> Estimate:
        """Return a measure with the interval of its draws, ``(draws,)``; none for a single case."""
        if self._num_cases < 2 or not np.isfinite(value):
            return Estimate(value)
        low, high = percentile_ends(draws, DEFAULT_LEVEL)
        return Estimate(value, float(low), float(high))
