"""The model file: one ``.safetensors`` with the weights and, in its metadata, the model card.

Reading it runs no code of the file: the weights are plain arrays and the architecture is a record
of numbers that this package's own builder understands.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from dfaseg.errors import CheckpointError, ConfigError
from dfaseg.model.archive import ModelKind, refuse_pickle, sniff_kind
from dfaseg.model.build import ModelSpec, build_segmenter
from dfaseg.model.card import ModelCard
from dfaseg.model.segmenter import DfaSegmenter
from dfaseg.model.tensor_file import write_tensors

CARD_KEY = "dfaseg"
"""Metadata entry of the safetensors file that holds the card."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A network read from a model file.

    Attributes:
        model: The network, in evaluation mode, on the CPU.
        card: Its card.
        sha256: Hash of the whole file, as hexadecimal digits.
    """

    model: DfaSegmenter
    card: ModelCard
    sha256: str


def save_checkpoint(path: Path, model: nn.Module, card: ModelCard) -> None:
    """Write weights and card to one file; the same input gives the same bytes.

    Args:
        path: The ``.safetensors`` file; an old one is replaced only once the new one is whole.
        model: Network whose parameters and persistent buffers are kept.
        card: What a run must know about it.

    Raises:
        OutputError: The file cannot be written.
        CheckpointError: The weights hold values that are not finite.
    """
    tensors = model.state_dict()
    _refuse_not_finite(path, tensors)
    write_tensors(path, tensors, {CARD_KEY: card.to_json()})


def load_checkpoint(path: Path) -> LoadedModel:
    """Read a network from a file that ``save_checkpoint`` wrote.

    Raises:
        CheckpointError: The file is missing, of another kind or version, damaged, or its weights
            do not fit the architecture its card states.
    """
    refuse_other_kind(path)
    card, tensors = _read_safetensors(path)
    model = _build(path, card)
    _refuse_misfit(path, model.state_dict(), tensors)
    model.load_state_dict(tensors)
    model.eval()
    return LoadedModel(model, card, hash_file(path))


def read_card(path: Path) -> ModelCard:
    """Read only the card of a model file, without its weights.

    Raises:
        CheckpointError: As for ``load_checkpoint``.
    """
    refuse_other_kind(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error
    return _parse_card(path, metadata)


def hash_file(path: Path) -> str:
    """Return the sha256 of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refuse_other_kind(path: Path) -> None:
    """Raise unless the file looks like safetensors.

    Raises:
        CheckpointError: The file cannot be read or is of another kind.
    """
    kind = sniff_kind(path)
    refuse_pickle(path, kind)
    if kind is not ModelKind.SAFETENSORS:
        raise CheckpointError(
            f"model '{path}': not a dfaseg model file; give a .safetensors file that "
            "'dfaseg train' wrote"
        )


def _read_safetensors(path: Path) -> tuple[ModelCard, dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            card = _parse_card(path, file.metadata() or {})
            return card, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error


def _parse_card(path: Path, metadata: Mapping[str, str]) -> ModelCard:
    if CARD_KEY not in metadata:
        raise CheckpointError(
            f"model '{path}': a safetensors file without a dfaseg card (weights of something "
            "else?); give a file that 'dfaseg train' wrote"
        )
    return ModelCard.from_json(metadata[CARD_KEY], path)


def _build(path: Path, card: ModelCard) -> DfaSegmenter:
    """Build the network the card describes, leaving the caller's random numbers as they were."""
    try:
        spec = ModelSpec.from_record(card.architecture)
        _refuse_other_class_count(path, card, spec)
        with torch.random.fork_rng(devices=[]):
            return build_segmenter(spec)
    except ConfigError as error:
        raise CheckpointError(
            f"model '{path}': its architecture cannot be built ({error}); "
            "upgrade dfaseg or get the file again"
        ) from error


def _refuse_other_class_count(path: Path, card: ModelCard, spec: ModelSpec) -> None:
    if spec.num_classes != len(card.classes):
        raise CheckpointError(
            f"model '{path}': {len(card.classes)} classes in its card, {spec.num_classes} in its "
            "architecture; get the file again"
        )


def _refuse_misfit(path: Path, wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    missing, extra = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    odd = [name for name in wanted if name in found and wanted[name].shape != found[name].shape]
    if missing:
        problem = f"lacks the weights '{missing[0]}' ({len(missing)} missing)"
    elif extra:
        problem = f"holds unknown weights '{extra[0]}' ({len(extra)} unknown)"
    elif odd:
        shapes = f"{tuple(found[odd[0]].shape)} instead of {tuple(wanted[odd[0]].shape)}"
        problem = f"weights '{odd[0]}' have shape {shapes}"
    else:
        return
    raise CheckpointError(
        f"model '{path}': {problem}, so it does not fit the architecture of its card; "
        "get the file again"
    )


def _refuse_not_finite(path: Path, tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(
                f"model '{path}': weights '{name}' are not finite (training diverged); "
                "nothing was written; train with a lower learning rate"
            )


def _damaged(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"model '{path}': a damaged or cut-off safetensors file ({error}); get the file again"
    )
