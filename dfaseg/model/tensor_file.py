"""Tensors in one safetensors file that appears whole or not at all."""

from collections.abc import Mapping
from pathlib import Path

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
    copies = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with write_aside(path) as aside:
        try:
            save_file(copies, aside, metadata=dict(metadata))
        except SafetensorError as error:  # as the library reports a full disk
            raise OutputError(
                f"output '{path}': cannot be written ({error}); is the disk full?"
            ) from error
