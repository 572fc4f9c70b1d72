"""A slide through the network: the one place where the whole way of the data can be read.

    slide → rows at the model's resolution → patches → logits → blended band → mask rows
          → Zarr shards and pyramid, polygons, areas

Nothing of the slide's height is ever held. At the end of a row of tiles the run can be stopped:
what the parts still hold is saved, and a later run with the same recipe goes on from there and
ends with the same bytes.
"""

import logging
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dfaseg.allocator import give_back_freed_memory
from dfaseg.annotation.geojson import compress_geojson
from dfaseg.errors import DfasegError, StoppedError
from dfaseg.inference.job import Job
from dfaseg.inference.parked import clear
from dfaseg.inference.places import Patches, host_results, make_labeller, open_patches
from dfaseg.inference.report import PredictResult, write_pictures_and_areas, write_record
from dfaseg.inference.results.host import Findings
from dfaseg.inference.results.orders import order_results
from dfaseg.inference.sink import ResultSink
from dfaseg.inference.spec import PredictSpec
from dfaseg.inference.state import (
    SavedState,
    State,
    has_recipe,
    joined,
    load_state,
    part_of,
    save_recipe,
    save_state,
)
from dfaseg.inference.workshop import Workshop
from dfaseg.limits import cpu_seconds, peak_memory_bytes
from dfaseg.model.network import Network
from dfaseg.slide import Slide
from dfaseg.stitcher.canvas import Canvas, by_row
from dfaseg.tiler.second_look import is_repaired
from dfaseg.tiler.stream import PatchBatch

log = logging.getLogger(__name__)

BATCHES_IN_FLIGHT = 2
"""Batches that go through the network while one is stitched: no core waits at a batch's end."""

Progress = Callable[[int, int], None]
"""Called with the number of patches done and the number of all patches."""
Guard = Callable[[], None]
"""Raises ClaimLostError where another process has taken the slide over."""


@dataclass(frozen=True, slots=True)
class PreparedSlide:
    """An open slide and what is planned for it; who has it closes it.

    Attributes:
        slide: The open slide.
        job: What is planned.
        workshop: Where results are made.
        copy: Folder on a scratch disk that holds the slide; None where it is read where it was.
    """

    slide: Slide
    job: Job
    workshop: Workshop
    copy: Path | None = None

    def close(self) -> None:
        """Close the slide, and remove the copy."""
        self.slide.close()
        if self.copy is not None:
            shutil.rmtree(self.copy, ignore_errors=True)


