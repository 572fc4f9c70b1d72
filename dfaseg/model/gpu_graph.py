"""A network's kernels recorded once and replayed, so that a GPU does not wait for Python.

A small network is a few hundred kernels of some microseconds each. Python starts them one by one,
and has to share its lock with every thread that decodes: the GPU would be idle most of the time.
"""

import logging
from collections.abc import Callable

import torch
from torch import Tensor

log = logging.getLogger(__name__)

PASSES_BEFORE = 3
"""Passes of one shape before it is recorded; in the first, libraries choose their algorithms."""

Run = Callable[[Tensor], Tensor]


class GraphedRun:
    """Runs a network until it has been called often enough, then a recording of it.

    A recording belongs to one shape of input. It is used only if it gives the very same bits as
    the network on the patches at hand.

    Args:
        run: Maps patches to logits on their GPU, without waiting for it.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._num_passes: dict[torch.Size, int] = {}
        self._chosen: dict[torch.Size, Run] = {}

    def __call__(self, patches: Tensor) -> Tensor:
        """Return the logits of patches."""
        chosen = self._chosen.get(patches.shape)
        if chosen is not None:
            return chosen(patches)
        count = self._num_passes.get(patches.shape, 0) + 1
        self._num_passes[patches.shape] = count
        logits = self._run(patches)
        if count == PASSES_BEFORE:
            self._chosen[patches.shape] = self._record(patches, logits)
        return logits

    @torch.inference_mode()
    def _record(self, patches: Tensor, logits: Tensor) -> Run:
        """Return the recording for patches of one shape, or the network where they differ."""
        graph = torch.cuda.CUDAGraph()
        given = patches.clone()
        # One of this GPU: torch's own lies on the GPU on which anything was recorded first.
        stream = torch.cuda.Stream(patches.device)  # type: ignore[no-untyped-call]  # has no type
        try:
            # Other threads go on copying meanwhile, which by default would end the recording.
            with (
                torch.cuda.device(patches.device),
                torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"),
            ):
                answer = self._run(given)
            graph.replay()
            is_same = torch.equal(answer, logits)
        except RuntimeError as error:
            log.debug("the network cannot be recorded: %s", error)
            return self._run
        if not is_same:
            log.debug("the recorded network gives other bits than the network")
            return self._run

        @torch.inference_mode()
        def replay(patches: Tensor) -> Tensor:
            given.copy_(patches)
            graph.replay()
            return answer.clone()

        return replay
