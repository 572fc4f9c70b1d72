"""What can be wrong with a network that was not made here, in words that say what to do."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dfaseg.errors import CheckpointError
from dfaseg.wording import counted

LOADING_FAILURES = (
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    OSError,
    zipfile.BadZipFile,
    torch.jit.Error,
)
"""What torch's loaders are seen to raise for damaged files; onnxruntime's have their own types."""


def only_input(path: Path, inputs: Sequence[Any]) -> Any:
    """Return the only one of a network's inputs.

    Raises:
        CheckpointError: It takes none or several.
    """
    if len(inputs) != 1:
        raise CheckpointError(
            f"model '{path}': takes {counted(len(inputs), 'input')} where patches are the only "
            "one; export it to take nothing else"
        )
    return inputs[0]


def no_tensor(path: Path) -> CheckpointError:
    """Say that what a network returns holds no logits."""
    return CheckpointError(
        f"model '{path}': returns no tensor; export it to return its logits (n, k, h, w)"
    )


def damaged(path: Path, error: Exception) -> CheckpointError:
    """Say that a network cannot be loaded, and why."""
    return CheckpointError(f"model '{path}': cannot be loaded ({_cause(error)})")


def cannot_run(path: Path, images: Tensor, error: Exception) -> CheckpointError:
    """Say which patches ``(n, 3, h, w)`` a network does not take, and why."""
    count, _, height, width = images.shape
    return CheckpointError(
        f"model '{path}': cannot run on {counted(count, 'patch', 'patches')} of {width} × {height} "
        f"px ({_cause(error)}); use the patch size of its card or export it for any batch size"
    )


def _cause(error: Exception) -> str:
    """Return the line with the cause: the last of a traceback of TorchScript, else the first."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1 if "TorchScript" in lines[0] else 0]
