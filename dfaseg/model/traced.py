"""A network's operations without the Python between them, for long runs on a CPU.

Python is a tenth to a quarter of a forward pass on small feature maps, and only one thread at a
time may run it: forward passes side by side, decoding and tracing of polygons all wait for it.
"""

import threading
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.jit import optimized_execution  # type: ignore[attr-defined]  # a type that torch does not list

from dfaseg.allocator import give_back_freed_memory

WORTH_PASSES = 64
"""Forward passes, done or to come, of one shape for which a trace is made. It takes as long as half
a dozen, during which others wait for Python, and makes each a fifth shorter."""

Forward = Callable[[Tensor], Tensor]


@dataclass(slots=True)
class Outlook:
    """What is known of the work to come.

    Attributes:
        num_passes: Forward passes that somebody has announced and nobody has made yet.
        has_begun: Whether one has been made.
    """

    num_passes: int = 0
    has_begun: bool = False

    @property
    def is_long(self) -> bool:
        """Whether what is to come is worth a trace."""
        return self.num_passes >= WORTH_PASSES


class TracedForward:
    """Calls a network or, where it will have been called often enough, its trace.

    A trace belongs to one shape of input. It is used only if it gives the very same bits as the
    network on the patches at hand, so that nothing depends on when it was made.

    Args:
        network: Maps images ``(n, 3, h, w)`` to logits; its weights become constants.
        outlook: Passes to come. A trace that they are worth is made at the first of them.
    """

    def __init__(self, network: nn.Module, outlook: Outlook) -> None:
        self._network = network.eval().requires_grad_(requires_grad=False)
        self._outlook = outlook
        self._lock = threading.Lock()
        self._num_passes: Counter[torch.Size] = Counter()
        self._tried: set[torch.Size] = set()
        self._chosen: dict[torch.Size, Forward] = {}

    def __call__(self, images: Tensor) -> Tensor:
        """Return the logits of images."""
        chosen = self._chosen.get(images.shape)
        if chosen is not None:
            return chosen(images)
        is_worth_it = self._count(images.shape)
        logits = self._answer(images)
        if is_worth_it:
            self._chosen[images.shape] = self._trace(images, logits)
        return logits

    def _count(self, shape: torch.Size) -> bool:
        """Count a pass, and tell, once for each shape, whether a trace is worth its time."""
        with self._lock:
            self._num_passes[shape] += 1
            self._outlook.has_begun = True
            self._outlook.num_passes = max(0, self._outlook.num_passes - 1)
            if shape in self._tried:
                return False
            is_worth_it = self._num_passes[shape] + self._outlook.num_passes >= WORTH_PASSES
            if is_worth_it:
                self._tried.add(shape)
            return is_worth_it

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
            is_same = torch.equal(_as_recorded(traced, example), logits)
        # Recording holds on to all feature maps at once, which nothing will do again.
        del example
        give_back_freed_memory()
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
    """Run a trace, which changes precision by itself where the network does.

    Torch would watch its first calls and look for what could be done better, for as long as five
    passes take. On such networks it finds nothing.
    """
    with torch.autocast("cpu", enabled=False), optimized_execution(False):
        return traced(images)
