"""A prediction and its truth, compared a few rows at a time in flat memory."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dfaseg.analysed import analysed_pieces
from dfaseg.classmap import IGNORE_INDEX
from dfaseg.evaluation.align import Alignment, Frame
from dfaseg.evaluation.confusion import ConfusionMatrix

BAND_ROWS = 512
"""Rows held at a time: one row of the chunks of a mask store, so that each is decoded once."""
STRIP_PX = 1 << 22
"""Pixels given on at a time: what is measured may need many bytes for each."""
_COUNTED_PX = 1 << 20
"""Pixels counted at a time: NumPy's histogram makes 8 bytes of each."""

Labels = NDArray[np.uint8]
OnRows = Callable[[int, int], None]
"""Takes the rows done and the number of all rows."""


class LabelRows(Protocol):
    """Class indices of a slide, read from top to bottom."""

    def read_rows(self, top: int, bottom: int) -> Labels:
        """Return class indices, 255 where there is none, shape ``(bottom - top, width)``."""
        ...


class RowMeter(Protocol):
    """Counts or measures something while rows go by."""

    def add(self, label: Labels, mask: Labels) -> None:
        """Take the next rows of truth and prediction, ``(n, width)`` each."""
        ...


@dataclass(frozen=True, slots=True)
class OverlaidPair:
    """A truth and the prediction that lies over it.

    Attributes:
        truth: Read at its full resolution.
        truth_frame: Its size, in which all is compared.
        prediction: Read pixel by pixel where the truth's pixel centres lie.
        prediction_frame: Its size.
        alignment: How it lies.
    """

    truth: LabelRows
    truth_frame: Frame
    prediction: LabelRows
    prediction_frame: Frame
    alignment: Alignment

    def bands(self) -> Iterator[tuple[Labels, Labels]]:
        """Yield label and mask, both ``(n, width)`` in the truth's pixels, from top to bottom.

        The mask is 255 where the prediction does not reach.
        """
        height = self.truth_frame.height
        # A finer prediction has more rows for each of the truth's.
        step = max(1, int(BAND_ROWS / max(1.0, self.alignment.scale_y)))
        cols = self.alignment.columns(self.truth_frame.width)
        for top in range(0, height, step):
            bottom = min(top + step, height)
            label = self.truth.read_rows(top, bottom)
            yield label, self._read_mask(top, bottom, cols)

    def _read_mask(self, top: int, bottom: int, cols: NDArray[np.intp]) -> Labels:
        if self.alignment.is_identity:
            return self.prediction.read_rows(top, bottom)
        rows = self.alignment.rows(top, bottom)
        mask = np.full((rows.size, cols.size), IGNORE_INDEX, np.uint8)
        # Indices rise, so those inside are a range.
        in_rows = _range_inside(rows, self.prediction_frame.height)
        in_cols = _range_inside(cols, self.prediction_frame.width)
        rows, cols = rows[in_rows], cols[in_cols]
        if rows.size and cols.size:
            found = self.prediction.read_rows(int(rows[0]), int(rows[-1]) + 1)
            mask[in_rows, in_cols] = found[rows - rows[0]][:, cols]
        return mask


class PixelCounter:
    """Counts the pixels of a slide by class; see ``RowMeter``.

    Attributes:
        confusion: Pixels that both truth and prediction have a class for.
        left_out: Pixels of each class of the truth that the prediction did not analyse, int64
            ``(k,)``; no score counts them.
    """

    def __init__(self, num_classes: int) -> None:
        self.confusion = ConfusionMatrix(num_classes)
        self.left_out: NDArray[np.int64] = np.zeros(num_classes, np.int64)

    def add(self, label: Labels, mask: Labels) -> None:
        """Count rows."""
        for first, end in analysed_pieces(label, mask):
            self._count(label[:, first:end].reshape(-1), mask[:, first:end].reshape(-1))

    def _count(self, label: Labels, mask: Labels) -> None:
        for first in range(0, label.size, _COUNTED_PX):
            truth, predicted = label[first : first + _COUNTED_PX], mask[first : first + _COUNTED_PX]
            self.confusion.update(truth, predicted)
            missed = truth[predicted == IGNORE_INDEX]
            counts = np.bincount(missed, minlength=IGNORE_INDEX + 1)
            self.left_out += counts[: self.left_out.size]


def scan(pair: OverlaidPair, meters: Iterable[RowMeter], on_rows: OnRows | None = None) -> None:
    """Give all rows of a pair to those who count and measure.

    Args:
        pair: What is compared.
        meters: Each gets all rows, from top to bottom.
        on_rows: Told after every band how far it is.

    Raises:
        DfasegError: A part of a file cannot be read.
    """
    meters, done = tuple(meters), 0
    step = max(1, STRIP_PX // pair.truth_frame.width)
    for label, mask in pair.bands():
        for top in range(0, len(label), step):
            for meter in meters:
                meter.add(label[top : top + step], mask[top : top + step])
        done += len(label)
        if on_rows:
            on_rows(done, pair.truth_frame.height)


def _range_inside(index: NDArray[np.intp], length: int) -> slice:
    first, end = np.searchsorted(index, [0, length])
    return slice(int(first), int(end))
