"""How a network runs on a GPU: recorded, within the memory there is, and without waiting."""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dfaseg.model.device import is_out_of_memory
from dfaseg.model.gpu_graph import GraphedRun

log = logging.getLogger(__name__)

Run = Callable[[Tensor], Tensor]


class MemoryBound:
    """Runs batches in parts once the device had no memory for a whole one.

    Args:
        run: Maps patches to logits; raises what ``is_out_of_memory`` knows.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._most: int | None = None

    def __call__(self, patches: Tensor) -> Tensor:
        """Return the logits of patches; a batch that does not fit is halved, and so are all later.

        Raises:
            RuntimeError: There is no memory for one patch.
        """
        while True:
            size = min(len(patches), self._most or len(patches))
            try:
                parts = [self._run(part) for part in torch.split(patches, size)]
            except RuntimeError as error:
                if size == 1 or not is_out_of_memory(error):
                    raise
            else:
                return parts[0] if len(parts) == 1 else torch.cat(parts)
            self._most = size // 2
            log.warning(
                "device '%s': no memory for %d patches at once, going on with %d",
                patches.device, size, self._most,
            )  # fmt: skip
            torch.cuda.empty_cache()


@dataclass(frozen=True, slots=True)
class _Flags:
    """Which patches of a batch have finite logits, on their way to the host."""

    is_finite: Tensor
    arrived: torch.cuda.Event | None


class FiniteWatch:
    """Finds logits that are not finite, some batches later, so that nobody waits for a device."""

    def __init__(self) -> None:
        self._pending: deque[_Flags] = deque()

    def add(self, logits: Tensor) -> None:
        """Begin to look at the logits of a batch, ``(n, k, h, w)``."""
        flags = logits.isfinite().flatten(1).all(dim=1)  # (n,)
        if logits.device.type == "cpu":
            self._pending.append(_Flags(flags, None))
            return
        on_host = torch.empty(flags.shape, dtype=flags.dtype, pin_memory=True)
        on_host.copy_(flags, non_blocking=True)
        arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch has no type for it
        arrived.record(torch.cuda.current_stream(logits.device))
        self._pending.append(_Flags(on_host, arrived))

    def take(self, *, wait: bool) -> list[Tensor]:
        """Return the flags ``(n,)`` of the batches that are known, or of all after waiting."""
        known = []
        while self._pending:
            flags = self._pending[0]
            if flags.arrived is not None:
                if wait:
                    flags.arrived.synchronize()
                elif not flags.arrived.query():  # type: ignore[no-untyped-call]  # nor for this
                    break
            known.append(self._pending.popleft().is_finite)
        return known


class GpuRunner:
    """Starts a network on a GPU.

    Args:
        run: Maps patches to logits on their GPU, without waiting for it.
        is_recorded: Whether kernels may be recorded; a network that was not made here may do
            what cannot be.
    """

    def __init__(self, run: Run, *, is_recorded: bool) -> None:
        self._run = MemoryBound(GraphedRun(run) if is_recorded else run)
        self._fitting: dict[tuple[int, int], int] = {}
        self.watch = FiniteWatch()

    def start(self, patches: Tensor) -> Tensor:
        """Return logits that are still being computed; their values go to the watch."""
        logits = self._run(patches)
        self.watch.add(logits)
        return logits

    def batch_that_fits(self, device: torch.device, side: int, wanted: int) -> int:
        """Return how many patches to try at first, see ``patches_that_fit``; always the same.

        What a network has run in is not free for the system, but is for the next slide. Another
        size of batch would be recorded anew, in memory of its own.
        """
        if (side, wanted) not in self._fitting:
            self._fitting[side, wanted] = patches_that_fit(device, side, wanted)
        return self._fitting[side, wanted]


def patches_that_fit(device: torch.device, side: int, wanted: int) -> int:
    """Return how many patches to try on a GPU at first, at most ``wanted``.

    By a guess on the safe side, since to measure takes seconds: libraries choose their algorithms
    anew for each size of batch. Where the guess is too high, batches are halved.

    Args:
        device: The GPU.
        side: Width and height of a patch (px).
        wanted: As many as would keep the device busy.
    """
    free, _ = torch.cuda.mem_get_info(device)
    fitting = int(free * _SHARE_FOR_PATCHES) // (_BYTES_PER_PX * side**2)
    return max(1, min(wanted, fitting))


_SHARE_FOR_PATCHES = 0.6
"""Part of a GPU's free memory that a batch may fill; the band, rows and batches that wait for
their turn need room as well."""
_BYTES_PER_PX = 600
"""Feature maps of one pixel; the small network takes a sixth of it."""
