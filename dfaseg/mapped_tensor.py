"""Tensors that are held for a while: on a host in memory of their own."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dfaseg.mapped_memory import mapped_array


def held_tensor(shape: Sequence[int], device: torch.device) -> Tensor:
    """Return a float32 tensor with anything in it, for what will wait on a device.

    Raises:
        MemoryError: The host has not enough; torch has errors of its own for other devices.
    """
    if device.type == "cpu":
        return torch.from_numpy(mapped_array(shape, np.float32))
    return torch.empty(tuple(shape), device=device)
