"""A lane of work on a device beside the network's, and host memory that it copies from."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


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
        count: Number of pieces.
        shape: Shape of each, uint8.
        lane: Where they are copied.
    """

    def __init__(self, count: int, shape: Sequence[int], lane: Lane) -> None:
        self._lane = lane
        self._slots = [pinned(shape, torch.uint8, lane.device) for _ in range(count)]
        self._copied: list[torch.cuda.Event | None] = [None] * count
        self._next = 0

    def __len__(self) -> int:
        return len(self._slots)

    def take(self) -> int:
        """Return the number of the next piece, after waiting until its last content is copied."""
        number, self._next = self._next, (self._next + 1) % len(self)
        copied = self._copied[number]
        if copied is not None:
            copied.synchronize()
        return number

    def memory(self, number: int) -> Tensor:
        """Return a piece, to be filled."""
        return self._slots[number]

    def copy(self, number: int, length: int) -> Tensor:
        """Copy the first entries of a piece to the device, down the lane."""
        # Not a view: on the CPU, too, the piece is soon filled with something else.
        copied = self._slots[number][:length].to(self._lane.device, non_blocking=True, copy=True)
        self._copied[number] = self._lane.mark()
        return copied
