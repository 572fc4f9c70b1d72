"""Presets, records and fresh weights."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from dfaseg.errors import ConfigError
from dfaseg.model.build import PRESETS, ModelSpec, WeightSources, build_segmenter, preset_spec
from dfaseg.model.class_bias import BIAS_RULES, BiasMode
from tests.official_weights import fill, sam_shapes

FREQUENCIES = (0.5, 0.3, 0.2)
DICE = (0.9, 0.5, 0.7)


def weights_of(mode: BiasMode) -> dict[str, torch.Tensor]:
    """Build the tiny network from a fixed seed and return its state."""
    torch.manual_seed(7)
    spec = preset_spec("tiny", num_classes=3, bias_mode=mode)
    segmenter = build_segmenter(spec, pixel_frequencies=FREQUENCIES, baseline_dice=DICE)
    return segmenter.state_dict()


@pytest.mark.parametrize("mode", [mode for mode in BIAS_RULES if mode != "none"])
def test_all_modes_start_from_the_same_weights(mode: BiasMode) -> None:
    """For one seed only the bias itself differs, and state dictionaries have one layout."""
    state, reference = weights_of(mode), weights_of("none")

    assert state.keys() == reference.keys()
    differing = {name for name in state if not torch.equal(state[name], reference[name])}
    assert differing <= {"class_bias.delta", "class_bias.log_prior"}


@pytest.fixture(scope="module")
def decoder_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of Segment Anything's layout for a decoder of width 16."""
    path = tmp_path_factory.mktemp("weights") / "sam.pth"
    shapes = sam_shapes(dim=16, mlp_dim=32)
    torch.save(fill({n: s for n, s in shapes.items() if not n.startswith("image_encoder")}), path)
    return path


@pytest.mark.parametrize("mode", [mode for mode in BIAS_RULES if mode != "none"])
def test_all_modes_start_from_the_same_loaded_weights(mode: BiasMode, decoder_file: Path) -> None:
    """Weights from a file change nothing in this: only the bias differs between the modes."""
    states = []
    for bias_mode in ("none", mode):
        torch.manual_seed(7)
        spec = replace(
            preset_spec("tiny", num_classes=3, bias_mode=bias_mode),
            sam_decoder=True,
            position_encoding=True,
            predicts_iou=True,
            pixel_dim=2,
            activation="gelu",
            encoder="test_vit",
        )
        segmenter = build_segmenter(
            spec,
            pixel_frequencies=FREQUENCIES,
            baseline_dice=DICE,
            weights=WeightSources(decoder=decoder_file),
        )
        states.append(segmenter.state_dict() | {"random": torch.get_rng_state()})

    reference, state = states
    assert state.keys() == reference.keys()
    differing = {name for name in state if not torch.equal(state[name], reference[name])}
    assert differing <= {"class_bias.delta", "class_bias.log_prior"}


def test_random_state_after_building_is_the_same_in_all_modes() -> None:
    """What is drawn later, such as the order of samples, does not depend on the mode either."""
    states = []
    for mode in BIAS_RULES:
        weights_of(mode)
        states.append(torch.get_rng_state())

    assert all(torch.equal(state, states[0]) for state in states)


