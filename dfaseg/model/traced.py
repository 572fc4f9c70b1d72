"""A network's operations without the Python between them, for long runs on a CPU.

Python is a tenth to a quarter of a forward pass on small feature maps, and only one thread at a
time may run it: forward passes side by side, decoding and tracing of polygons all wait for it.
"""

import threading
import warnings
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

PASSES_BEFORE = 32
"""Forward passes of one shape after which tracing, which takes about ten, has been worth it."""

Forward = Callable[[Tensor], Tensor]


class TracedForward:
    """Calls a network until it has been called often enough, then its trace.

    A trace belongs to one shape of input. It is used only if it gives the very same bits as the
    network on the patches at hand, so that nothing depends on when it was made.

    Args:
        network: Maps images ``(n, 3, h, w)`` to logits; its weights become constants.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network.eval().requires_grad_(requires_grad=False)
        self._lock = threading.Lock()
        self._num_passes: dict[torch.Size, int] = {}
        self._chosen: dict[torch.Size, Forward] = {}

    def __call__(self, images: Tensor) -> Tensor:
        """Return the logits of images."""
        chosen = self._chosen.get(images.shape)
        if chosen is not None:
            return chosen(images)
        with self._lock:
            count = self._num_passes.get(images.shape, 0) + 1
            self._num_passes[images.shape] = count
        logits = self._answer(images)
        if count == PASSES_BEFORE:
            self._chosen[images.shape] = self._trace(images, logits)
        return logits

    def _answer(self, images: Tensor) -> Tensor:
        """Run the network; recorded as a function, in a quarter of the time that a module takes."""
        logits: Tensor = self._network(images)
        return logits

    def _trace(self, images: Tensor, logits: Tensor) -> Forward:
        """Return the trace for images of one shape, or the network where they differ."""
        with (
            torch.inference_mode(mode=False),
            torch.no_grad(),
            _recordable_autocast(),
            warnings.catch_warnings(),
        ):
            # torch.compile, advised in its place, needs a compiler on the user's machine.
            warnings.simplefilter("ignore")
            # A tensor of inference mode cannot be recorded; a copy made outside of it can.
            example = images.clone()
            traced: Forward = torch.jit.trace(  # type: ignore[no-untyped-call]  # torch has no type
                self._answer, example, check_trace=False
            )
            # The first calls of a trace optimise it.
            answers = [_as_recorded(traced, example) for _ in range(3)]
            is_same = torch.equal(answers[-1], logits)
        return partial(_as_recorded, traced) if is_same else self._network


def _recordable_autocast() -> torch.autocast:
    """Go on in the precision at hand, with each change of precision a part of the trace."""
    return torch.autocast(
        "cpu",
        torch.get_autocast_dtype("cpu"),
        enabled=torch.is_autocast_enabled("cpu"),
        cache_enabled=False,
    )


def _as_recorded(traced: Forward, images: Tensor) -> Tensor:
    """Run a trace, which changes precision by itself where the network does."""
    with torch.autocast("cpu", enabled=False):
        return traced(images)