class PredictRun:
    """The parts of one run and the loop that moves data through them.

    Args:
        prepared: Open slide and what was planned for it; stays open.
        network: Loaded network.
        spec: What the user asked for.
        guard: Asked before a state is saved.
    """

    def __init__(
        self, prepared: PreparedSlide, network: Network, spec: PredictSpec, guard: Guard
    ) -> None:
        slide, job = prepared.slide, prepared.job
        self._slide = slide
        self._network = network
        self._job = job
        self._spec = spec
        self._workshop = prepared.workshop
        self._guard = guard
        self._paths = prepared.workshop.work
        self._unreadable: dict[tuple[int, int], str] = {}
        self._last_save = time.monotonic()
        num_classes, stride = len(network.card.classes), network.logit_stride
        self._canvas = Canvas(num_classes, job.grid, stride, spec.blend, network.device)
        orders = order_results(slide.info, network, job, spec, self._paths)
        results = host_results(orders, job, network)
        self._sink = ResultSink(make_labeller(network, job.plan), job.tissue, results)
        self._findings: Findings | None = None
        self._first_row = 0

    def begin(self) -> None:
        """Start anew, whatever the hidden folder holds."""
        clear(self._paths.partial)
        save_recipe(self._paths.partial, self._job.recipe)
        self._sink.begin()

    def saved_state(self) -> SavedState | None:
        """Return what an equal run has left behind; None where there is none to go on with."""
        partial = self._paths.partial
        return load_state(partial) if has_recipe(partial, self._job.recipe) else None

    def restore(self, state: SavedState) -> bool:
        """Go on where an equal run was stopped; tell whether that was possible.

        Raises:
            SlideError: The slide failed in a way that is not bound to single tiles.
        """
        with ExitStack() as undo:
            undo.callback(self._sink.close)
            if not self._fits(state):
                return False
            undo.pop_all()
        log.info("going on from row %d of %d", self._first_row + 1, self._job.grid.num_rows)
        return True

    def _fits(self, state: SavedState) -> bool:
        """Take a state up; tell whether it is whole and of the slide as it is now."""
        try:
            self._canvas.restore(part_of(state, "canvas"))
            self._sink.restore(part_of(state, "sink"))
            self._unreadable = _unreadable_from(part_of(state, "unreadable"))
            self._first_row = int(state["next_row"])
        except (DfasegError, KeyError, ValueError) as error:
            log.warning("what the stopped run left is damaged (%s); starting anew", error)
            return False
        if is_repaired(self._slide, self._job.plan, list(self._unreadable)):
            log.warning(
                "slide '%s': tiles that could not be decoded before can be now; starting anew",
                self._slide.info.slide_id,
            )
            return False
        return True

    def go(self, progress: Progress, stop: threading.Event) -> None:
        """Move all patches through, after ``begin`` or ``restore``."""
        job, first_row = self._job, self._first_row
        job.picture.forget_whole()
        if job.tissue.is_empty:
            log.warning("slide '%s': %s", self._slide.info.slide_id, job.tissue.note)
        with self._sink as sink:
            stream = open_patches(self._slide, job, self._network, first_row, self._unreadable)
            done, row = int(job.selected[:first_row].sum()), first_row
            progress(done, job.num_tiles)
            self._network.expect(job.num_tiles - done, job.grid.patch_px)
            for batch, logits in self._logits(stream):
                for tiles, tile_logits in by_row(batch.tiles, logits):
                    if tiles[0].row != row:
                        row = tiles[0].row
                        self._release(sink, tiles[0].mask_rect.y, stream)
                        self._save_if_due(sink, stream, row, stop)
                    self._canvas.add(tiles, tile_logits)
                done += len(batch.tiles)
                progress(done, job.num_tiles)
            self._release(sink, job.plan.height, stream)
            self._unreadable = stream.unreadable
            self._network.settle()
            self._findings = sink.finish()

    def report(self, started: float) -> PredictResult:
        """Write what is made from finished results: pictures, areas, record.

        Args:
            started: ``time.monotonic()`` when the call began.
        """
        info, network, job, paths = self._slide.info, self._network, self._job, self._paths
        assert self._findings is not None
        found = self._findings.by_name
        areas = found["areas"]
        # Pictures of a tall slide are large; they take the place of what the loop has left.
        give_back_freed_memory()
        write_pictures_and_areas(info, network, job, areas, found["mask"], self._unreadable, paths)
        if paths.polygons.suffix == ".gz":
            compress_geojson(paths.polygons_text, paths.made(paths.polygons))
        result = PredictResult(
            slide_id=self._slide.info.slide_id,
            places=self._workshop.outputs,
            areas=areas,
            num_tiles=job.num_tiles,
            num_polygons=found["polygons"],
            num_unreadable=len(self._unreadable),
            note=job.tissue.note,
            seconds=time.monotonic() - started,
            cpu_seconds=cpu_seconds() + self._findings.cpu_seconds,
            peak_memory_bytes=peak_memory_bytes() + self._findings.peak_bytes,
        )
        write_record(info, network, job, self._spec, result, self._unreadable, paths)
        return replace(result, num_bytes=paths.size_bytes())

    def _release(self, sink: ResultSink, until_px: int, stream: Patches) -> None:
        """Hand on the rows that no later tile can touch."""
        for rows in self._canvas.drain(until_px):
            # Half a cell of the row before may still wait to be upsampled.
            first_px = (rows.first_row - 1) * self._network.logit_stride
            sink.add(rows, stream.unreadable_below(first_px))

    def _save_if_due(
        self, sink: ResultSink, stream: Patches, next_row: int, stop: threading.Event
    ) -> None:
        """Save the state now and then; between two rows of tiles all parts agree.

        Raises:
            StoppedError: ``stop`` is set; the state is saved.
        """
        is_due = time.monotonic() - self._last_save >= self._spec.checkpoint_seconds
        if not (is_due or stop.is_set()):
            return
        self._guard()
        self._network.settle()
        state: State = {"next_row": np.array(next_row)}
        state |= joined(
            {
                "canvas": self._canvas.state(),
                "sink": sink.state(),
                "unreadable": _unreadable_state(stream.unreadable),
            }
        )
        save_state(self._paths.partial, state)
        self._workshop.park()
        self._last_save = time.monotonic()
        if stop.is_set():
            raise StoppedError(
                f"slide '{self._slide.info.slide_id}': stopped at row {next_row} of "
                f"{self._job.grid.num_rows}; run the same command again to go on"
            )

    def _logits(self, batches: Patches) -> Iterator[tuple[PatchBatch[Any], Tensor]]:
        """Run the network over all batches, a few ahead of the one that is stitched."""
        pending: deque[tuple[PatchBatch[Any], Callable[[], Tensor]]] = deque()
        for batch in batches:
            patches = torch.as_tensor(batch.pixels, device=self._network.device)
            pending.append((batch, self._network.start(patches)))
            if len(pending) > BATCHES_IN_FLIGHT:
                batch_before, finish = pending.popleft()
                yield batch_before, finish()
        for last_batch, finish in pending:
            yield last_batch, finish()


def _unreadable_state(unreadable: dict[tuple[int, int], str]) -> State:
    tiles = np.array(list(unreadable), np.int64).reshape(-1, 2)
    return {"tiles": tiles, "problems": np.array(list(unreadable.values()), np.str_)}


def _unreadable_from(state: SavedState) -> dict[tuple[int, int], str]:
    tiles = [(int(col), int(row)) for col, row in np.asarray(state["tiles"], np.int64)]
    return dict(zip(tiles, map(str, state["problems"]), strict=True))
