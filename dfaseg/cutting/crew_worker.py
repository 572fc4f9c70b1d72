"""A process that cuts parts of slides: ``python -m dfaseg.cutting.crew_worker SOCKET``.

It cuts for one slide after another and ends with the process that it works for. It imports no
torch, nor anything else that cutting can do without.
"""

import sys
from contextlib import suppress

import numpy as np

from dfaseg.allocator import collect_rarely
from dfaseg.cutting.crew_messages import CutOrder, CutPart, CutReply
from dfaseg.side_process import Master, end_with_parent, portable
from dfaseg.slide import open_slide
from dfaseg.slide.slide import Slide
from dfaseg.tiler.patch_jobs import do_patches
from dfaseg.tiler.tile_rows import TileRows


class _Worker:
    """Answers the messages of one master."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self._order: CutOrder | None = None
        self._slide: Slide | None = None

    def serve(self) -> None:
        """Cut until the master is gone."""
        with suppress(EOFError, OSError):
            while True:
                try:
                    message: CutOrder | CutPart | None = self._master.receive()
                except (EOFError, OSError):
                    raise
                except Exception as error:  # noqa: BLE001 - labels that cannot be opened any more
                    self._master.send(CutReply(error=portable(error)))
                    continue
                if isinstance(message, CutPart):
                    self._master.send(self._answer(message))
                else:
                    self._begin(message)

    def _begin(self, order: CutOrder | None) -> None:
        """Take an order, or let go of the slide of the last one."""
        if self._slide is not None:
            self._slide.close()
        self._order, self._slide = order, None

    def _answer(self, part: CutPart) -> CutReply:
        try:
            return self._cut(part)
        except Exception as error:  # noqa: BLE001 - raised again by the master
            return CutReply(error=portable(error))

    def _cut(self, part: CutPart) -> CutReply:
        order = self._order
        assert order is not None
        if self._slide is None:
            self._slide = open_slide(str(order.location), mpp=order.mpp, slide_id=order.slide_id)
        selected = np.zeros((order.grid.num_rows, order.grid.num_cols), np.bool_)
        selected[part.first_row :][: len(part.selected)] = part.selected
        rows = TileRows(self._slide, order.plan, order.grid, selected, unreadable=part.unreadable)
        tiles = tuple(do_patches(rows, part.writer, num_workers=order.num_threads))
        return CutReply(tiles, rows.unreadable.reasons)


def main() -> None:
    """Serve the socket whose number is the argument."""
    end_with_parent()
    collect_rarely()
    _Worker(Master(sys.argv[1])).serve()


if __name__ == "__main__":
    main()
