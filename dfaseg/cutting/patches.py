"""The patches of a slide, written while the slide is decoded once from top to bottom."""

import logging
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from dfaseg.cutting.crew import Crew, num_processes, part_px
from dfaseg.cutting.crew_messages import CutOrder
from dfaseg.cutting.cut_state import CutState, CutTile
from dfaseg.cutting.job import CutPlan
from dfaseg.cutting.patch_writer import TileWriter
from dfaseg.errors import StoppedError
from dfaseg.files import explain
from dfaseg.slide.slide import Slide
from dfaseg.tiler.patch_jobs import do_patches
from dfaseg.tiler.row_parts import row_parts
from dfaseg.tiler.tile_rows import TileRows

log = logging.getLogger(__name__)

SECONDS_BETWEEN_SAVES = 30.0

Progress = Callable[[int, int], None]
"""Called with the number of tiles done and the number of all tiles."""


class PatchCutter:
    """Cuts the selected tiles of a slide into files.

    Args:
        slide: Open slide; stays open.
        cut: How it is cut.
        writer: What is made of each patch.
    """

    def __init__(self, slide: Slide, cut: CutPlan, writer: TileWriter) -> None:
        self._slide = slide
        self._cut = cut
        self._writer = writer

    def run(
        self,
        selected: NDArray[np.bool_],
        state: CutState,
        save_state: Callable[[CutState], None],
        progress: Progress,
        stop: threading.Event,
    ) -> CutState:
        """Cut all selected tiles from where a state says.

        Args:
            selected: Which tiles, shape ``(grid.num_rows, grid.num_cols)``.
            state: How far an earlier run came.
            save_state: Called now and then, at the end of a row of tiles.
            progress: Told how far the run is.
            stop: Set from elsewhere to stop at the end of the row of tiles under way.

        Raises:
            StoppedError: ``stop`` was set; the state is saved.
        """
        rows = TileRows(
            self._slide,
            self._cut.plan,
            self._cut.grid,
            selected,
            first_row=state.next_row,
            unreadable=state.unreadable,
        )
        tiles = list(state.tiles)
        total, row, last_save = int(selected.sum()), state.next_row, time.monotonic()
        progress(len(tiles), total)
        with closing(self._cut_tiles(rows)) as written:
            for tile in written:
                is_due = stop.is_set() or time.monotonic() - last_save > SECONDS_BETWEEN_SAVES
                if tile.row != row and is_due:
                    save_state(CutState(tile.row, tuple(tiles), rows.unreadable.reasons))
                    last_save = time.monotonic()
                    if stop.is_set():
                        raise self._stopped(len(tiles), total)
                row = tile.row
                tiles.append(tile)
                progress(len(tiles), total)
        return CutState(self._cut.grid.num_rows, tuple(tiles), rows.unreadable.reasons)

    def _cut_tiles(self, rows: TileRows) -> Generator[CutTile, None, None]:
        """Cut all tiles and tell what became of them, in grid order."""
        parts = row_parts(rows, part_px(rows, self._cut.num_workers))
        crew = self._crew(rows, parts)
        if crew is None:
            yield from do_patches(rows, self._writer, num_workers=self._cut.num_workers)
            return
        with crew:
            yield from crew.cut(rows, parts, self._writer)

    def _crew(self, rows: TileRows, parts: Sequence[range]) -> Crew | None:
        """Return processes that cut, where they are worth their start and can be had."""
        count = num_processes(rows, parts, self._cut.num_workers)
        if not count:
            return None
        try:
            return Crew(CutOrder.of(rows, self._cut.num_workers), count)
        except OSError as error:
            log.warning(
                "slide '%s': is cut by threads, no process can be started (%s)",
                self._cut.slide_id,
                explain(error),
            )
            return None

    def _stopped(self, done: int, total: int) -> StoppedError:
        return StoppedError(
            f"slide '{self._cut.slide_id}': stopped after {done} of {total} tiles; run the same"
            " command again to go on"
        )
