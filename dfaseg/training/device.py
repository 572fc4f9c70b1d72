"""Where training runs and how pixels get there."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfaseg.model.card import IMAGENET_MEAN, IMAGENET_STD
from dfaseg.model.device import resolve_device
from dfaseg.training.spec import Precision


@dataclass(frozen=True, slots=True)
class Placement:
    """A device and the arithmetic of the forward pass on it.

    Attributes:
        device: Device of weights and patches.
        precision: ``bf16`` runs matrix products and convolutions in bfloat16.
    """

    device: torch.device
    precision: Precision

    @property
    def default_workers(self) -> int:
        """Threads that compose patches: the job's cores beside a GPU, one beside a busy CPU."""
        return torch.get_num_threads() if self.device.type == "cuda" else 1

    def autocast(self) -> AbstractContextManager[None]:
        """Return the context in which to run the network."""
        enabled = self.precision == "bf16"
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=enabled)

    def normalise(self, images: NDArray[np.uint8]) -> Tensor:
        """Move patches to the device and normalise them there.

        Args:
            images: RGB, uint8 ``(n, h, w, 3)``.

        Returns:
            ``(n, 3, h, w)`` in channels-last memory order, which convolutions prefer.
        """
        mean = torch.tensor(IMAGENET_MEAN, device=self.device) * 255
        std = torch.tensor(IMAGENET_STD, device=self.device) * 255
        pixels = self.to_device(images).float().sub_(mean).div_(std)
        return pixels.permute(0, 3, 1, 2)

    def to_device(self, array: NDArray[np.uint8]) -> Tensor:
        """Move an array to the device as it is."""
        return torch.from_numpy(array).to(self.device, non_blocking=True)


def choose_placement(device: str, precision: Precision) -> Placement:
    """Return the placement for a device name: auto, cpu, cuda or cuda:N.

    Raises:
        ConfigError: There is no such device.
    """
    return Placement(resolve_device(device), precision)
