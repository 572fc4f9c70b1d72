"""Where training runs and how pixels get there."""

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfaseg.model.card import Normalisation
from dfaseg.model.device import Precision, refuse_old_gpu, resolve_device, resolve_precision
from dfaseg.model.forward_pass import PixelScaling
from dfaseg.training.world import World


@dataclass(frozen=True, slots=True)
class Placement:
    """A device, the arithmetic of the forward pass on it, and the processes that share the work.

    Attributes:
        device: Device of weights and patches.
        precision: ``bf16`` and ``fp16`` run matrix products and convolutions in that format.
        world: The processes that train together.
    """

    device: torch.device
    precision: Precision
    world: World = field(default_factory=World)

    @property
    def default_workers(self) -> int:
        """Threads that compose patches: the job's cores beside a GPU, one beside a busy CPU."""
        return torch.get_num_threads() if self.device.type == "cuda" else 1

    def autocast(self) -> AbstractContextManager[None]:
        """Return the context in which to run the network."""
        enabled = self.precision is not Precision.FP32
        return torch.autocast(self.device.type, dtype=self.precision.dtype, enabled=enabled)

    def scaling(self, normalisation: Normalisation) -> PixelScaling:
        """Return what turns patches on the device into a network's input."""
        return PixelScaling.on_device(normalisation, self.device)

    def to_device(self, array: NDArray[np.uint8]) -> Tensor:
        """Move an array to the device as it is, without waiting for the copy."""
        tensor = torch.from_numpy(array)
        if self.device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self.device, non_blocking=True)


def make_deterministic() -> None:
    """Let torch take algorithms that give the same bits every time, where there are any.

    On CPUs they do so anyway, for one and the same number of threads. A GPU's matrix library reads
    its environment when it starts, so call this first.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    # Else every fresh tensor is filled with NaN first, to find code that reads what it never wrote.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def choose_placement(device: str, precision: str, world: World | None = None) -> Placement:
    """Return the placement for a device name (auto, cpu, cuda or cuda:N).

    Raises:
        ConfigError: There is no such device, or it cannot compute in that format.
    """
    resolved = resolve_device(device)
    refuse_old_gpu(resolved)
    if resolved.type == "cuda":
        torch.cuda.set_device(resolved)
    return Placement(resolved, resolve_precision(precision, resolved), world or World())
