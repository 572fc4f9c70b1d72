"""Weights for encoders, from a file or the hub: all of them, each in its place, or an error."""

import importlib
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from dfaseg.errors import CheckpointError
from dfaseg.model.hub import fetch_hub_file
from dfaseg.model.known_encoders import EncoderSource
from dfaseg.model.light_timm import timm
from dfaseg.model.plain_vit import PlainVit
from dfaseg.model.weight_files import WeightState, from_transformers, read_weights

EncoderWeights = Path | Literal["hub"] | None
"""Where encoder weights come from: a local file, the Hugging Face hub, or nowhere (random)."""

_HUB_FILES = ("model.safetensors", "pytorch_model.bin")
_OWN_PREFIX = "encoder.net."
"""Where a model file of ours keeps its one encoder, under the very names it has here."""
_BEYOND_FEATURES = ("head.", "head_dist.", "fc_norm.", "attn_pool.", "neck.", "mask_token")
"""Weights after the feature map, or for pretraining only; files may hold them or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightSources:
    """Where the parts of a network get their first weights; None starts a part at random.

    Attributes:
        encoder: Weights of the encoder.
        second_encoder: Weights of the second encoder, where there is one.
        decoder: Segment Anything's official file, for a decoder wired as its own.
    """

    encoder: EncoderWeights = None
    second_encoder: EncoderWeights = None
    decoder: Path | None = None


def load_encoder_weights(
    net: nn.Module, source: EncoderSource, weights: Path | Literal["hub"]
) -> None:
    """Fill an encoder with weights; no random number is drawn.

    Args:
        net: Network built from ``source``.
        source: What it was built from.
        weights: Local file, or ``"hub"``. Of a model file of dfaseg the encoder is taken.

    Raises:
        CheckpointError: The weights cannot be had, or the file lacks some, holds others or has
            some of another shape.
    """
    path = _fetch(source) if weights == "hub" else weights
    state = from_transformers(read_weights(path))
    own = {
        name.removeprefix(_OWN_PREFIX): tensor
        for name, tensor in state.items()
        if name.startswith(_OWN_PREFIX)
    }
    with torch.random.fork_rng(devices=[]):
        if own:  # before timm, whose names for a part of a network are others
            refuse_misfit(f"encoder '{source.name}'", path, wanted=net.state_dict(), found=own)
            net.load_state_dict(own)
        elif isinstance(net, PlainVit):
            _fill_vit(net, state, source, path)
        else:
            _fill_pyramid(net, state, source, path)


def _fetch(source: EncoderSource) -> Path:
    subject = f"encoder '{source.name}'"
    if source.repository is None:
        raise CheckpointError(
            f"{subject}: its weights ({source.terms}) are not on the Hugging Face hub; fetch them "
            f"from {source.address} and give the file"
        )
    try:
        return fetch_hub_file(subject, source.repository, _HUB_FILES)
    except CheckpointError as error:
        raise CheckpointError(
            f"{error}. Its weights ({source.terms}) are at {source.address}; a file fetched from "
            "there can be given in place of the hub"
        ) from error


def _fill_vit(net: PlainVit, state: WeightState, source: EncoderSource, path: Path) -> None:
    kept = {
        name: tensor
        for name, tensor in _as_timm_names(net.vit, state).items()
        if name not in net.unused_names and not name.startswith(_BEYOND_FEATURES)
    }
    refuse_misfit(f"encoder '{source.name}'", path, wanted=net.vit.state_dict(), found=kept)
    net.vit.load_state_dict(kept)


def _fill_pyramid(net: nn.Module, state: WeightState, source: EncoderSource, path: Path) -> None:
    """Let timm find the places, which are not those of the whole network, and check its work."""
    _refuse_unknown(state, source, path)
    build = {"model_name": source.architecture, "features_only": True, **source.settings}
    random_state = torch.get_rng_state()
    untrained = timm.create_model(**build)
    torch.set_rng_state(random_state)
    try:
        with _quiet_timm():
            filled = timm.create_model(
                **build, pretrained=True, pretrained_cfg_overlay={"state_dict": state}
            )
    except (RuntimeError, ValueError, KeyError) as error:
        first_line = str(error).partition("\n")[0]
        raise CheckpointError(
            f"encoder '{source.name}': the weights '{path}' do not fit ({first_line}); "
            "use the weights of this network"
        ) from error
    _refuse_untouched(filled, (untrained, net), source, path)
    net.load_state_dict(filled.state_dict())


def _refuse_unknown(state: WeightState, source: EncoderSource, path: Path) -> None:
    """Raise for a weight that the whole network has no place for."""
    with torch.device("meta"):
        whole = timm.create_model(source.architecture, **source.settings)
    names = whole.state_dict().keys()
    extra = [name for name in _as_timm_names(whole, state) if name not in names]
    extra = [name for name in extra if not name.startswith(_BEYOND_FEATURES)]
    if extra:
        raise _misfit(
            f"encoder '{source.name}'", path, f"holds '{extra[0]}', which has no place", len(extra)
        )


def _refuse_untouched(
    filled: nn.Module,
    random_nets: tuple[nn.Module, nn.Module],
    source: EncoderSource,
    path: Path,
) -> None:
    """Raise for a weight that loading left as it was.

    Args:
        filled: The network after loading.
        random_nets: The network as it was before, and one from other random numbers: what is
            alike in both was not drawn, so nothing can be said of it.
        source: What the network was built from.
        path: Where the weights come from.
    """
    before, other = (dict(net.named_parameters()) for net in random_nets)
    untouched = [
        name
        for name, weight in filled.named_parameters()
        if torch.equal(weight, before[name]) and not torch.equal(weight, other[name])
    ]
    if untouched:
        raise _misfit(f"encoder '{source.name}'", path, f"lacks '{untouched[0]}'", len(untouched))


@contextmanager
def _quiet_timm() -> Iterator[None]:
    """Keep timm from listing what it leaves out of a whole network, which is as it should be."""
    logger = logging.getLogger("timm")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _as_timm_names(net: nn.Module, state: WeightState) -> WeightState:
    """Apply timm's own renaming of the layouts in which this kind of network is published."""
    module = importlib.import_module(type(net).__module__)
    rename: Callable[[WeightState, nn.Module], WeightState] | None
    rename = getattr(module, "checkpoint_filter_fn", None)
    return state if rename is None else rename(dict(state), net)


def refuse_misfit(
    subject: str, path: Path, *, wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]
) -> None:
    """Raise unless names and shapes agree.

    Args:
        subject: What the weights are for, to begin the message with.
        path: The file they come from.
        wanted: Weights there must be.
        found: Weights there are.

    Raises:
        CheckpointError: Some are missing, unknown or of another shape; the first is named.
    """
    missing = [name for name in wanted if name not in found]
    extra = [name for name in found if name not in wanted]
    odd = [name for name in wanted if name in found and wanted[name].shape != found[name].shape]
    if missing:
        raise _misfit(subject, path, f"lacks '{missing[0]}'", len(missing))
    if extra:
        raise _misfit(subject, path, f"holds '{extra[0]}', which has no place", len(extra))
    if odd:
        shapes = f"{tuple(found[odd[0]].shape)} instead of {tuple(wanted[odd[0]].shape)}"
        raise _misfit(subject, path, f"holds '{odd[0]}' of shape {shapes}", len(odd))


def _misfit(subject: str, path: Path, problem: str, count: int) -> CheckpointError:
    more = f" (and {count - 1} more)" if count > 1 else ""
    return CheckpointError(
        f"{subject}: the weights '{path}' do not fit: the file {problem}{more}; "
        "use the weights of this network"
    )
