"""Encoders known by name: what each is built from, where its weights are and on which terms.

Any other timm network is described by what timm says of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from torch import nn

from dfaseg.errors import ConfigError
from dfaseg.model.card_parts import Normalisation
from dfaseg.model.light_timm import SwiGLUPacked, get_pretrained_cfg, timm

_INCEPTION = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_H_OPTIMUS = Normalisation((0.707223, 0.578729, 0.703617), (0.211883, 0.230117, 0.177517))
# SwiGLU is packed: the MLP's first matrix makes gate and value at once, hence twice the width.
_SWIGLU = {"mlp_layer": SwiGLUPacked, "act_layer": nn.SiLU}


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSource:
    """How an encoder is built and where its weights come from.

    Attributes:
        name: Name by which it was asked for.
        architecture: timm model name.
        settings: What differs from timm's architecture of that name.
        licence: Terms of the weights.
        is_gated: Whether the hub hands the weights out on request only.
        repository: Repository of the weights on the Hugging Face hub; None where there is none.
        page: Where else the weights are found; empty where the hub is the place.
        normalisation: What the weights expect of pixels.
        embed_dim: Width of the feature map of a plain vision transformer; None if not stated.
        patch_px: Side (px) of its tokens; None if not stated.
    """

    name: str
    architecture: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    licence: str
    is_gated: bool = False
    repository: str | None = None
    page: str = ""
    normalisation: Normalisation = field(default_factory=Normalisation)
    embed_dim: int | None = None
    patch_px: int | None = None

    @property
    def address(self) -> str:
        """Page on which the weights are found."""
        if self.page or self.repository is None:
            return self.page or "https://github.com/huggingface/pytorch-image-models"
        return f"https://huggingface.co/{self.repository}"

    @property
    def terms(self) -> str:
        """Licence and gating in words, for messages."""
        return f"licence: {self.licence}; {'handed out on request' if self.is_gated else 'open'}"


_SOURCES = (
    EncoderSource(
        name="sam-vit-b",
        architecture="samvit_base_patch16",
        licence="Apache-2.0",
        repository="timm/samvit_base_patch16.sa1b",
        page="https://github.com/facebookresearch/segment-anything (sam_vit_b_01ec64.pth)",
        embed_dim=768,
        patch_px=16,
    ),
    EncoderSource(
        name="hipt",
        architecture="vit_small_patch16_224",
        licence="GPL-3.0, non-commercial",
        page="https://github.com/mahmoodlab/HIPT (HIPT_4K/Checkpoints/vit256_small_dino.pth)",
        normalisation=_INCEPTION,
        embed_dim=384,
        patch_px=16,
    ),
    EncoderSource(
        name="uni",
        architecture="vit_large_patch16_224",
        settings={"init_values": 1e-5},
        licence="CC-BY-NC-ND-4.0",
        is_gated=True,
        repository="MahmoodLab/UNI",
        embed_dim=1024,
        patch_px=16,
    ),
    EncoderSource(
        name="uni2-h",
        architecture="vit_giant_patch14_224",
        settings={
            "depth": 24,
            "num_heads": 24,
            "embed_dim": 1536,
            "mlp_ratio": 2.66667 * 2,
            "init_values": 1e-5,
            "no_embed_class": True,
            "reg_tokens": 8,
            **_SWIGLU,
        },
        licence="CC-BY-NC-ND-4.0",
        is_gated=True,
        repository="MahmoodLab/UNI2-h",
        embed_dim=1536,
        patch_px=14,
    ),
    EncoderSource(
        name="virchow2",
        architecture="vit_huge_patch14_224",
        settings={
            "mlp_ratio": 5.3375,
            "init_values": 1e-5,
            "reg_tokens": 4,
            "global_pool": "",
            **_SWIGLU,
        },
        licence="CC-BY-NC-ND-4.0",
        is_gated=True,
        repository="paige-ai/Virchow2",
        embed_dim=1280,
        patch_px=14,
    ),
    EncoderSource(
        name="h-optimus-0",
        architecture="vit_giant_patch14_reg4_dinov2",
        settings={"img_size": 224},
        licence="Apache-2.0",
        is_gated=True,
        repository="bioptimus/H-optimus-0",
        normalisation=_H_OPTIMUS,
        embed_dim=1536,
        patch_px=14,
    ),
    EncoderSource(
        name="h-optimus-1",
        architecture="vit_giant_patch14_reg4_dinov2",
        settings={"img_size": 224},
        licence="CC-BY-NC-ND-4.0",
        is_gated=True,
        repository="bioptimus/H-optimus-1",
        normalisation=_H_OPTIMUS,
        embed_dim=1536,
        patch_px=14,
    ),
    EncoderSource(
        name="phikon-v2",
        architecture="vit_large_patch16_224",
        settings={"init_values": 1e-5},
        licence="Owkin non-commercial",
        repository="owkin/phikon-v2",
        embed_dim=1024,
        patch_px=16,
    ),
)

KNOWN_ENCODERS: Mapping[str, EncoderSource] = MappingProxyType(
    {source.name: source for source in _SOURCES}
)
"""Encoders that timm does not list, or not with the weights meant, by name."""


def encoder_source(name: str) -> EncoderSource:
    """Return what is known of an encoder.

    Args:
        name: Key of ``KNOWN_ENCODERS`` or timm model name, with or without a tag of weights.

    Raises:
        ConfigError: There is no such encoder.
    """
    if name in KNOWN_ENCODERS:
        return KNOWN_ENCODERS[name]
    if not timm.is_model(name):
        raise ConfigError(
            f"encoder '{name}': timm {timm.__version__} has no such network; see "
            f"timm.list_models() for names, or use {', '.join(KNOWN_ENCODERS)}"
        )
    try:
        config = get_pretrained_cfg(name)
    except RuntimeError as error:
        raise ConfigError(f"encoder '{name}': {error} Leave out the tag or correct it") from error
    return EncoderSource(
        name=name,
        architecture=name,
        licence=(config and config.license) or "not stated by timm",
        repository=config.hf_hub_id if config else None,
        normalisation=Normalisation(config.mean, config.std) if config else Normalisation(),
    )
