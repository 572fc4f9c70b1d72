"""Plain vision transformers as encoders: one feature map, made of the last block's tokens."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from dfaseg.model.known_encoders import EncoderSource
from dfaseg.model.light_timm import FeatureGetterNet, FeatureInfo, timm
from dfaseg.model.pixel_decoder import FUSED_STRIDE

_FIRST_VALUES = frozenset(
    {
        Tensor.normal_,
        Tensor.uniform_,
        *(getattr(nn.init, name) for name in vars(nn.init) if re.fullmatch(r"[a-z]\w*_", name)),
    }
)
"""What gives weights their first values."""


class PlainVit(nn.Module):
    """A vision transformer whose tokens, after its last normalisation, are one feature map.

    Tokens of another side than 16 px (14 in many pathology encoders) are brought to stride 16 by
    resizing the image: 1024 px become 896 px, and both make 64 x 64 tokens. Positions are
    interpolated to the size of the image where the transformer can do so.

    Args:
        source: What to build.

    Attributes:
        only_size: The one size (height, width) of images that it takes; None for any multiple
            of 16.
        unused_names: Weights of the whole network that the map does not need and that are not kept.
        feature_info: Stride and width of the map, as timm's own feature extractors tell them.
    """

    vit: Any  # torch types the attributes of modules as modules

    def __init__(self, source: EncoderSource) -> None:
        super().__init__()
        settings = {"num_classes": 0, **source.settings}
        state = torch.get_rng_state()
        try:
            self.vit = timm.create_model(source.architecture, dynamic_img_size=True, **settings)
        except TypeError:  # relative or windowed positions need no such setting
            torch.set_rng_state(state)
            self.vit = timm.create_model(source.architecture, **settings)
        # Segment Anything's "normalisation" is a neck to another width, for which we have our own.
        self._is_normalised = not hasattr(self.vit, "neck")
        whole = self.vit.state_dict().keys()
        self.vit.prune_intermediate_layers(1, prune_norm=not self._is_normalised)
        self.unused_names = frozenset(whole - self.vit.state_dict().keys())
        self.patch_px = int(self.vit.feature_info[-1]["reduction"])
        self.only_size = self._only_size()
        self.feature_info = FeatureInfo(
            [{"num_chs": self.vit.embed_dim, "reduction": FUSED_STRIDE, "module": "vit"}], (0,)
        )

    def _only_size(self) -> tuple[int, int] | None:
        embed = self.vit.patch_embed
        is_strict = getattr(embed, "strict_img_size", False)
        if not is_strict or getattr(self.vit, "dynamic_img_size", False):
            return None
        height, width = (side // self.patch_px * FUSED_STRIDE for side in embed.img_size)
        return height, width

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the one map, ``(n, d, h / 16, w / 16)``, of normalised images."""
        if self.patch_px != FUSED_STRIDE:
            height, width = images.shape[-2:]
            size = (height // FUSED_STRIDE * self.patch_px, width // FUSED_STRIDE * self.patch_px)
            resized = nn.functional.interpolate(  # CPUs average in float32 only
                images.float(), size, mode="bilinear", align_corners=False, antialias=True
            )
            images = resized.to(images.dtype)
        maps: list[Tensor] = self.vit.forward_intermediates(
            images, indices=1, norm=self._is_normalised, intermediates_only=True
        )
        return maps


class _NoFirstWeights(TorchFunctionMode):
    """Leaves weights without first values.

    Weights that have no memory need none, and to draw them torch would load its compiler.
    """

    def __torch_function__(
        self,
        function: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return what was to be filled as it is, and do all else as usual."""
        kwargs = kwargs or {}
        if function in _FIRST_VALUES:
            return args[0] if args else kwargs["tensor"]
        return function(*args, **kwargs)


def is_plain_vit(source: EncoderSource) -> bool:
    """Tell whether all of a network's feature maps have one stride."""
    return source.patch_px is not None or _has_one_stride(source.architecture)


@cache
def _has_one_stride(architecture: str) -> bool:
    """Look at a network without making its weights."""
    with torch.device("meta"), _NoFirstWeights():
        try:
            net = timm.create_model(architecture, features_only=True)
        except (RuntimeError, ValueError):  # building it in earnest tells why
            return False
    if not isinstance(net, FeatureGetterNet):
        return False
    return len(set(net.feature_info.reduction())) == 1
