"""The image encoder around timm networks."""

from types import SimpleNamespace

import pytest
import timm
import torch
from timm.layers.format import Format
from torch import Tensor, nn

from dfaseg.errors import ConfigError
from dfaseg.model.encoder import FusedEncoder, ImageEncoder
from dfaseg.model.known_encoders import EncoderSource
from dfaseg.model.plain_vit import PlainVit, is_plain_vit

TINY = "test_efficientnet"
TINY_VIT = "test_vit"
IMAGES = torch.randn(2, 3, 32, 64, generator=torch.Generator().manual_seed(0))


def small_vit(**settings: object) -> EncoderSource:
    """Describe a vision transformer of one block and width 16."""
    small = {"embed_dim": 16, "depth": 1, "num_heads": 2, "img_size": 56, **settings}
    return EncoderSource(
        name="small", architecture="vit_small_patch16_224", settings=small, licence="none"
    )


def test_feature_maps_have_the_strides_and_widths_told() -> None:
    """Maps come finest first; stride 2 is left out."""
    encoder = ImageEncoder(TINY).eval()

    feature_maps = encoder(torch.zeros(1, 3, 64, 96))

    assert encoder.strides == (4, 8, 16, 32)
    assert [tuple(m.shape) for m in feature_maps] == [
        (1, width, 64 // stride, 96 // stride)
        for width, stride in zip(encoder.channels, encoder.strides, strict=True)
    ]


class ChannelsLastNet(nn.Module):
    """Gives one map of stride 16 and width 5 with channels last, as Swin transformers do."""

    output_fmt = Format.NHWC
    feature_info = SimpleNamespace(reduction=lambda: [16], channels=lambda: [5])

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return zeros of the right shape."""
        num, _, height, width = images.shape
        return [torch.zeros(num, height // 16, width // 16, 5)]


def test_maps_with_channels_last_in_their_shape_are_turned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every encoder's maps come out as ``(n, c, h, w)``."""
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: ChannelsLastNet())

    (feature_map,) = ImageEncoder(TINY)(torch.zeros(1, 3, 32, 48))

    assert feature_map.shape == (1, 5, 2, 3)


def test_unknown_encoder_is_refused() -> None:
    """The message says where names are listed."""
    with pytest.raises(ConfigError, match=r"encoder 'nonet'.*list_models"):
        ImageEncoder("nonet")


