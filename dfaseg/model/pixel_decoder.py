"""From the encoder's feature maps to one feature map, and from there to pixel embeddings."""

from collections.abc import Mapping

from torch import Tensor, nn

from dfaseg.model.spec import Activation

FUSED_STRIDE = 16
"""Stride of the feature map whose pixels are the image tokens."""

LOGIT_STRIDE = 4
"""Stride of the pixel embeddings and so of the logits."""


class LayerNorm2d(nn.LayerNorm):
    """Layer normalisation over the channels of ``(n, c, h, w)``.

    Going through channels-last is free where memory is channels-last already, and it runs the
    fused kernel.
    """

    def forward(self, feature_map: Tensor) -> Tensor:
        """Normalise each pixel's channels."""
        return super().forward(feature_map.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class FeatureNeck(nn.Module):
    """Fuse the encoder's coarse maps into the map of image tokens.

    As in Segment Anything: 1x1 convolution, normalisation, 3x3 convolution, normalisation. The
    1x1 convolution over concatenated maps is a sum of one convolution per map, and it commutes
    with upsampling, so each map is projected at its own, smaller size.

    Args:
        channels: Width of each coarse map by its stride; stride 16 must be there.
        embed_dim: Width d of the result.
    """

    def __init__(self, *, channels: Mapping[int, int], embed_dim: int) -> None:
        super().__init__()
        self.strides = tuple(sorted(channels))
        self.projections = nn.ModuleList(
            nn.Conv2d(channels[stride], embed_dim, 1, bias=False) for stride in self.strides
        )
        self.norm_in = LayerNorm2d(embed_dim)
        self.mix = nn.Conv2d(embed_dim, embed_dim, 3, padding=1, bias=False)
        self.norm_out = LayerNorm2d(embed_dim)

    def forward(self, feature_maps: Mapping[int, Tensor]) -> Tensor:
        """Return the fused map, ``(n, d, h / 16, w / 16)``, from maps by stride."""
        finest, *coarser = (
            projection(feature_maps[stride])
            for projection, stride in zip(self.projections, self.strides, strict=True)
        )
        for coarse in coarser:
            finest = finest + nn.functional.interpolate(
                coarse, size=finest.shape[-2:], mode="bilinear", align_corners=False
            )
        fused: Tensor = self.norm_out(self.mix(self.norm_in(finest)))
        return fused


class UpsamplingStep(nn.Module):
    """Double the resolution and add what the encoder saw there.

    Args:
        in_dim: Width of the coarse map.
        out_dim: Width of the result.
        skip_dim: Width of the encoder's map at the finer stride; None where it has none.
        activation: Non-linearity at the end.
        is_normalised: Whether to normalise before the non-linearity.
    """

    def __init__(
        self,
        *,
        in_dim: int,
        out_dim: int,
        skip_dim: int | None,
        activation: Activation,
        is_normalised: bool = True,
    ) -> None:
        super().__init__()
        self.upscale = nn.ConvTranspose2d(in_dim, out_dim, kernel_size=2, stride=2)
        self.skip = None if skip_dim is None else nn.Conv2d(skip_dim, out_dim, 1, bias=False)
        self.norm = LayerNorm2d(out_dim) if is_normalised else nn.Identity()
        self.activation = nn.GELU() if activation == "gelu" else nn.Hardswish()

    def forward(self, coarse: Tensor, fine: Tensor | None) -> Tensor:
        """Return ``(n, out_dim, 2h, 2w)`` from ``(n, in_dim, h, w)`` and the encoder's map."""
        upscaled = self.upscale(coarse)
        if self.skip is not None and fine is not None:
            upscaled = upscaled + self.skip(fine)
        activated: Tensor = self.activation(self.norm(upscaled))
        return activated


class PixelDecoder(nn.Module):
    """Upscale the image tokens four times to pixel embeddings, with skips where there are any.

    Args:
        embed_dim: Width d of the image tokens.
        pixel_dim: Width of the pixel embeddings.
        skip_channels: Width of the encoder's fine maps by their stride (8 and 4).
        activation: Non-linearity of both steps.
        is_sam: Whether the last step goes without normalisation, as in Segment Anything.
    """

    def __init__(
        self,
        *,
        embed_dim: int,
        pixel_dim: int,
        skip_channels: Mapping[int, int],
        activation: Activation,
        is_sam: bool = False,
    ) -> None:
        super().__init__()
        self.to_stride8 = UpsamplingStep(
            in_dim=embed_dim,
            out_dim=2 * pixel_dim,
            skip_dim=skip_channels.get(8),
            activation=activation,
        )
        self.to_stride4 = UpsamplingStep(
            in_dim=2 * pixel_dim,
            out_dim=pixel_dim,
            skip_dim=skip_channels.get(4),
            activation=activation,
            is_normalised=not is_sam,
        )

    def forward(self, feature_map: Tensor, fine_maps: Mapping[int, Tensor]) -> Tensor:
        """Return pixel embeddings.

        Args:
            feature_map: Image tokens as a map, ``(n, d, h / 16, w / 16)``.
            fine_maps: The encoder's maps by stride.

        Returns:
            ``(n, pixel_dim, h / 4, w / 4)``.
        """
        middle = self.to_stride8(feature_map, fine_maps.get(8))
        embeddings: Tensor = self.to_stride4(middle, fine_maps.get(4))
        return embeddings
