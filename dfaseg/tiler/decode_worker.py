"""A process that decodes tiles for another: ``python -m dfaseg.tiler.decode_worker SOCKET``.

It reads requests from the socket it was born with and ends when that is closed. It imports neither
torch nor anything else that decoding can do without.
"""

import os
import sys
from contextlib import suppress

from dfaseg.errors import DfasegError
from dfaseg.files import explain
from dfaseg.side_process import Master
from dfaseg.slide import open_slide
from dfaseg.slide.slide import Slide
from dfaseg.tiler.decode_requests import DecodeRequest, OpenRequest, Reply
from dfaseg.tiler.rows import TileReader, tile_reader
from dfaseg.tiler.shared_memory import SharedPixels
from dfaseg.tiler.tile_jobs import decode_tiles

_NICENESS = 5
"""Behind the process that is served: what it does in Python, everything else waits for."""


class _Worker:
    """Answers requests about one slide at a time."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self._slide: Slide | None = None
        self._memory: SharedPixels | None = None
        self._read_tile: TileReader | None = None

    def serve(self) -> None:
        """Answer until the other side is gone."""
        with suppress(EOFError, ConnectionError):
            while True:
                self._master.send(self._answer(self._master.receive()))

    def _answer(self, request: OpenRequest | DecodeRequest) -> Reply:
        try:
            if isinstance(request, OpenRequest):
                return self._open(request)
            return self._decode(request)
        except DfasegError as error:
            return Reply(problem=str(error))
        except OSError as error:
            return Reply(problem=explain(error))

    def _open(self, request: OpenRequest) -> Reply:
        fd = self._master.receive_file()
        self._close()
        self._memory = SharedPixels(fd, request.shape)
        self._slide = open_slide(request.location, mpp=request.mpp)
        self._read_tile = tile_reader(self._slide, request.plan)
        return Reply()

    def _decode(self, request: DecodeRequest) -> Reply:
        assert self._memory is not None
        assert self._read_tile is not None
        places = self._memory.pixels[request.slot, request.first :]
        return Reply(decode_tiles(self._read_tile, request.cols, request.row, places))

    def _close(self) -> None:
        if self._slide is not None:
            self._slide.close()
        if self._memory is not None:
            self._memory.close()
        self._slide = self._memory = self._read_tile = None


def main() -> None:
    """Serve the socket whose number is the argument."""
    os.nice(_NICENESS)
    _Worker(Master(sys.argv[1])).serve()


if __name__ == "__main__":
    main()
