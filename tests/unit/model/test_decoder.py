"""Neck, pixel decoder and mask decoder."""

from itertools import permutations

import pytest
import torch
from torch import Tensor, nn

from dfaseg.model.class_bias import ClassBias
from dfaseg.model.mask_decoder import ClassHypernetwork, ClassLinear, MaskDecoder
from dfaseg.model.pixel_decoder import FeatureNeck, LayerNorm2d, PixelDecoder
from dfaseg.model.transformer import TwoWayTransformer

NUM_CLASSES = 3
EMBED_DIM = 8
BIAS = torch.tensor([1.5, -1.0, 0.25])


def make_decoder(*, predicts_iou: bool = False) -> MaskDecoder:
    """Build a decoder of three classes with random weights."""
    torch.manual_seed(0)
    return MaskDecoder(
        num_classes=NUM_CLASSES,
        embed_dim=EMBED_DIM,
        transformer=TwoWayTransformer(
            depth=2, embed_dim=EMBED_DIM, num_heads=2, downsample_rate=2, mlp_dim=16
        ),
        pixel_decoder=PixelDecoder(
            embed_dim=EMBED_DIM, pixel_dim=4, skip_channels={4: 5, 8: 6}, activation="gelu"
        ),
        pixel_dim=4,
        positions=None,
        predicts_iou=predicts_iou,
    )


def make_bias(values: Tensor) -> ClassBias:
    """Build a shared, learned bias of given values."""
    class_bias = ClassBias(
        num_classes=NUM_CLASSES, mode="cold", scope="shared", num_layers=2, num_heads=2
    )
    with torch.no_grad():
        class_bias.delta.copy_(values)
    return class_bias


def make_maps() -> tuple[Tensor, dict[int, Tensor]]:
    """Build the fused map of a 32 x 48 px image and the encoder's fine maps."""
    generator = torch.Generator().manual_seed(1)
    fine = {
        4: torch.randn(1, 5, 8, 12, generator=generator),
        8: torch.randn(1, 6, 4, 6, generator=generator),
    }
    return torch.randn(1, EMBED_DIM, 2, 3, generator=generator), fine


def permute_classes(decoder: MaskDecoder, order: list[int]) -> None:
    """Reorder class tokens and hypernetworks; the bias is the caller's."""
    with torch.no_grad():
        decoder.class_tokens.copy_(decoder.class_tokens[order].clone())
        for parameter in decoder.hypernetwork.parameters():
            parameter.copy_(parameter[order].clone())


@pytest.mark.parametrize("order", list(permutations(range(NUM_CLASSES))), ids=str)
@pytest.mark.parametrize("predicts_iou", [False, True], ids=["plain", "iou token"])
def test_token_bias_and_channel_of_a_class_belong_together(
    order: tuple[int, ...], predicts_iou: bool
) -> None:
    """Reordering tokens, hypernetworks and biases reorders the logits and does nothing else.

    Were b[c] to act on another class's token, some reordering would change the values.
    """
    decoder = make_decoder(predicts_iou=predicts_iou)
    feature_map, fine = make_maps()
    logits, _ = decoder(feature_map, fine, make_bias(BIAS))

    permute_classes(decoder, list(order))
    moved, _ = decoder(feature_map, fine, make_bias(BIAS[list(order)]))

    torch.testing.assert_close(moved, logits[:, list(order)])


def test_bias_left_behind_changes_the_logits() -> None:
    """The law above is not empty: classes reordered without their biases give other values."""
    decoder = make_decoder()
    feature_map, fine = make_maps()
    logits, _ = decoder(feature_map, fine, make_bias(BIAS))

    permute_classes(decoder, [1, 2, 0])
    moved, _ = decoder(feature_map, fine, make_bias(BIAS))

    assert not torch.allclose(moved, logits[:, [1, 2, 0]], atol=1e-4)


@pytest.mark.parametrize(("predicts_iou", "is_neutral"), [(False, True), (True, False)])
def test_common_shift_is_neutral_only_without_iou_token(
    predicts_iou: bool, is_neutral: bool
) -> None:
    """The IoU token keeps bias 0, so a shift moves attention between it and the classes."""
    decoder = make_decoder(predicts_iou=predicts_iou)
    feature_map, fine = make_maps()

    logits, _ = decoder(feature_map, fine, make_bias(BIAS))
    shifted, _ = decoder(feature_map, fine, make_bias(BIAS + 3.0))

    assert torch.allclose(logits, shifted, atol=1e-5) is is_neutral


