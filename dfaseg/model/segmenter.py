"""The whole network: encoder, neck, mask decoder."""

import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from dfaseg.errors import ConfigError
from dfaseg.model.card_parts import Normalisation
from dfaseg.model.class_bias import ClassBias
from dfaseg.model.encoder import FusedEncoder, ImageEncoder
from dfaseg.model.encoder_weights import WeightSources
from dfaseg.model.mask_decoder import MaskDecoder
from dfaseg.model.pixel_decoder import FUSED_STRIDE, LOGIT_STRIDE, FeatureNeck, PixelDecoder
from dfaseg.model.position import RandomFourierPositions
from dfaseg.model.sam_decoder import load_sam_decoder
from dfaseg.model.spec import ModelSpec
from dfaseg.model.transformer import TwoWayTransformer


class SegmenterOutput(NamedTuple):
    """What the network says about a batch.

    Attributes:
        logits: Float32, ``(n, k, h / 4, w / 4)``.
        iou: Expected IoU of each class, ``(n, k)`` in 0-1; None unless the spec asks for it.
    """

    logits: Tensor
    iou: Tensor | None


class DfaSegmenter(nn.Module):
    """Segment patches into tissue classes with Dynamic Focal Attention (arXiv:2604.13479).

    Args:
        spec: Numbers of the network.
        weights: Where the first weights of its parts come from; by default all are random.

    Attributes:
        spec: Numbers of the network.
        normalisation: What is done to pixels before they enter the network.
        class_bias: The bias b of every class.
        logit_stride: Image pixels per logit pixel.
        size_multiple: Height and width of images must be multiples of this.

    Raises:
        ConfigError: An encoder is unknown or gives no feature map of stride 16.
        CheckpointError: The weights cannot be had or do not fit.
    """

    logit_stride = LOGIT_STRIDE
    logit_shift: Tensor | None

    def __init__(self, spec: ModelSpec, *, weights: WeightSources | None = None) -> None:
        super().__init__()
        weights = weights or WeightSources()
        self.spec = spec
        first = ImageEncoder(spec.encoder, weights=weights.encoder, is_frozen=spec.freeze_encoder)
        self.normalisation: Normalisation = first.source.normalisation
        self.encoder = _join(first, spec, weights)
        channels = dict(zip(self.encoder.strides, self.encoder.channels, strict=True))
        if FUSED_STRIDE not in channels:
            raise ConfigError(
                f"encoder '{spec.encoder}': gives feature maps of strides {self.encoder.strides} "
                f"but none of stride {FUSED_STRIDE}; choose another encoder"
            )
        self.size_multiple = max(channels)
        coarse = {stride: width for stride, width in channels.items() if stride >= FUSED_STRIDE}
        fine = {stride: width for stride, width in channels.items() if stride < FUSED_STRIDE}
        self.neck = FeatureNeck(channels=coarse, embed_dim=spec.embed_dim)
        self.mask_decoder = _mask_decoder(spec, fine)
        self.class_bias = ClassBias(
            num_classes=spec.num_classes,
            mode=spec.bias_mode,
            scope=spec.bias_scope,
            num_layers=spec.depth,
            num_heads=spec.num_heads,
        )
        shift = torch.zeros(spec.num_classes) if spec.has_logit_shift else None
        self.register_buffer("logit_shift", shift)
        if weights.decoder is not None:
            load_sam_decoder(self, spec, weights.decoder)

    def forward(self, images: Tensor) -> SegmenterOutput:
        """Segment a batch of images.

        Args:
            images: RGB normalised as ``normalisation`` says, float, ``(n, 3, h, w)``; h and w
                are multiples of ``size_multiple``.

        Returns:
            Logits at a quarter of the image's size, and IoU where predicted.

        Raises:
            ConfigError: The images' height or width is no such multiple.
        """
        height, width = images.shape[-2:]
        if height % self.size_multiple or width % self.size_multiple:
            raise ConfigError(
                f"patch of {width} × {height} px: width and height must be multiples of "
                f"{self.size_multiple}; change the patch size"
            )
        feature_maps = dict(zip(self.encoder.strides, self.encoder(images), strict=True))
        feature_map = self.neck(feature_maps)
        logits, iou = self.mask_decoder(feature_map, feature_maps, self.class_bias)
        logits = logits.float()
        if self.logit_shift is not None:
            logits = logits - self.logit_shift.view(1, -1, 1, 1)
        return SegmenterOutput(logits, iou)

    def shift_logits(self, shift: Sequence[float] | Tensor) -> None:
        """Subtract a number per class from all logits from now on; model files keep it.

        Post-hoc logit adjustment, for one, subtracts ``tau * log(pixel frequency)``.

        Args:
            shift: ``k`` finite numbers, in class order; they replace those set before.

        Raises:
            ConfigError: There are not ``k`` numbers, or one is not finite.
        """
        numbers = torch.as_tensor(shift, dtype=torch.float32, device=self.class_bias.delta.device)
        if numbers.shape != (self.spec.num_classes,) or not bool(numbers.isfinite().all()):
            raise ConfigError(
                f"logit shift {numbers.tolist()}: must be {self.spec.num_classes} finite numbers, "
                "one per class; a class without pixels needs a frequency above 0"
            )
        self.spec = replace(self.spec, has_logit_shift=True)
        self.logit_shift = numbers.clone()

    @torch.no_grad()
    def scale_logits(self, factor: float) -> None:
        """Multiply all logits by a number from now on; model files keep it.

        The class of the largest stays the same; how sure the network is of it does not. Temperature
        scaling (Guo et al. 2017, arXiv:1706.04599, section 4.2) is a division by the temperature.

        Args:
            factor: Above 0, finite.

        Raises:
            ConfigError: It is not.
        """
        if not 0 < factor < math.inf:
            raise ConfigError(f"factor of logits {factor}: must be above 0 and finite")
        # They are linear in the vectors that pixels are compared with.
        for parameter in self.mask_decoder.hypernetwork[-1].parameters():
            parameter.mul_(factor)
        if self.logit_shift is not None:
            self.logit_shift.mul_(factor)

    def copy(self) -> Self:
        """Return a copy that shares frozen encoders, whose weights nobody changes."""
        shared = {id(self.encoder): self.encoder} if self.spec.freeze_encoder else {}
        return copy.deepcopy(self, shared)

    def trained_parameters(self) -> dict[str, list[nn.Parameter]]:
        """Return what an optimiser moves, by part: ``encoder``, ``decoder`` and ``delta``.

        Frozen weights are in no part; a part may be empty.
        """
        delta = self.class_bias.delta_parameters()
        encoder = [p for p in self.encoder.parameters() if p.requires_grad]
        chosen = {id(parameter) for parameter in (*delta, *encoder)}
        decoder = [p for p in self.parameters() if p.requires_grad and id(p) not in chosen]
        return {"encoder": encoder, "decoder": decoder, "delta": delta}


