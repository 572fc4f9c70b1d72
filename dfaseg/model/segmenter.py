"""The whole network: encoder, neck, mask decoder."""

from typing import NamedTuple

from torch import Tensor, nn

from dfaseg.errors import ConfigError
from dfaseg.model.class_bias import ClassBias
from dfaseg.model.encoder import EncoderWeights, ImageEncoder
from dfaseg.model.mask_decoder import MaskDecoder
from dfaseg.model.pixel_decoder import FUSED_STRIDE, LOGIT_STRIDE, FeatureNeck, PixelDecoder
from dfaseg.model.position import RandomFourierPositions
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
        encoder_weights: Where the encoder's weights come from; None starts at random.

    Attributes:
        spec: Numbers of the network.
        class_bias: The bias b of every class.
        logit_stride: Image pixels per logit pixel.
        size_multiple: Height and width of images must be multiples of this.

    Raises:
        ConfigError: The encoder is unknown or gives no feature map of stride 16.
        CheckpointError: The encoder's weights cannot be had or do not fit.
    """

    logit_stride = LOGIT_STRIDE

    def __init__(self, spec: ModelSpec, *, encoder_weights: EncoderWeights = None) -> None:
        super().__init__()
        self.spec = spec
        self.encoder = ImageEncoder(spec.encoder, weights=encoder_weights)
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

    def forward(self, images: Tensor) -> SegmenterOutput:
        """Segment a batch of images.

        Args:
            images: RGB normalised with ImageNet's mean and standard deviation, float,
                ``(n, 3, h, w)``; h and w are multiples of ``size_multiple``.

        Returns:
            Logits at a quarter of the image's size, and IoU where predicted.

        Raises:
            ConfigError: The images' height or width is no such multiple.
        """
        height, width = images.shape[-2:]
        if height % self.size_multiple or width % self.size_multiple:
            raise ConfigError(
                f"image of {width} x {height} px: width and height must be multiples of "
                f"{self.size_multiple}; change the patch size"
            )
        feature_maps = dict(zip(self.encoder.strides, self.encoder(images), strict=True))
        feature_map = self.neck(feature_maps)
        logits, iou = self.mask_decoder(feature_map, feature_maps, self.class_bias)
        return SegmenterOutput(logits.float(), iou)


def _mask_decoder(spec: ModelSpec, skip_channels: dict[int, int]) -> MaskDecoder:
    transformer = TwoWayTransformer(
        depth=spec.depth,
        embed_dim=spec.embed_dim,
        num_heads=spec.num_heads,
        downsample_rate=spec.attention_downsample_rate,
        mlp_dim=spec.mlp_dim,
    )
    pixel_decoder = PixelDecoder(
        embed_dim=spec.embed_dim,
        pixel_dim=spec.pixel_dim,
        skip_channels=skip_channels,
        activation=spec.activation,
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