def test_iou_is_predicted_between_zero_and_one() -> None:
    """One number per class, only where asked for."""
    feature_map, fine = make_maps()

    _, iou = make_decoder(predicts_iou=True)(feature_map, fine, make_bias(BIAS))
    _, nothing = make_decoder()(feature_map, fine, make_bias(BIAS))

    assert iou.shape == (1, NUM_CLASSES)
    assert ((iou > 0) & (iou < 1)).all()
    assert nothing is None


def test_logit_is_dot_product_of_class_vector_and_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logits say how each pixel's embedding agrees with each class's vector."""
    decoder = make_decoder()
    feature_map, fine = make_maps()
    vectors, pixels = torch.randn(1, 3, 4), torch.randn(1, 4, 8, 12)
    monkeypatch.setattr(decoder.hypernetwork, "forward", lambda _: vectors)
    monkeypatch.setattr(decoder.pixel_decoder, "forward", lambda *_: pixels)

    logits, _ = decoder(feature_map, fine, make_bias(BIAS))

    torch.testing.assert_close(logits, torch.einsum("nkc,nchw->nkhw", vectors, pixels))


def test_class_linear_is_one_linear_map_per_class() -> None:
    """The batched product equals a loop over classes."""
    layer = ClassLinear(num_classes=3, in_dim=4, out_dim=5)
    vectors = torch.randn(2, 3, 4)

    looped = [vectors[:, c] @ layer.weight[c] + layer.bias[c] for c in range(3)]

    torch.testing.assert_close(layer(vectors), torch.stack(looped, dim=1))


def test_hypernetwork_of_one_class_ignores_other_tokens() -> None:
    """Class c's vector depends on class c's token alone."""
    torch.manual_seed(1)  # of so few units all can be silent
    hypernetwork = ClassHypernetwork(num_classes=3, embed_dim=4, pixel_dim=2)
    tokens = torch.randn(1, 3, 4)
    changed = tokens.clone()
    changed[:, 0] += 1.0

    before, after = hypernetwork(tokens), hypernetwork(changed)

    assert torch.equal(before[:, 1:], after[:, 1:])
    assert not torch.equal(before[:, 0], after[:, 0])


def test_neck_equals_one_convolution_over_joined_maps() -> None:
    """Projecting each map at its own size is the 1x1 convolution of the upsampled, joined maps."""
    neck = FeatureNeck(channels={16: 3, 32: 5}, embed_dim=4)
    maps = {16: torch.randn(1, 3, 4, 6), 32: torch.randn(1, 5, 2, 3)}
    first, second = neck.projections
    assert isinstance(first, nn.Conv2d)
    assert isinstance(second, nn.Conv2d)

    upsampled = nn.functional.interpolate(maps[32], size=(4, 6), mode="bilinear")
    joined = torch.cat((maps[16], upsampled), dim=1)
    projected = nn.functional.conv2d(joined, torch.cat((first.weight, second.weight), dim=1))
    expected = neck.norm_out(neck.mix(neck.norm_in(projected)))

    torch.testing.assert_close(neck(maps), expected)


def test_layer_norm_normalises_channels_and_keeps_memory_format() -> None:
    """Each pixel's channels get mean 0 and variance 1, without leaving channels-last."""
    feature_map = torch.randn(2, 6, 3, 4).to(memory_format=torch.channels_last)

    normalised = LayerNorm2d(6)(feature_map)

    assert normalised.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(normalised.mean(dim=1), torch.zeros(2, 3, 4), atol=1e-6, rtol=0)
    torch.testing.assert_close(
        normalised.var(dim=1, unbiased=False), torch.ones(2, 3, 4), atol=1e-3, rtol=0
    )


@pytest.mark.parametrize("skip_channels", [{}, {8: 6}, {4: 5, 8: 6}], ids=["none", "8", "4 and 8"])
def test_pixel_decoder_works_with_any_skips(skip_channels: dict[int, int]) -> None:
    """An encoder without fine maps still gets pixel embeddings at a quarter of the size."""
    decoder = PixelDecoder(
        embed_dim=8, pixel_dim=4, skip_channels=skip_channels, activation="hardswish"
    )
    feature_map, fine = make_maps()

    assert decoder(feature_map, fine).shape == (1, 4, 8, 12)
