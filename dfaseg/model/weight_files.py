"""Other people's weight files, read as plain tensors and told apart by their keys.

A pickled file (``.pth``, ``.bin``) is read by torch's unpickler for weights, which makes tensors
and refuses whatever else a pickle could run.
"""

import argparse
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from dfaseg.errors import CheckpointError
from dfaseg.model.archive import ModelKind, sniff_kind

WeightState = dict[str, Tensor]
"""Weights by name."""

_WRAPPERS = ("teacher", "state_dict_ema", "model_ema", "state_dict", "model")
"""Keys under which training programs keep the weights, among optimisers and settings."""


def read_weights(path: Path) -> WeightState:
    """Read the weights of a file, freed of what training programs wrap around them.

    Args:
        path: A ``.safetensors`` file, or a pickled file of tensors.

    Raises:
        CheckpointError: The file is missing, damaged, holds no weights, or holds more than data.
    """
    state: Any = _read_file(path)
    while isinstance(state, Mapping) and (key := _wrapper(state)) is not None:
        state = state[key]
    tensors = {}
    if isinstance(state, Mapping):
        tensors = {str(key): value for key, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        raise CheckpointError(
            f"weights '{path}': the file holds no weights by name; give the file that its "
            "authors publish"
        )
    return _without_prefix(tensors)


def from_transformers(state: WeightState) -> WeightState:
    """Rename the weights of a DINOv2 network of the ``transformers`` package as timm does.

    There query, key and value have a matrix each; timm stacks them. Others stay as they are.
    """
    if "embeddings.cls_token" not in state:
        return state
    renamed = {}
    for name, tensor in state.items():
        match = _PART.fullmatch(name)
        if match is None:
            renamed[_timm_name(name)] = tensor
        elif match["part"] == "query":
            parts = [state[name.replace("query", part)] for part in ("query", "key", "value")]
            renamed[f"blocks.{match['block']}.attn.qkv.{match['kind']}"] = torch.cat(parts)
    return renamed


_PART = re.compile(
    r"encoder\.layer\.(?P<block>\d+)\.attention\.attention\.(?P<part>query|key|value)"
    r"\.(?P<kind>weight|bias)"
)
_TIMM_NAMES = (
    ("embeddings.patch_embeddings.projection", "patch_embed.proj"),
    ("embeddings.position_embeddings", "pos_embed"),
    ("embeddings.register_tokens", "reg_token"),
    ("embeddings.", ""),
    ("encoder.layer.", "blocks."),
    ("attention.output.dense", "attn.proj"),
    ("layer_scale1.lambda1", "ls1.gamma"),
    ("layer_scale2.lambda1", "ls2.gamma"),
    ("layernorm.", "norm."),
)


def _timm_name(name: str) -> str:
    for there, here in _TIMM_NAMES:
        name = name.replace(there, here)
    return name


def _read_file(path: Path) -> Any:
    if not path.is_file():
        raise CheckpointError(f"weights '{path}': no such file; check the path")
    kind = sniff_kind(path)
    try:
        if kind is ModelKind.SAFETENSORS:
            return load_file(path)
        if kind is ModelKind.PICKLE:
            return _unpickle(path)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"weights '{path}': the file holds more than weights, which could run any code when "
            "loaded; ask its author for a .safetensors file"
        ) from error
    except (SafetensorError, RuntimeError, OSError, EOFError, ValueError) as error:
        first_line = str(error).partition("\n")[0]
        raise CheckpointError(
            f"weights '{path}': cannot be read ({first_line}); get the file again"
        ) from error
    raise CheckpointError(
        f"weights '{path}': neither a safetensors nor a PyTorch weight file; give one of these"
    )


def _unpickle(path: Path) -> Any:
    # DINO keeps the settings of its run beside the weights: names and numbers.
    with warnings.catch_warnings(), torch.serialization.safe_globals([argparse.Namespace]):
        warnings.simplefilter("ignore")  # a protocol that torch does not know fails all the same
        is_archive = zipfile.is_zipfile(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=is_archive)


def _wrapper(state: Mapping[str, Any]) -> str | None:
    return next((key for key in _WRAPPERS if isinstance(state.get(key), Mapping)), None)


def _without_prefix(state: WeightState) -> WeightState:
    """Leave out what wrappers around the network prepend to names.

    DINO trains a network and a projection head together; where there is a ``backbone``, it is
    the network.
    """
    state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    start = "backbone."
    backbone = {
        name.removeprefix(start): tensor for name, tensor in state.items() if name.startswith(start)
    }
    return backbone or state
