"""The image encoder: any timm network that gives a pyramid of feature maps."""

from pathlib import Path
from typing import Literal, cast

import timm
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
        self.net = _create_net(name, weights)
        info = cast("FeatureInfo", self.net.feature_info)  # torch types attributes as modules
        strides, channels = info.reduction(), info.channels()
        # Of several maps with one stride the last has seen most; stride 2 serves no one here.
        last_index = {stride: index for index, stride in enumerate(strides) if stride > 2}
        self.strides = tuple(sorted(last_index))
        self.channels = tuple(channels[last_index[stride]] for stride in self.strides)
        self._indices = tuple(last_index[stride] for stride in self.strides)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Encode normalised images.

        Args:
            images: ``(n, 3, h, w)``.

        Returns:
            One feature map per stride s, ``(n, channels, h / s, w / s)``.
        """
        feature_maps = self.net(images)
        return tuple(feature_maps[index] for index in self._indices)


def _create_net(name: str, weights: EncoderWeights) -> nn.Module:
    if not timm.is_model(name):
        raise ConfigError(
            f"encoder '{name}': timm {timm.__version__} has no such network; "
            "see timm.list_models() for names"
        )
    overlay = {"file": str(weights)} if isinstance(weights, Path) else None
    if isinstance(weights, Path) and not weights.is_file():
        raise CheckpointError(f"encoder weights '{weights}': no such file; check the path")
    try:
        net: nn.Module = timm.create_model(
            name,
            features_only=True,
            pretrained=weights is not None,
            pretrained_cfg_overlay=overlay,
        )
    except (RuntimeError, OSError, ValueError, KeyError) as error:
        raise _creation_error(name, weights, error) from error
    return net


def _creation_error(
    name: str, weights: EncoderWeights, error: Exception
) -> CheckpointError | ConfigError:
    reason = str(error).partition("\n")[0]
    if weights is None:
        return ConfigError(f"encoder '{name}': gives no feature maps ({reason}); choose another")
    source = "the Hugging Face hub" if weights == "hub" else f"'{weights}'"
    return CheckpointError(
        f"encoder '{name}': its weights cannot be loaded from {source} ({reason}); "
        "check the connection, access rights and the file, or start without weights"
    )