def _join(
    first: ImageEncoder, spec: ModelSpec, weights: WeightSources
) -> ImageEncoder | FusedEncoder:
    if spec.second_encoder is None:
        if weights.second_encoder is not None:
            raise ConfigError(
                "second encoder's weights: there is no second encoder; leave them out"
            )
        return first
    second = ImageEncoder(
        spec.second_encoder, weights=weights.second_encoder, is_frozen=spec.freeze_encoder
    )
    return FusedEncoder(first, second)


def _mask_decoder(spec: ModelSpec, skip_channels: dict[int, int]) -> MaskDecoder:
    transformer = TwoWayTransformer(
        depth=spec.depth,
        embed_dim=spec.embed_dim,
        num_heads=spec.num_heads,
        downsample_rate=spec.attention_downsample_rate,
        mlp_dim=spec.mlp_dim,
        is_sam=spec.sam_decoder,
    )
    pixel_decoder = PixelDecoder(
        embed_dim=spec.embed_dim,
        pixel_dim=spec.pixel_dim,
        skip_channels=skip_channels,
        activation=spec.activation,
        is_sam=spec.sam_decoder,
    )
    has_positions = spec.position_encoding
    return MaskDecoder(
        num_classes=spec.num_classes,
        embed_dim=spec.embed_dim,
        transformer=transformer,
        pixel_decoder=pixel_decoder,
        pixel_dim=spec.pixel_dim,
        positions=RandomFourierPositions(embed_dim=spec.embed_dim) if has_positions else None,
        predicts_iou=spec.predicts_iou,
    )
