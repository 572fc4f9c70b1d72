"""The image encoder: any timm network that gives feature maps, or two of them joined."""

from collections.abc import Sequence
from typing import Self, cast

import torch
from torch import Tensor, nn

from dfaseg.errors import ConfigError
from dfaseg.model.encoder_weights import EncoderWeights, load_encoder_weights
from dfaseg.model.known_encoders import EncoderSource, encoder_source
from dfaseg.model.light_timm import FeatureInfo, Format, get_pretrained_cfg, timm
from dfaseg.model.plain_vit import PlainVit, is_plain_vit

__all__ = ["EncoderWeights", "FusedEncoder", "ImageEncoder"]


class ImageEncoder(nn.Module):
    """A timm network that turns images into feature maps, finest first.

    Args:
        name: timm model name or name of a known encoder; the network must give feature maps.
        weights: Local weight file, ``"hub"`` (needs a network connection unless cached) or None
            for random weights.
        is_frozen: Whether the weights stay as they are: no gradients, always evaluation mode.

    Attributes:
        source: What it was built from.
        strides: Image pixels per feature-map pixel of each map, increasing.
        channels: Width of each map.
        is_frozen: Whether the weights stay as they are.

    Raises:
        ConfigError: timm has no such network, or it gives no feature maps.
        CheckpointError: The weights cannot be had or do not fit.
    """

    def __init__(
        self, name: str, *, weights: EncoderWeights = None, is_frozen: bool = False
    ) -> None:
        super().__init__()
        self.source = encoder_source(name)
        self.net = _build_net(self.source)
        if weights is not None:
            load_encoder_weights(self.net, self.source, weights)
        info = cast("FeatureInfo", self.net.feature_info)  # torch types attributes as modules
        strides, channels = info.reduction(), info.channels()
        # Of several maps with one stride the last has seen most; stride 2 serves no one here.
        last_index = {stride: index for index, stride in enumerate(strides) if stride > 2}
        self.strides = tuple(sorted(last_index))
        self.channels = tuple(channels[last_index[stride]] for stride in self.strides)
        self._indices = tuple(last_index[stride] for stride in self.strides)
        # Swin and its kin put channels last in the shape itself.
        self._is_nhwc = getattr(self.net, "output_fmt", Format.NCHW) == Format.NHWC
        self._only_size = _only_size(self.net, self.source)
        self.is_frozen = is_frozen
        if is_frozen:
            self.requires_grad_(requires_grad=False)
            self.eval()

    def train(self, mode: bool = True) -> Self:
        """Set training mode; a frozen encoder stays in evaluation mode."""
        return super().train(mode and not self.is_frozen)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Encode normalised images.

        Args:
            images: ``(n, 3, h, w)``.

        Returns:
            One feature map per stride s, ``(n, channels, h / s, w / s)``.

        Raises:
            ConfigError: The network takes images of another size only.
        """
        self._refuse_other_size(images)
        if not self.is_frozen:
            return self._encode(images)
        with torch.no_grad():
            return self._encode(images)

    def _refuse_other_size(self, images: Tensor) -> None:
        if self._only_size is None or images.shape[-2:] == self._only_size:
            return
        height, width = self._only_size
        raise ConfigError(
            f"encoder '{self.source.name}': takes patches of {width} × {height} px only, not "
            f"{images.shape[-1]} × {images.shape[-2]}; change the patch size or choose another "
            "encoder"
        )

    def _encode(self, images: Tensor) -> tuple[Tensor, ...]:
        feature_maps = self.net(images)
        chosen = (feature_maps[index] for index in self._indices)
        if self._is_nhwc:
            return tuple(feature_map.permute(0, 3, 1, 2) for feature_map in chosen)
        return tuple(chosen)


class FusedEncoder(nn.Module):
    """Two encoders that see the same images; maps of one stride are concatenated.

    Args:
        first: Its normalisation is that of the images.
        second: Gets the images renormalised to what its weights expect.

    Attributes:
        strides: Strides that either gives, increasing.
        channels: Width of each map.
    """

    factor: Tensor
    offset: Tensor

    def __init__(self, first: ImageEncoder, second: ImageEncoder) -> None:
        super().__init__()
        self.first, self.second = first, second
        widths: dict[int, int] = {}
        for encoder in (first, second):
            for stride, width in zip(encoder.strides, encoder.channels, strict=True):
                widths[stride] = widths.get(stride, 0) + width
        self.strides = tuple(sorted(widths))
        self.channels = tuple(widths[stride] for stride in self.strides)
        given, wanted = first.source.normalisation, second.source.normalisation
        given_std, wanted_std = _column(given.std), _column(wanted.std)
        difference = _column(given.mean) - _column(wanted.mean)
        # They follow from the names of the encoders, so a model file need not hold them.
        self.register_buffer("factor", given_std / wanted_std, persistent=False)
        self.register_buffer("offset", difference / wanted_std, persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Encode images normalised for the first encoder; see ``ImageEncoder.forward``."""
        feature_maps = dict(zip(self.first.strides, self.first(images), strict=True))
        seconds = self.second(images * self.factor + self.offset)
        for stride, feature_map in zip(self.second.strides, seconds, strict=True):
            both = (feature_maps[stride], feature_map) if stride in feature_maps else (feature_map,)
            feature_maps[stride] = torch.cat(both, dim=1)
        return tuple(feature_maps[stride] for stride in self.strides)


def _column(numbers: Sequence[float]) -> Tensor:
    return torch.tensor(numbers).view(1, 3, 1, 1)


def _build_net(source: EncoderSource) -> nn.Module:
    try:
        if is_plain_vit(source):
            return PlainVit(source)
        net: nn.Module = timm.create_model(
            source.architecture, features_only=True, **source.settings
        )
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f"encoder '{source.name}': gives no feature maps ({_first_line(error)}); choose another"
        ) from error
    return net


def _only_size(net: nn.Module, source: EncoderSource) -> tuple[int, int] | None:
    """Return the one size (height, width) that a network takes; None for any."""
    if isinstance(net, PlainVit):
        return net.only_size
    config = get_pretrained_cfg(source.architecture)
    if config is None or not config.fixed_input_size:
        return None
    return config.input_size[1], config.input_size[2]


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
