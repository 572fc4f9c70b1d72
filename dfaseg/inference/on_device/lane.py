"""A lane of work on a device beside the network's, and host memory that it copies from."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress

import torch
from torch import Tensor

log = logging.getLogger(__name__)


class Lane:
    """Work on a device that runs beside the current stream, in order.

    On the CPU, where everything is done when a call returns, it does nothing.

    Args:
        device: Where work is done.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # nor for it

    def entered(self) -> AbstractContextManager[object]:
        """Send this thread's work on the device down the lane."""
        return nullcontext() if self._stream is None else torch.cuda.stream(self._stream)

    def mark(self) -> torch.cuda.Event | None:
        """Return an event that has come when all work sent so far is done."""
        if self._stream is None:
            return None
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch has no type for it
        event.record(self._stream)
        return event

    def give(self, tensor: Tensor, ready: torch.cuda.Event | None) -> None:
        """Let the thread's current stream use a tensor of the lane once an event has come."""
        if ready is not None:
            current = torch.cuda.current_stream(self.device)
            current.wait_event(ready)
            tensor.record_stream(current)


def pinned(shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return host memory, not initialised, from which a device copies by itself."""
    return torch.empty(tuple(shape), dtype=dtype, pin_memory=device.type == "cuda")


class PinnedSlots:
    """A ring of equal pieces of host memory, each used again once it has been copied.

    Args:
        memory: The pieces, uint8 ``(count, places, ...)``; best pinned.
        lane: Where they are copied.
    """

    def __init__(self, memory: Tensor, lane: Lane) -> None:
        self._memory = memory
        self._lane = lane
        self._copied: list[torch.cuda.Event | None] = [None] * len(memory)
        self._next = 0

    def __len__(self) -> int:
        return len(self._memory)

    def take(self) -> int:
        """Return the number of the next piece, after waiting until its last content is copied."""
        number, self._next = self._next, (self._next + 1) % len(self)
        copied = self._copied[number]
        if copied is not None:
            copied.synchronize()
        return number

    def copy(self, number: int, length: int) -> Tensor:
        """Copy the first places of a piece to the device, down the lane."""
        # Not a view: on the CPU, too, the piece is soon filled with something else.
        copied = self._memory[number, :length].to(self._lane.device, non_blocking=True, copy=True)
        self._copied[number] = self._lane.mark()
        return copied


@contextmanager
def registered(memory: Tensor, device: torch.device) -> Iterator[Tensor]:
    """Let a device copy by itself from host memory that others made, for as long as this lasts.

    Where the system does not allow that, copies go the slower way.
    """
    if device.type != "cuda":
        yield memory
        return
    runtime = torch.cuda.cudart()  # type: ignore[no-untyped-call]  # torch has no type for it
    refused = int(runtime.cudaHostRegister(memory.data_ptr(), memory.nbytes, 0))
    if refused:
        log.debug("host memory cannot be registered (CUDA error %d); copies are slower", refused)
        _forget_last_error(device)
    try:
        yield memory
    finally:
        torch.cuda.synchronize(device)
        if not refused:
            runtime.cudaHostUnregister(memory.data_ptr())


def _forget_last_error(device: torch.device) -> None:
    """Let a call that failed be over; CUDA keeps its error for whoever starts the next kernel."""
    with suppress(RuntimeError):
        torch.ones(1, device=device)
