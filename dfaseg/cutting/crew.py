"""Processes that cut parts of one slide side by side.

Threads that decode and encode need Python's lock for a tenth of their time: two wait for each other
now and then, and a dozen most of the time. A process has a lock of its own.
"""

import queue
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType
from typing import Self

from dfaseg.cutting.crew_messages import CutOrder, CutPart, CutReply
from dfaseg.cutting.cut_state import CutTile
from dfaseg.cutting.patch_writer import TileWriter
from dfaseg.errors import SlideError
from dfaseg.side_pool import ProcessPool
from dfaseg.side_process import SideProcess
from dfaseg.tiler.tile_rows import TileRows

MAX_PROCESSES = 16
"""Beyond, each has several threads: a process takes a tenth of a gigabyte."""
LEAST_WORKERS = 5
"""Up to four threads wait little for each other's lock: less than processes take to start."""
PX_PER_PROCESS = 2**29
"""Pixels of patches that are worth the start of a process."""
LEAST_PX_PER_PART, _MOST_PX_PER_PART = 2**22, 2**26
_PARTS_EACH = 8
"""Parts per worker, so that all have about as much to do."""
_MOST_UNEVEN = 1.1
"""How much longer the parts at hand may take than even ones."""
_PARTS_AHEAD = 2
"""Parts per process that are under way or done and not asked for."""


class CrewPool(ProcessPool):
    """Processes that cut, kept from slide to slide."""

    def __init__(self, program: str) -> None:
        super().__init__(program, {"MALLOC_ARENA_MAX": "2"})
        self._num_px = 0

    def worth(self, num_px: int) -> int:
        """Return how many pay, with so many pixels of patches to cut besides all so far."""
        self._num_px += num_px
        return self._num_px // PX_PER_PROCESS


processes = CrewPool("dfaseg.cutting.crew_worker")
"""Those of this process; they end with it."""


def part_px(rows: TileRows, num_workers: int) -> int:
    """Return the pixels of patches in a part: several for each worker, each worth handing over."""
    num_px = int(rows.selected.sum()) * rows.grid.patch_px**2
    return min(_MOST_PX_PER_PART, max(LEAST_PX_PER_PART, num_px // (_PARTS_EACH * num_workers)))


def num_processes(rows: TileRows, parts: Sequence[range], num_workers: int) -> int:
    """Return how many processes are worth their start for the parts of a slide.

    None where threads do as well: few cores, little to do, parts too few or too uneven to go
    round, or a slide that no other process can open.

    Args:
        rows: All tiles.
        parts: Rows of the grid that can be cut apart, see ``row_parts``.
        num_workers: Threads in all.
    """
    if num_workers < LEAST_WORKERS or not rows.slide.info.is_local_file:
        return 0
    sizes = [int(rows.selected[part.start : part.stop].sum()) for part in parts]
    worth = processes.worth(sum(sizes) * rows.grid.patch_px**2)
    for count in range(min(num_workers, MAX_PROCESSES, worth), 1, -1):
        if _largest_share(sizes, count) * count <= _MOST_UNEVEN * sum(sizes):
            return count
    return 0


def _largest_share(sizes: Sequence[int], count: int) -> int:
    """Return what the busiest has to do where each takes the next part when it is free."""
    shares = [0] * count
    for size in sizes:
        shares[shares.index(min(shares))] += size
    return max(shares)


class Crew:
    """Processes at work on one slide; if all goes well they are kept for the next.

    Args:
        order: What is cut; its threads are shared out among them.
        count: How many there are.

    Raises:
        OSError: Not so many are to be had.
    """

    def __init__(self, order: CutOrder, count: int) -> None:
        self._slide_id = order.slide_id
        self._all: list[SideProcess] = []
        self._idle: queue.SimpleQueue[SideProcess] = queue.SimpleQueue()
        each, more = divmod(order.num_threads, count)
        try:
            for number in range(count):
                self._all.append(processes.take())
                self._all[-1].send(replace(order, num_threads=each + (number < more)))
                self._idle.put(self._all[-1])
        except OSError:
            self._disband(is_well=False)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._disband(is_well=error is None)

    def cut(
        self, rows: TileRows, parts: Sequence[range], writer: TileWriter
    ) -> Generator[CutTile, None, None]:
        """Cut the parts of a slide, and yield what became of the tiles in grid order.

        Leaving the iteration early ends the processes in the middle of their work.

        Args:
            rows: The tiles; native tiles that cannot be decoded are noted there.
            parts: Rows of the grid that can be cut apart, see ``row_parts``.
            writer: What is made of each patch.

        Raises:
            SlideError: The slide failed in a way that is not bound to single tiles, or a process
                has ended.
            DfasegError: A label cannot be read.
            OutputError: A patch cannot be written.
        """
        known = rows.unreadable.reasons
        pending: deque[Future[CutReply]] = deque()

        def finished(most_left: int) -> Generator[CutTile, None, None]:
            while len(pending) > most_left:
                reply = pending.popleft().result()
                rows.unreadable.note(reply.unreadable)
                yield from reply.tiles

        with ThreadPoolExecutor(len(self._all), thread_name_prefix="crew") as executor:
            try:
                for part in parts:
                    yield from finished(_PARTS_AHEAD * len(self._all) - 1)
                    selected = rows.selected[part.start : part.stop]
                    top = rows.grid.tile(part.start, 0).mask_rect.y
                    bottom = rows.grid.tile(part.stop - 1, 0).mask_rect.bottom
                    todo = CutPart(part.start, selected, known, writer.within(top, bottom))
                    pending.append(executor.submit(self._ask, todo))
                yield from finished(0)
            except BaseException:
                for future in pending:
                    future.cancel()
                # Only then do the threads end that wait for them.
                for process in self._all:
                    process.stop()
                raise

    def _ask(self, part: CutPart) -> CutReply:
        """Let whichever process is free cut a part; waits for one, and for its reply."""
        process = self._idle.get()
        try:
            process.send(part)
            reply: CutReply = process.receive()
        except (EOFError, OSError) as error:
            raise SlideError(
                self._slide_id,
                "a process that cuts it has ended, perhaps for lack of memory; run the same "
                "command again to go on, with fewer --workers",
            ) from error
        finally:
            self._idle.put(process)
        if reply.error is not None:
            raise reply.error
        return reply

    def _disband(self, *, is_well: bool) -> None:
        for process in self._all:
            try:
                process.send(None)
            except OSError:
                is_well = False
            if is_well:
                processes.give_back(process)
            else:
                processes.give_up(process)
