"""Where finished rows go: to labels, in a thread beside the network's, and on to the results."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.geometry import Rect
from dfaseg.inference.labelling import Labeller, MaskRows
from dfaseg.inference.results.host import Findings, ResultHost
from dfaseg.inference.state import SavedState, State, joined, part_of
from dfaseg.inference.worker import Worker
from dfaseg.stitcher.canvas import ReleasedRows
from dfaseg.tiler.tissue import TissueMask


class ResultSink:
    """Turns blended logits into mask rows and hands them to the results.

    Labels are made in one thread, in order.

    Args:
        labeller: Makes mask rows of logits.
        tissue: Part of the slide that is analysed; all else becomes 255.
        results: Where mask rows go.
    """

    def __init__(self, labeller: Labeller, tissue: TissueMask, results: ResultHost) -> None:
        self._labeller = labeller
        self._tissue = tissue
        self._results = results
        self._labels = Worker("labels", labeller.releases_ahead)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the work and let go of open files; what ``state`` returned still holds."""
        # The one that hands out work ends before those that it may be waiting for.
        self._labels.close()
        self._results.close()

    def begin(self) -> None:
        """Start all results anew; the first patches are decoded meanwhile."""
        self._results.begin()

    def add(self, rows: ReleasedRows, unreadable: Sequence[Rect]) -> None:
        """Take the next rows of blended logits; waits while too many are under way.

        Args:
            rows: Rows of cells, from top to bottom without gaps.
            unreadable: Mask pixels whose native tile could not be decoded; complete for the
                mask rows that these cells finish.
        """
        self._labels.submit(self._process, self._labeller.begin(rows), tuple(unreadable))

    def finish(self) -> Findings:
        """Complete all results after the last row."""
        self._labels.drain()
        return self._results.finish()

    def state(self) -> State:
        """Return what a later run needs to go on from here."""
        self._labels.drain()
        return joined({"labels": self._labeller.state()}) | self._results.state()

    def restore(self, state: SavedState) -> None:
        """Go on from what ``state`` returned.

        Raises:
            DfasegError: What lies on disk does not fit the state.
        """
        self._labeller.restore(part_of(state, "labels"))
        self._results.restore(state)

    def _process(self, finish: Callable[[], MaskRows], unreadable: tuple[Rect, ...]) -> None:
        y, mask_rows = finish()
        if len(mask_rows) == 0:
            return
        height, width = mask_rows.shape
        _leave_out_glass(mask_rows, y, self._tissue)
        here = Rect(0, y, width, height)
        for rect in unreadable:
            mask_rows[rect.intersection(here).shifted(0, -y).slices] = IGNORE_INDEX
        self._results.write_rows(mask_rows)


def _leave_out_glass(mask_rows: NDArray[np.uint8], y: int, tissue: TissueMask) -> None:
    """Set what is not tissue to 255, in place; the first row is mask row ``y``."""
    height, width = mask_rows.shape
    for row in range(y // tissue.factor, -(-(y + height) // tissue.factor)):
        glass = np.where(tissue.mask[row], 0, IGNORE_INDEX).astype(np.uint8)
        top = max(0, row * tissue.factor - y)
        rows = mask_rows[top : (row + 1) * tissue.factor - y]
        # All bits of 255 are set.
        np.bitwise_or(rows, np.repeat(glass, tissue.factor)[:width], out=rows)
