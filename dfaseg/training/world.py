"""The processes that train together (torchrun), and the sums they share."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed
from torch.autograd import Function
from torch.distributed.distributed_c10d import Store
from torch.distributed.rendezvous import rendezvous

from dfaseg.errors import DfasegError
from dfaseg.model.device import own_device, resolve_device


@dataclass(frozen=True, slots=True)
class World:
    """This process's place among those that train together.

    Attributes:
        rank: Number of this process, from 0.
        size: Number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files and speaks to the user."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over all processes; gradients flow back to each of them."""
        if self.size == 1:
            return values
        summed: Tensor = _SumOverProcesses.apply(values)
        return summed

    def sum_counts(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the sum of whole numbers over all processes."""
        if self.size == 1:
            return counts
        total = torch.from_numpy(counts.copy()).to(_meeting_device())
        distributed.all_reduce(total)
        return total.cpu().numpy()

    def any(self, *, is_true: bool) -> bool:
        """Tell whether something is true in any process."""
        return bool(self.sum_counts(np.array([is_true], np.int64))[0])

    def wait(self) -> None:
        """Wait until all processes have come this far."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def join_world(device_name: str) -> Iterator[World]:
    """Join the processes that torchrun started, or be the only one.

    torchrun tells each process its rank and where to meet through the environment; started by
    hand, there is no such thing and the world has one process.

    Args:
        device_name: auto, cpu, cuda or cuda:N, as the user gave it.

    Raises:
        ConfigError: There is no such device.
        DfasegError: What the block raises, marked as said where another process says the same.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "MASTER_ADDR" not in os.environ:
        yield World()
        return
    store, rank, size = next(rendezvous("env://"))
    try:
        device = resolve_device(own_device(device_name))
        if device.type == "cuda":
            torch.cuda.set_device(device)  # or all processes of a node would meet on its first GPU
        backend = "nccl" if device.type == "cuda" else "gloo"
        distributed.init_process_group(backend, store=store, rank=rank, world_size=size)
        yield World(rank, size)
    except DfasegError as error:
        error.is_said = not _is_first_to_say(str(error), store)
        raise
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def _is_first_to_say(text: str, store: Store) -> bool:
    """Tell whether no other process has said the same; what one of them finds most do."""
    try:
        return bool(store.add(f"said {text}", 1) == 1)
    except RuntimeError:  # its keeper has ended
        return True


class _SumOverProcesses(Function):
    """All-reduce whose backward pass is the same: the gradient of a sum goes to every summand."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:  # noqa: ARG004 - autograd's signature
        total = values.detach().clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        total = gradient.contiguous().clone()
        distributed.all_reduce(total)
        return total


def _meeting_device() -> torch.device:
    is_gpu = distributed.get_backend() == "nccl"
    return torch.device("cuda", torch.cuda.current_device()) if is_gpu else torch.device("cpu")
