"""Processes that decode tiles side by side.

Threads that decode give up Python's lock while they do, but take it up again for every tile. With
eight of them or more, and others that shrink, trace and write, all wait for one another most of
the time (``docs/design/0016-work-on-the-gpu.md``). A process has a lock of its own.
"""

import queue
from collections.abc import Sequence
from pathlib import Path

from dfaseg.errors import SlideError
from dfaseg.side_process import SideProcess
from dfaseg.slide.slide import Slide
from dfaseg.tiler.decode_requests import DecodeRequest, OpenRequest, Reply
from dfaseg.tiler.plan import ReadPlan
from dfaseg.tiler.shared_memory import SharedPixels, can_share
from dfaseg.tiler.tile_jobs import Failures


class _Process:
    """One process, and the slide it has open."""

    def __init__(self) -> None:
        self._process = SideProcess("dfaseg.tiler.decode_worker")
        self._opened: OpenRequest | None = None

    def open(self, request: OpenRequest, memory: SharedPixels) -> Reply:
        """Open a slide, unless it is the one that is open."""
        if self._opened is request:
            return Reply()
        self._process.send(request)
        self._process.send_file(memory.fd)
        reply: Reply = self._process.receive()
        self._opened = None if reply.problem else request
        return reply

    def decode(self, request: DecodeRequest) -> Reply:
        """Decode tiles of the slide that is open."""
        self._process.send(request)
        reply: Reply = self._process.receive()
        return reply

    def close(self) -> None:
        """Let the process end, and wait for it."""
        self._process.close()


class DecodePool:
    """Processes that start at once, and serve one slide after another.

    Args:
        count: Number of processes.

    Raises:
        OSError: So many are not to be had; none is left.
    """

    def __init__(self, count: int) -> None:
        self._all: set[_Process] = set()
        try:
            while len(self._all) < count:
                self._all.add(_Process())
        except OSError:
            self.close()
            raise
        self._idle: queue.SimpleQueue[_Process] = queue.SimpleQueue()
        for process in self._all:
            self._idle.put(process)

    def __len__(self) -> int:
        return len(self._all)

    def serve(self, slide: Slide, plan: ReadPlan, memory: SharedPixels) -> "ServedTiles":
        """Return what decodes a slide's tiles into shared memory.

        Args:
            slide: One of which ``can_serve`` is true.
            plan: How it is read.
            memory: Shape ``(slots, places, tile_height, tile_width, 3)``.
        """
        info = slide.info
        request = OpenRequest(str(Path(info.location).absolute()), info.mpp, plan, memory.shape)
        return ServedTiles(self, info.slide_id, request, memory)

    def ask(self, opening: OpenRequest, memory: SharedPixels, request: DecodeRequest) -> Reply:
        """Let whichever process is free decode tiles of a slide; waits for one, and for its reply.

        Raises:
            EOFError, OSError: The process has ended; another takes its place.
        """
        process = self._idle.get()
        try:
            reply = process.open(opening, memory)
            if not reply.problem:
                reply = process.decode(request)
        except (EOFError, OSError):
            process = self._replace(process)
            raise
        finally:
            self._idle.put(process)
        return reply

    def close(self) -> None:
        """End all processes."""
        for process in self._all:
            process.close()

    def _replace(self, process: _Process) -> _Process:
        process.close()
        self._all.discard(process)
        fresh = _Process()
        self._all.add(fresh)
        return fresh


class ServedTiles:
    """Tiles of one slide, decoded by whichever process is free."""

    def __init__(
        self, pool: DecodePool, slide_id: str, opening: OpenRequest, memory: SharedPixels
    ) -> None:
        self._pool = pool
        self._slide_id = slide_id
        self._opening = opening
        self._memory = memory

    def decode(self, slot: int, first: int, cols: Sequence[int], row: int) -> Failures:
        """Decode tiles of one row into places of a slot; waits for them.

        Returns:
            Those that could not be decoded, and why; they are white.

        Raises:
            SlideError: The slide cannot be opened there, or the process has ended.
        """
        request = DecodeRequest(slot, first, tuple(cols), row)
        try:
            reply = self._pool.ask(self._opening, self._memory, request)
        except (EOFError, OSError) as error:
            raise SlideError(
                self._slide_id,
                "a process that decodes its tiles has ended, perhaps for lack of memory; run "
                "again, with fewer --workers",
            ) from error
        if reply.problem:
            raise SlideError(self._slide_id, f"cannot be decoded side by side: {reply.problem}")
        return reply.failures


def can_serve(slide: Slide) -> bool:
    """Tell whether other processes can decode a slide's tiles into memory of this one."""
    return can_share() and slide.info.is_local_file
