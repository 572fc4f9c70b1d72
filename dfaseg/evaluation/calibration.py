"""Whether a network is as often right as it is sure: calibration counts that add up."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.errors import ConfigError
from dfaseg.evaluation.records import CountArray, FloatArray, ratio, to_number, to_plain

NUM_BINS = 15
"""Bins of equal width between 0 and 1, as in Guo et al. 2017 (arXiv:1706.04599)."""


@dataclass(frozen=True, slots=True)
class Bin:
    """One row of the reliability table.

    Attributes:
        low: Confidence above which its pixels lie.
        high: Confidence up to which they lie.
        pixels: How many there are.
        confidence: Their mean confidence; NaN for an empty bin.
        accuracy: Share of them that is right; NaN for an empty bin.
    """

    low: float
    high: float
    pixels: int
    confidence: float
    accuracy: float

    def to_record(self) -> dict[str, Any]:
        """Return a plain table for JSON."""
        return {
            "low": self.low, "high": self.high, "pixels": self.pixels,
            "confidence": to_number(self.confidence), "accuracy": to_number(self.accuracy),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class CalibrationCounts:
    """Pixels by confidence, that is by the probability of the class they were given.

    Attributes:
        pixels: Pixels in each bin, int64 ``(bins,)``.
        right: Those whose class is the true one, int64 ``(bins,)``.
        confidence: Sum of their confidences, float64 ``(bins,)``.
    """

    pixels: CountArray
    right: CountArray
    confidence: FloatArray

    def __post_init__(self) -> None:
        if not self.pixels.shape == self.right.shape == self.confidence.shape:
            raise ConfigError("calibration: the bins of pixels, right and confidence must agree")

    def __add__(self, other: "CalibrationCounts") -> "CalibrationCounts":
        """Return the counts of both parts together."""
        if self.pixels.shape != other.pixels.shape:
            raise ConfigError("calibration: different numbers of bins cannot be added")
        return CalibrationCounts(
            self.pixels + other.pixels,
            self.right + other.right,
            self.confidence + other.confidence,
        )

    @property
    def accuracy_by_bin(self) -> FloatArray:
        """Share of right pixels in each bin, NaN where a bin is empty."""
        return ratio(self.right, self.pixels)

    @property
    def confidence_by_bin(self) -> FloatArray:
        """Mean confidence in each bin, NaN where a bin is empty."""
        return ratio(self.confidence, self.pixels)

    @property
    def expected_error(self) -> float:
        """Expected calibration error (ECE), 0 to 1; NaN without a pixel.

        Mean over the pixels of |accuracy − confidence| of their bin: sum over bins of
        ``|right − confidence| / all pixels``.
        """
        total = int(self.pixels.sum())
        gaps = np.abs(self.right - self.confidence).sum()
        return float(gaps / total) if total else float("nan")

    @property
    def mean_confidence(self) -> float:
        """Mean confidence of all pixels, NaN without one."""
        return float(ratio(self.confidence.sum(), self.pixels.sum()))

    @property
    def accuracy(self) -> float:
        """Share of right pixels, NaN without one."""
        return float(ratio(self.right.sum(), self.pixels.sum()))

    def bins(self) -> list["Bin"]:
        """Return what each bin holds, from the least sure pixels to the surest."""
        edges = np.linspace(0, 1, len(self.pixels) + 1)
        parts = zip(
            edges[:-1], edges[1:], self.pixels, self.confidence_by_bin, self.accuracy_by_bin,
            strict=True,
        )  # fmt: skip
        return [
            Bin(float(low), float(high), int(pixels), float(sure), float(right))
            for low, high, pixels, sure, right in parts
        ]

    def summary_record(self) -> dict[str, Any]:
        """Return what follows from the counts as a plain table for JSON, for people to read."""
        return {
            "expected_error": to_number(self.expected_error),
            "mean_confidence": to_number(self.mean_confidence),
            "accuracy": to_number(self.accuracy),
            "bins": [entry.to_record() for entry in self.bins()],
        }

    def to_record(self) -> dict[str, Any]:
        """Return a plain table for JSON that ``from_record`` reads back."""
        return {
            "pixels": to_plain(self.pixels),
            "right": to_plain(self.right),
            "confidence": to_plain(self.confidence),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "CalibrationCounts":
        """Read what ``to_record`` made."""
        return cls(
            np.array(record["pixels"], np.int64),
            np.array(record["right"], np.int64),
            np.array(record["confidence"], np.float64),
        )


def count_calibration(
    probabilities: NDArray[np.floating[Any]], label: NDArray[np.uint8], *, num_bins: int = NUM_BINS
) -> CalibrationCounts:
    """Sort the pixels of one image or part of it by confidence.

    Counts of parts add up to those of the whole. A confidence on the border of two bins belongs to
    the lower one, as in Guo et al. 2017.

    Args:
        probabilities: Of each class, ``(k, ...)``, summing to one over the first axis.
        label: True class indices, uint8 ``(...)``, 255 = ignore.
        num_bins: Bins of equal width.

    Raises:
        ConfigError: The shapes do not fit, or a value is no probability.
    """
    if probabilities.shape[1:] != label.shape:
        raise ConfigError(
            f"probabilities {probabilities.shape} and label {label.shape}: all axes but the first "
            "must be equal"
        )
    counted = label != IGNORE_INDEX
    confidence = probabilities.max(axis=0)[counted].astype(np.float64)
    # A sum of many small floats may exceed one by a rounding error, never by a thousandth.
    if not np.all((confidence >= 0) & (confidence <= 1.001)):
        raise ConfigError("probabilities: a value is not between 0 and 1; apply softmax to logits")
    is_right = probabilities.argmax(axis=0)[counted] == label[counted]
    places = np.clip(np.ceil(confidence * num_bins).astype(np.int64) - 1, 0, num_bins - 1)
    return CalibrationCounts(
        np.bincount(places, minlength=num_bins),
        np.bincount(places[is_right], minlength=num_bins),
        np.bincount(places, weights=confidence, minlength=num_bins).astype(np.float64),
    )
