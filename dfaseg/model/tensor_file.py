"""Tensors in one safetensors file that appears whole or not at all."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from dfaseg.errors import OutputError
from dfaseg.files import write_aside


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write named tensors with their metadata.

    Args:
        path: The file; an old one is replaced only once the new one is whole.
        tensors: On any device, in any memory order, sharing memory or not.
        metadata: Texts by name.

    Raises:
        OutputError: The file cannot be written.
    """
    copies = _copy_to_host(tensors)
    with write_aside(path) as aside:
        try:
            save_file(copies, aside, metadata=dict(metadata))
        except SafetensorError as error:  # as the library reports a full disk
            raise OutputError(
                f"output '{path}': cannot be written ({error}); is the disk full?"
            ) from error


def _copy_to_host(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copy tensors to ordinary memory, each in its own; a GPU is waited for once, not for each."""
    copies = {
        name: torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda).copy_(
            tensor.detach(), non_blocking=True
        )
        for name, tensor in tensors.items()
    }
    if any(tensor.is_cuda for tensor in tensors.values()):
        torch.cuda.synchronize()
    return copies