@pytest.mark.parametrize("name", PRESETS)
def test_record_survives_json(name: str) -> None:
    """A spec written to JSON and read back is equal."""
    spec = preset_spec(name, num_classes=4, bias_mode="cold")

    assert ModelSpec.from_record(json.loads(json.dumps(spec.to_record()))) == spec


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, "unknown key colour"),
        ({"depth": None}, "missing key depth"),
        ({"depth": 0}, "depth is 0"),
        ({"depth": True}, "depth is True"),
        ({"depth": 2.0}, "depth is 2.0"),
        ({"encoder": 3}, "encoder is 3"),
        ({"predicts_iou": 1}, "predicts_iou is 1"),
        ({"bias_mode": "warm"}, "bias_mode is 'warm'"),
        ({"bias_scope": ["layer"]}, "bias_scope is"),
        ({"second_encoder": 3}, "second_encoder is 3"),
        ({"freeze_encoder": 1}, "freeze_encoder is 1"),
        ({"has_logit_shift": "yes"}, "has_logit_shift is 'yes'"),
        ({"num_heads": 3}, "embed_dim 16"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_impossible_record_is_refused(change: dict[str, Any], message: str) -> None:
    """Each message names the key."""
    record = {**preset_spec("tiny", num_classes=2).to_record(), **change}
    record = {key: value for key, value in record.items() if value is not None}

    with pytest.raises(ConfigError, match=message):
        ModelSpec.from_record(record)


def test_record_of_the_first_model_files_is_read() -> None:
    """Keys that came later are missing there; what they stand for was not there either."""
    record = preset_spec("tiny", num_classes=2).to_record()
    later = {"second_encoder", "freeze_encoder", "sam_decoder", "has_logit_shift"}
    first = {key: value for key, value in record.items() if key not in later}

    assert ModelSpec.from_record(first) == preset_spec("tiny", num_classes=2)


def test_unknown_preset_is_refused() -> None:
    """The message lists the presets."""
    with pytest.raises(ConfigError, match=r"preset 'huge'.*small"):
        preset_spec("huge", num_classes=2)


def test_encoder_can_be_replaced() -> None:
    """A preset keeps its other numbers."""
    spec = preset_spec("small", num_classes=2, encoder="resnet18")

    assert spec.encoder == "resnet18"
    assert spec.embed_dim == PRESETS["small"]["embed_dim"]


def test_encoder_replaces_all_of_the_presets_own() -> None:
    """Whoever names one encoder gets one, frozen or not as the preset says or as told."""
    paper = preset_spec("sam-path", num_classes=2)
    one = preset_spec("sam-path", num_classes=2, encoder="uni2-h")
    two = preset_spec("small", num_classes=2, second_encoder="hipt", freeze_encoder=True)

    assert (paper.encoder, paper.second_encoder, paper.freeze_encoder) == (
        "sam-vit-b",
        "hipt",
        True,
    )
    assert (one.encoder, one.second_encoder, one.freeze_encoder) == ("uni2-h", None, True)
    assert (two.second_encoder, two.freeze_encoder) == ("hipt", True)


@pytest.mark.parametrize(
    ("name", "encoder_millions", "decoder_millions", "size_multiple"),
    [("small", 1.3, 0.9, 32), ("base", 27.8, 5.2, 32), ("sam-path", 110.5, 5.1, 16)],
)
def test_presets_have_the_sizes_documented(
    name: str, encoder_millions: float, decoder_millions: float, size_multiple: int
) -> None:
    """The table of presets in the documentation is true."""
    with torch.device("meta"):
        segmenter = build_segmenter(preset_spec(name, num_classes=5))

    parts = segmenter.trained_parameters()
    encoder = sum(p.numel() for p in segmenter.encoder.parameters()) / 1e6
    decoder = sum(p.numel() for p in parts["decoder"]) / 1e6
    assert round(encoder, 1) == encoder_millions
    assert round(decoder, 1) == decoder_millions
    assert segmenter.size_multiple == size_multiple
    assert (not parts["encoder"]) is segmenter.spec.freeze_encoder


def test_weights_for_an_encoder_that_is_not_there_are_refused() -> None:
    """They are not silently left out."""
    weights = WeightSources(second_encoder=Path("weights.pth"))

    with pytest.raises(ConfigError, match="there is no second encoder"):
        build_segmenter(preset_spec("tiny", num_classes=2), weights=weights)


@pytest.mark.parametrize("is_frozen", [False, True])
def test_encoder_frozen_at_random_weights_is_pointed_out(
    is_frozen: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """It is allowed for trials; whoever forgot the weights learns where they are."""
    spec = replace(preset_spec("tiny", num_classes=3), freeze_encoder=is_frozen)

    build_segmenter(spec, pixel_frequencies=FREQUENCIES)

    assert ("frozen at random weights" in caplog.text) is is_frozen
    assert ("https://huggingface.co/timm/" in caplog.text) is is_frozen


def test_without_frequencies_the_bias_is_blank() -> None:
    """Weights about to be loaded bring prior and delta with them."""
    segmenter = build_segmenter(preset_spec("tiny", num_classes=3))

    assert segmenter.class_bias.bias().tolist() == [0.0] * 3


def test_settings_reach_the_bias() -> None:
    """Prior kind, alpha and gamma are not swallowed on the way."""
    spec = preset_spec("tiny", num_classes=2)
    focal = build_segmenter(spec, pixel_frequencies=(0.5, 0.5), gamma=3.0)
    inverse = build_segmenter(spec, pixel_frequencies=(0.2, 0.8), prior="inverse", alpha=0.1)

    assert focal.class_bias.log_prior.tolist() == pytest.approx([3 * math.log(0.5)] * 2)
    assert inverse.class_bias.bias().tolist() == pytest.approx(
        [0.05 * math.log(4.0), -0.05 * math.log(4.0)]
    )


def test_hard_class_mode_takes_its_prior_from_dice() -> None:
    """B = gamma * log(1 - Dice), not from frequencies."""
    spec = preset_spec("tiny", num_classes=3, bias_mode="hcfa")
    segmenter = build_segmenter(spec, pixel_frequencies=FREQUENCIES, baseline_dice=DICE)

    expected = [2 * math.log(1 - dice) for dice in DICE]
    assert segmenter.class_bias.bias().tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pixel_frequencies": FREQUENCIES}, "needs the per-class Dice"),
        ({"pixel_frequencies": (0.5, 0.5), "baseline_dice": DICE}, "2 numbers for 3 classes"),
        ({"pixel_frequencies": FREQUENCIES, "baseline_dice": (0.5,)}, "1 numbers for 3 classes"),
    ],
    ids=["no dice", "frequencies", "dice"],
)
def test_numbers_must_be_there_for_every_class(settings: dict[str, Any], message: str) -> None:
    """A missing or short table is named."""
    spec = preset_spec("tiny", num_classes=3, bias_mode="hcfa")

    with pytest.raises(ConfigError, match=message):
        build_segmenter(spec, **cast("Any", settings))
