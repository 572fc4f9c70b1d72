"""A network's kernels recorded once and replayed, so that a GPU does not wait for Python.

A small network is a few hundred kernels of some microseconds each. Python starts them one by one,
and has to share its lock with every thread that decodes: the GPU would be idle most of the time.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dfaseg.model.device import is_out_of_memory

log = logging.getLogger(__name__)

PASSES_BEFORE = 3
"""Passes of one shape before it is recorded; in the first, libraries choose their algorithms."""

Run = Callable[[Tensor], Tensor]

_HOST_WAITS_FOR = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
"""Operations whose result, or its size, depends on numbers that lie on the device."""


class HostWatch(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types for it
    """Notices operations that make host and device wait for one another, while it is entered.

    No recording can hold them. Segment Anything's encoder, for one, makes indices on the host.

    Attributes:
        has_seen: Whether there was one.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # nor for this
        self.has_seen = False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Do what is to be done, and look at it."""
        result = func(*args, **(kwargs or {}))
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        self.has_seen = self.has_seen or _meets_host(func, given, result)
        return result


def _meets_host(func: Any, given: Sequence[Tensor], result: Any) -> bool:
    """Tell whether an operation needs the device's numbers on the host, or the other way round."""
    # A number goes along with the kernel; rows of them are copied first.
    from_host = any(tensor.is_cpu and tensor.ndim for tensor in given)
    is_waited_for = bool(_HOST_WAITS_FOR & set(func.tags))
    if func is torch.ops.aten.index.Tensor:  # waited for only if what is chosen must be counted
        is_waited_for = any(tensor.dtype in {torch.bool, torch.uint8} for tensor in given[1:])
    on_device = [
        leaf for leaf in (*given, *tree_leaves(result))
        if isinstance(leaf, Tensor) and not leaf.is_cpu
    ]  # fmt: skip
    return bool(on_device) and (from_host or is_waited_for)


class GraphedRun:
    """Runs a network until it has been called often enough, then a recording of it.

    A recording belongs to one shape of input. It is used only if it gives the very same bits as
    the network on the patches at hand. A network that cannot be recorded is not tried: after a
    recording that fails, many versions of torch never give memory back that two streams have used.

    Args:
        run: Maps patches to logits on their GPU.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._is_recordable: bool | None = None
        self._num_passes: dict[torch.Size, int] = {}
        self._chosen: dict[torch.Size, Run] = {}

    def __call__(self, patches: Tensor) -> Tensor:
        """Return the logits of patches.

        Raises:
            RuntimeError: The device has not enough memory; then all recordings are gone.
        """
        try:
            return self._run_or_replay(patches)
        except RuntimeError as error:
            if is_out_of_memory(error):
                # Each holds all feature maps of its shape, which smaller batches will need.
                self._chosen.clear()
                self._num_passes.clear()
            raise

    def _run_or_replay(self, patches: Tensor) -> Tensor:
        chosen = self._chosen.get(patches.shape)
        if chosen is not None:
            return chosen(patches)
        count = self._num_passes.get(patches.shape, 0) + 1
        self._num_passes[patches.shape] = count
        if self._is_recordable is None:
            self._is_recordable = self._needs_no_host(patches)
        logits = self._run(patches)
        if count == PASSES_BEFORE and self._is_recordable:
            self._chosen[patches.shape] = self._record(patches, logits)
        return logits

    def _needs_no_host(self, patches: Tensor) -> bool:
        """Tell whether the network can be recorded; watched, it may round in another way."""
        with HostWatch() as watch:
            self._run(patches)
        if watch.has_seen:
            log.debug("the network needs the host and is not recorded")
        return not watch.has_seen

    @torch.inference_mode()
    def _record(self, patches: Tensor, logits: Tensor) -> Run:
        """Return the recording for patches of one shape, or the network where they differ."""
        graph = torch.cuda.CUDAGraph()
        given = patches.clone()
        # One of this GPU: torch's own lies on the GPU on which anything was recorded first.
        stream = torch.cuda.Stream(patches.device)  # type: ignore[no-untyped-call]  # has no type
        try:
            # Other threads go on copying meanwhile, which by default would end the recording. Torch
            # does not go back to the stream by itself where that fails.
            with (
                torch.cuda.device(patches.device),
                torch.cuda.stream(torch.cuda.current_stream(patches.device)),
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
