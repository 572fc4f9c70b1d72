"""A finished mask: its rows from top to bottom, and what it says of itself."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfaseg.errors import OutputError, StoppedError
from dfaseg.geometry import Rect
from dfaseg.stitcher.mask_reader import MaskReader, open_mask
from dfaseg.stitcher.shards import CHUNK_PX
from dfaseg.stitcher.store_errors import mapped_errors

Progress = Callable[[int, int], None]
"""Called with the number of rows done and the number of all rows."""


@dataclass(frozen=True, slots=True)
class MaskSource:
    """An opened mask.

    Attributes:
        path: Where it lies.
        reader: It.
        progress: Told at each strip how many of the rows that are wanted have been read.
        stop: Set from elsewhere to stop before the next strip.
    """

    path: Path
    reader: MaskReader
    progress: Progress
    stop: threading.Event

    def strips(
        self, level: int = 0, *, before: int = 0, total: int | None = None
    ) -> Iterator[NDArray[np.uint8]]:
        """Yield the rows of a level as strips of ``CHUNK_PX``, the last perhaps lower.

        Args:
            level: Step of the pyramid.
            before: Rows of other levels that are already done, for the progress.
            total: Rows of all levels that are wanted; those of this level if not given.

        Raises:
            OutputError: A chunk cannot be read.
            StoppedError: ``stop`` is set.
        """
        height, width = self.reader.shape(level)
        for top in range(0, height, CHUNK_PX):
            if self.stop.is_set():
                raise StoppedError(
                    f"mask '{self.path}': export stopped, nothing was written; run it again"
                )
            bottom = min(top + CHUNK_PX, height)
            with mapped_errors(self.path):
                rows = self.reader.read(level, Rect(0, top, width, bottom - top))
            # Told before: some consumers ask for no more than they know there is.
            self.progress(before + bottom, total or height)
            yield rows


def open_source(path: Path, progress: Progress, stop: threading.Event) -> MaskSource:
    """Open a mask that ``predict`` has finished.

    Raises:
        OutputError: There is none, or it is not finished.
    """
    reader = open_mask(path)
    if not reader.record:
        raise OutputError(
            f"mask '{path}': is not finished; run the command that writes it once more"
        )
    return MaskSource(path, reader, progress, stop)