@pytest.mark.parametrize(("height", "width"), [(32, 64), (160, 160)])
def test_vision_transformer_gives_one_map_at_any_size(height: int, width: int) -> None:
    """Positions follow the size of the image; class token and registers stay out of the map."""
    encoder = ImageEncoder(TINY_VIT).eval()

    (feature_map,) = encoder(torch.zeros(1, 3, height, width))

    assert encoder.strides == (16,)
    assert feature_map.shape == (1, encoder.channels[0], height // 16, width // 16)


def test_map_of_a_vision_transformer_is_normalised() -> None:
    """Tokens have passed the network's last normalisation, which its weights belong to."""
    vit = PlainVit(small_vit()).eval()

    (feature_map,) = vit(IMAGES)

    torch.testing.assert_close(feature_map.mean(dim=1), torch.zeros(2, 2, 4), atol=1e-5, rtol=0)


@pytest.mark.parametrize("patch_px", [8, 14, 32])
def test_tokens_of_another_side_come_at_stride_16(patch_px: int) -> None:
    """The image is resized so that a token sees 16 px of it, whatever its own side."""
    vit = PlainVit(small_vit(patch_size=patch_px)).eval()

    (feature_map,) = vit(IMAGES)

    assert vit.feature_info.reduction() == [16]
    assert feature_map.shape == (2, 16, 2, 4)


def test_token_of_14_px_sees_its_16_px_of_the_image() -> None:
    """Resizing keeps places: what changes in one field of 16 px changes its own token most."""
    vit = PlainVit(small_vit(patch_size=14)).eval()
    changed = IMAGES.clone()
    changed[:, :, 16:32, 32:48] += 3.0

    difference = (
        vit.vit.patch_embed(resized(changed)) - vit.vit.patch_embed(resized(IMAGES))
    ).abs()

    per_token = difference.sum(dim=-1).view(2, 2, 4)
    assert per_token.flatten(1).argmax(dim=1).tolist() == [6, 6]  # row 1, column 2


def resized(images: Tensor) -> Tensor:
    """Resize as ``PlainVit`` does."""
    return nn.functional.interpolate(images, (28, 56), mode="bilinear", antialias=True)


def test_network_bound_to_one_size_says_which() -> None:
    """Relative positions of a fixed window fit images of one size only."""
    encoder = ImageEncoder(TINY)
    encoder._only_size = (224, 192)

    with pytest.raises(ConfigError, match="takes patches of 192 × 224 px only, not 64 × 32"):
        encoder(IMAGES)


@pytest.mark.parametrize(
    ("architecture", "only_size"),
    [("vit_small_patch16_224", None), ("vit_relpos_small_patch16_224", (48, 48))],
    ids=["absolute positions", "relative positions"],
)
def test_transformer_knows_whether_it_takes_any_size(
    architecture: str, only_size: tuple[int, int] | None
) -> None:
    """Absolute positions are interpolated; a table of relative ones is not."""
    source = small_vit(img_size=48)
    settings = dict(source.settings)

    vit = PlainVit(
        EncoderSource(name="x", architecture=architecture, settings=settings, licence="none")
    )

    assert vit.only_size == only_size


@pytest.mark.parametrize(
    ("architecture", "is_plain"),
    [(TINY_VIT, True), (TINY, False), ("test_convnext", False), ("no_such", False)],
)
def test_plain_transformers_are_told_from_pyramids(architecture: str, is_plain: bool) -> None:
    """It takes neither memory for weights nor random numbers."""
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)

    found = is_plain_vit(EncoderSource(name="x", architecture=architecture, licence="none"))

    assert found is is_plain
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("name", [TINY, TINY_VIT])
def test_frozen_encoder_stays_as_it_is(name: str) -> None:
    """No gradients, no dropout, no new statistics, even in training mode."""
    encoder = ImageEncoder(name, is_frozen=True)
    before = {key: value.clone() for key, value in encoder.state_dict().items()}

    encoder.train()
    maps = encoder(IMAGES)

    assert not any(module.training for module in encoder.modules())
    assert not any(p.requires_grad for p in encoder.parameters())
    assert not any(feature_map.requires_grad for feature_map in maps)
    assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())


def test_fused_maps_of_one_stride_are_joined() -> None:
    """Strides are those of either; widths add up where both have a map."""
    pyramid, vit = ImageEncoder(TINY).eval(), ImageEncoder(TINY_VIT).eval()
    fused = FusedEncoder(pyramid, vit).eval()

    maps = fused(IMAGES)

    assert fused.strides == pyramid.strides
    widths = dict(zip(pyramid.strides, pyramid.channels, strict=True))
    assert fused.channels == tuple(
        width + (vit.channels[0] if stride == 16 else 0) for stride, width in widths.items()
    )
    assert [m.shape[1] for m in maps] == list(fused.channels)


def test_second_encoder_sees_pixels_as_its_weights_expect_them() -> None:
    """The images are normalised for the first; the second's own normalisation is restored."""
    first, second = ImageEncoder(TINY).eval(), ImageEncoder(TINY_VIT).eval()
    pixels = torch.rand(1, 3, 32, 32)
    for_first, for_second = (
        (pixels - torch.tensor(n.mean).view(1, 3, 1, 1)) / torch.tensor(n.std).view(1, 3, 1, 1)
        for n in (first.source.normalisation, second.source.normalisation)
    )

    maps = FusedEncoder(first, second).eval()(for_first)

    assert first.source.normalisation != second.source.normalisation
    own_map = maps[2][:, -second.channels[0] :]
    torch.testing.assert_close(own_map, second(for_second)[0], atol=1e-4, rtol=1e-4)


def test_fusion_adds_nothing_to_the_weights() -> None:
    """How to renormalise follows from the encoders' names."""
    fused = FusedEncoder(ImageEncoder(TINY), ImageEncoder(TINY_VIT))

    assert all(name.startswith(("first.", "second.")) for name in fused.state_dict())
