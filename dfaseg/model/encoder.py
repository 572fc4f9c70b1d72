"""The image encoder: any timm network that gives a pyramid of feature maps."""

from pathlib import Path
from typing import Literal, cast

import timm
import torch
from safetensors import SafetensorError
from timm.layers.format import Format
from timm.models import FeatureInfo
from torch import Tensor, nn

from dfaseg.errors import CheckpointError, ConfigError

EncoderWeights = Path | Literal["hub"] | None
"""Where encoder weights come from: a local file, the Hugging Face hub, or nowhere (random)."""


class ImageEncoder(nn.Module):
    """A timm network that turns images into feature maps, finest first.

    Args:
        name: timm model name; the network must give feature maps.
        weights: Local weight file, ``"hub"`` (needs a network connection unless cached) or None
            for random weights.

    Attributes:
        strides: Image pixels per feature-map pixel of each map, increasing.
        channels: Width of each map.

    Raises:
        ConfigError: timm has no such network, or it gives no feature maps.
        CheckpointError: The weights cannot be had or do not fit.
    """

    def __init__(self, name: str, *, weights: EncoderWeights = None) -> None:
        super().__init__()
        _check_source(name, weights)
        self.net = _create_net(name) if weights is None else _create_pretrained(name, weights)
        info = cast("FeatureInfo", self.net.feature_info)  # torch types attributes as modules
        strides, channels = info.reduction(), info.channels()
        # Of several maps with one stride the last has seen most; stride 2 serves no one here.
        last_index = {stride: index for index, stride in enumerate(strides) if stride > 2}
        self.strides = tuple(sorted(last_index))
        self.channels = tuple(channels[last_index[stride]] for stride in self.strides)
        self._indices = tuple(last_index[stride] for stride in self.strides)
        # Swin and its kin put channels last in the shape itself.
        self._is_nhwc = getattr(self.net, "output_fmt", Format.NCHW) == Format.NHWC

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Encode normalised images.

        Args:
            images: ``(n, 3, h, w)``.

        Returns:
            One feature map per stride s, ``(n, channels, h / s, w / s)``.
        """
        feature_maps = self.net(images)
        chosen = (feature_maps[index] for index in self._indices)
        if self._is_nhwc:
            return tuple(feature_map.permute(0, 3, 1, 2) for feature_map in chosen)
        return tuple(chosen)


def _check_source(name: str, weights: EncoderWeights) -> None:
    if not timm.is_model(name):
        raise ConfigError(
            f"encoder '{name}': timm {timm.__version__} has no such network; "
            "see timm.list_models() for names"
        )
    if isinstance(weights, Path) and not weights.is_file():
        raise CheckpointError(f"encoder weights '{weights}': no such file; check the path")


def _create_net(name: str) -> nn.Module:
    try:
        net: nn.Module = timm.create_model(name, features_only=True)
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f"encoder '{name}': gives no feature maps ({_first_line(error)}); choose another"
        ) from error
    return net


def _create_pretrained(name: str, weights: Path | Literal["hub"]) -> nn.Module:
    random_state = torch.get_rng_state()
    untrained = _create_net(name)
    torch.set_rng_state(random_state)
    source = "the Hugging Face hub" if weights == "hub" else f"'{weights}'"
    overlay = {"file": str(weights)} if isinstance(weights, Path) else None
    try:
        net: nn.Module = timm.create_model(
            name, features_only=True, pretrained=True, pretrained_cfg_overlay=overlay
        )
    except (RuntimeError, OSError, ValueError, KeyError, SafetensorError) as error:
        raise CheckpointError(
            f"encoder '{name}': its weights cannot be loaded from {source} "
            f"({_first_line(error)}); check connection, access rights and file"
        ) from error
    untouched = _equal_weights(net, untrained)
    if untouched:
        raise CheckpointError(
            f"encoder '{name}': the weights from {source} do not fit, '{untouched[0]}' and "
            f"{len(untouched) - 1} more are not among them; use the weights of this network"
        )
    return net


def _equal_weights(net: nn.Module, untrained: nn.Module) -> list[str]:
    """Name the weights that loading left as they were; timm only logs what a file lacks."""
    before = dict(untrained.named_parameters())
    # Vectors may be constants both at random start and after training, matrices never are.
    return [
        name
        for name, weight in net.named_parameters()
        if weight.ndim > 1 and torch.equal(weight, before[name])
    ]


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
