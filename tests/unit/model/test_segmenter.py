"""The whole network."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.export import Dim, export

from dfaseg.errors import ConfigError
from dfaseg.model.build import build_segmenter, preset_spec
from dfaseg.model.class_bias import BIAS_RULES, BiasMode, BiasScope
from dfaseg.model.known_encoders import encoder_source
from dfaseg.model.segmenter import DfaSegmenter

FREQUENCIES = (0.5, 0.3, 0.2)
TINY = "test_efficientnet"


def make_segmenter(
    mode: BiasMode = "dfa", scope: BiasScope = "shared", *, predicts_iou: bool = False
) -> DfaSegmenter:
    """Build the tiny network of three classes, in evaluation mode."""
    torch.manual_seed(0)
    spec = replace(
        preset_spec("tiny", num_classes=3, bias_mode=mode),
        bias_scope=scope,
        predicts_iou=predicts_iou,
        position_encoding=predicts_iou,
    )
    segmenter = build_segmenter(spec, pixel_frequencies=FREQUENCIES, baseline_dice=(0.9, 0.5, 0.7))
    return segmenter.eval()


def make_images(*shape: int) -> Tensor:
    """Draw normalised images of the given ``(n, h, w)``."""
    num, height, width = shape
    return torch.randn(num, 3, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 32), (32, 96)])
def test_any_multiple_of_the_coarsest_stride_works(height: int, width: int) -> None:
    """Logits have a quarter of the image's size."""
    segmenter = make_segmenter()

    logits, iou = segmenter(make_images(1, height, width))

    assert segmenter.logit_stride == 4
    assert logits.shape == (1, 3, height // 4, width // 4)
    assert iou is None


@pytest.mark.parametrize(("height", "width"), [(48, 32), (32, 33)])
def test_other_sizes_are_refused(height: int, width: int) -> None:
    """The message says what sizes work."""
    with pytest.raises(ConfigError, match=r"patch of .*multiples of 32"):
        make_segmenter()(make_images(1, height, width))


@pytest.mark.parametrize("predicts_iou", [False, True], ids=["plain", "iou and positions"])
def test_batch_equals_one_by_one(predicts_iou: bool) -> None:
    """Images of a batch do not see each other."""
    segmenter = make_segmenter(predicts_iou=predicts_iou)
    images = make_images(3, 64, 32)

    batched = segmenter(images).logits
    single = torch.cat([segmenter(image[None]).logits for image in images])

    torch.testing.assert_close(batched, single, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("mode", BIAS_RULES)
def test_gradient_reaches_delta_only_where_it_is_learned(mode: BiasMode) -> None:
    """Fixed modes stay fixed; learned ones get a gradient for every class."""
    segmenter = make_segmenter(mode)

    segmenter(make_images(1, 32, 32)).logits.square().sum().backward()

    gradient = segmenter.class_bias.delta.grad
    if segmenter.class_bias.learned:
        assert gradient is not None
        assert (gradient != 0).all()
    else:
        assert gradient is None


@pytest.mark.parametrize("scope", ["layer", "head"])
def test_gradient_reaches_delta_of_every_layer_and_head(scope: BiasScope) -> None:
    """No layer or head has a bias that does nothing."""
    segmenter = make_segmenter("dfa", scope)

    segmenter(make_images(1, 32, 32)).logits.square().sum().backward()

    gradient = segmenter.class_bias.delta.grad
    assert gradient is not None
    assert (gradient != 0).all()


@pytest.mark.parametrize("encoder", [TINY, "test_vit", "test_convnext"])
def test_every_trained_parameter_gets_a_gradient(encoder: str) -> None:
    """No weight is dead, as distributed training requires."""
    spec = replace(make_segmenter(predicts_iou=True).spec, encoder=encoder)
    segmenter = DfaSegmenter(spec).train()

    logits, iou = segmenter(make_images(2, 64, 64))
    assert iou is not None
    (logits.square().sum() + iou.sum()).backward()

    silent = [name for name, p in segmenter.named_parameters() if p.grad is None]
    assert silent == []


def test_zero_bias_equals_no_bias_bit_for_bit() -> None:
    """Cold starts exactly where the network without bias stands."""
    images = make_images(1, 32, 32)

    assert torch.equal(make_segmenter("cold")(images).logits, make_segmenter("none")(images).logits)


def test_channels_last_gives_the_same_logits() -> None:
    """The memory format is a matter of speed alone."""
    images = make_images(2, 32, 64)
    expected = make_segmenter()(images).logits

    segmenter = make_segmenter().to(memory_format=torch.channels_last)
    logits = segmenter(images.to(memory_format=torch.channels_last)).logits

    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-4)


def test_bf16_autocast_stays_close_and_returns_float32() -> None:
    """Half precision changes digits, not the answer's type."""
    segmenter, images = make_segmenter(), make_images(1, 32, 32)

    with torch.inference_mode():
        expected = segmenter(images).logits
        with torch.autocast("cpu", torch.bfloat16):
            logits = segmenter(images).logits

    assert logits.dtype == torch.float32
    assert float((logits - expected).abs().max()) < 0.2 * float(expected.abs().max())


@pytest.mark.parametrize("encoder", ["test_efficientnet", "test_vit"])
def test_trained_parameters_are_all_there_once(encoder: str) -> None:
    """Encoder, decoder and delta share out what an optimiser moves; frozen weights are left out."""
    for is_frozen in (False, True):
        spec = replace(
            preset_spec("tiny", num_classes=3), encoder=encoder, freeze_encoder=is_frozen
        )
        segmenter = DfaSegmenter(spec)

        parts = segmenter.trained_parameters()

        found = [id(p) for part in parts.values() for p in part]
        assert sorted(found) == sorted(id(p) for p in segmenter.parameters() if p.requires_grad)
        assert (parts["encoder"] == []) is is_frozen
        assert parts["delta"] == [segmenter.class_bias.delta]


@pytest.mark.parametrize("is_frozen", [False, True], ids=["trained", "frozen"])
def test_copy_shares_frozen_encoders_only(is_frozen: bool) -> None:
    """A second network of averaged weights does not double an encoder that stays as it is."""
    segmenter = DfaSegmenter(replace(preset_spec("tiny", num_classes=2), freeze_encoder=is_frozen))

    twin = segmenter.copy()

    ours, theirs = (
        {id(p): name for name, p in net.named_parameters()} for net in (segmenter, twin)
    )
    shared = {name for key, name in ours.items() if key in theirs}
    assert shared == {name for name in ours.values() if is_frozen and name.startswith("encoder.")}
    assert all(torch.equal(segmenter.state_dict()[n], t) for n, t in twin.state_dict().items())


def test_frozen_network_learns_all_but_its_encoders() -> None:
    """Gradients reach neck, decoder and delta through encoders that keep none."""
    spec = replace(
        preset_spec("tiny", num_classes=3),
        second_encoder="test_vit",
        freeze_encoder=True,
    )
    segmenter = DfaSegmenter(spec).train()

    segmenter(make_images(2, 32, 32)).logits.square().sum().backward()

    learning = {name for name, p in segmenter.named_parameters() if p.grad is not None}
    assert learning == {n for n, _ in segmenter.named_parameters() if not n.startswith("encoder.")}


def test_images_are_normalised_for_the_first_encoder() -> None:
    """What a card must say follows from the encoder's weights."""
    spec = replace(preset_spec("tiny", num_classes=2), encoder="test_vit")

    assert DfaSegmenter(spec).normalisation.mean == (0.5, 0.5, 0.5)
    assert make_segmenter().normalisation.mean == (0.485, 0.456, 0.406)


def test_logit_shift_is_subtracted_from_every_pixel() -> None:
    """Post-hoc adjustment moves all logits of a class alike, and the spec says so."""
    segmenter, images = make_segmenter(), make_images(1, 32, 32)
    before = segmenter(images).logits

    segmenter.shift_logits([0.5, -1.0, 0.0])

    shift = torch.tensor([0.5, -1.0, 0.0]).view(1, 3, 1, 1)
    assert torch.equal(segmenter(images).logits, before - shift)
    assert segmenter.spec.has_logit_shift
    assert "logit_shift" in segmenter.state_dict()


def test_without_shift_the_state_holds_none() -> None:
    """Model files of networks without a shift keep their layout."""
    assert "logit_shift" not in make_segmenter().state_dict()


@pytest.mark.parametrize("shift", [[1.0], [1.0, 2.0, float("inf")]], ids=["length", "infinite"])
def test_impossible_logit_shift_is_refused(shift: list[float]) -> None:
    """A class without pixels has no finite logarithm of its frequency."""
    with pytest.raises(ConfigError, match="must be 3 finite numbers"):
        make_segmenter().shift_logits(shift)


@pytest.mark.parametrize("is_shifted", [False, True])
def test_scaled_logits_keep_their_order(is_shifted: bool) -> None:
    """All of them are multiplied, with what is subtracted; model files keep it in the weights."""
    segmenter, images = make_segmenter(), make_images(1, 32, 32)
    if is_shifted:
        segmenter.shift_logits([0.5, -1.0, 0.0])
    before = segmenter(images).logits

    segmenter.scale_logits(1.5)

    torch.testing.assert_close(segmenter(images).logits, before * 1.5)


@pytest.mark.parametrize("factor", [0.0, -1.0, float("inf"), float("nan")])
def test_impossible_factors_of_logits_are_refused(factor: float) -> None:
    """They would turn the classes round or leave none."""
    with pytest.raises(ConfigError, match=r"must be above 0 and finite"):
        make_segmenter().scale_logits(factor)


def test_model_in_half_precision_runs() -> None:
    """Weights themselves may be bfloat16."""
    segmenter = make_segmenter().bfloat16()

    assert segmenter(make_images(1, 32, 32).bfloat16()).logits.isfinite().all()


@pytest.mark.slow
def test_export_serves_any_batch_and_size() -> None:
    """torch.export keeps batch, height and width free, from 64 px on."""
    segmenter = make_segmenter()
    height, width = Dim("height32", min=2, max=64), Dim("width32", min=2, max=64)
    shapes = ({0: Dim("batch"), 2: 32 * height, 3: 32 * width},)

    program = export(segmenter, (make_images(2, 64, 96),), dynamic_shapes=shapes)

    images = make_images(3, 64, 128)
    torch.testing.assert_close(program.module()(images).logits, segmenter(images).logits)


@pytest.mark.slow
@pytest.mark.parametrize("is_fused", [False, True], ids=["pyramid", "fused and frozen"])
def test_graph_is_whole_for_compilation(is_fused: bool) -> None:
    """torch.compile finds no break in the graph."""
    segmenter, images = make_segmenter(), make_images(1, 32, 32)
    if is_fused:
        spec = replace(segmenter.spec, second_encoder="test_vit", freeze_encoder=True)
        segmenter = DfaSegmenter(spec).eval()

    compiled = torch.compile(segmenter, fullgraph=True, backend="eager")

    torch.testing.assert_close(
        compiled(images).logits, segmenter(images).logits, atol=1e-5, rtol=1e-4
    )


def test_encoder_without_stride_16_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the strides there are."""
    monkeypatch.setattr(
        "dfaseg.model.segmenter.ImageEncoder",
        lambda *_, **__: SimpleNamespace(strides=(14,), channels=(8,), source=encoder_source(TINY)),
    )
    with pytest.raises(ConfigError, match=r"strides \(14,\) but none of stride 16"):
        DfaSegmenter(preset_spec("tiny", num_classes=2))
