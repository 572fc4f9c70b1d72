"""A model file gives back what was saved, and loading one never runs code it holds."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dfaseg.errors import CheckpointError, OutputError
from dfaseg.model.build import BiasMode, PriorKind, build_segmenter, preset_spec
from dfaseg.model.checkpoint import (
    CARD_KEY,
    hash_file,
    load_checkpoint,
    read_card,
    save_checkpoint,
)
from dfaseg.model.class_bias import BiasScope
from tests.model_files import tiny_card, tiny_model, write_tiny_model


class Canary:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_round_trip_is_bit_equal(tmp_path: Path) -> None:
    """Every tensor and the card come back as they went, ready for prediction."""
    model, card = tiny_model(), tiny_card()
    path = tmp_path / "tiny.safetensors"

    save_checkpoint(path, model, card)
    loaded = load_checkpoint(path)

    state = loaded.model.state_dict()
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    assert loaded.card == card
    assert not loaded.model.training


@pytest.mark.parametrize("scope", ["shared", "layer", "head"])
@pytest.mark.parametrize("prior", ["focal", "inverse"])
@pytest.mark.parametrize("mode", ["dfa", "dfa_anchored", "cffa"])
def test_bias_of_any_scope_and_prior_comes_back(
    scope: BiasScope, prior: PriorKind, mode: BiasMode, tmp_path: Path
) -> None:
    """A file gives back b as trained, whatever it was made of and however it is shared."""
    spec = preset_spec("tiny", num_classes=3, bias_mode=mode, bias_scope=scope)
    model = build_segmenter(spec, pixel_frequencies=(0.5, 0.3, 0.2), prior=prior).eval()
    with torch.no_grad():
        model.class_bias.delta += torch.randn(model.class_bias.delta.shape)
    card = tiny_card(architecture=spec.to_record())

    save_checkpoint(tmp_path / "tiny.safetensors", model, card)
    loaded = load_checkpoint(tmp_path / "tiny.safetensors").model

    assert loaded.spec == spec
    assert torch.equal(loaded.class_bias.bias(), model.class_bias.bias())
    images = torch.randn(1, 3, 32, 32)
    assert torch.equal(loaded(images).logits, model(images).logits)


def test_logit_shift_comes_back(tmp_path: Path) -> None:
    """The shift is part of the network that a file describes."""
    model = tiny_model()
    model.shift_logits([0.25, -0.5, 0.0])
    path = tmp_path / "tiny.safetensors"

    save_checkpoint(path, model, tiny_card(architecture=model.spec.to_record()))
    loaded = load_checkpoint(path).model

    images = torch.randn(1, 3, 32, 32)
    assert torch.equal(loaded(images).logits, model(images).logits)


def test_fused_frozen_network_comes_back(tmp_path: Path) -> None:
    """Frozen encoders travel in the file; nothing else is needed to run it."""
    spec = replace(
        preset_spec("tiny", num_classes=3), second_encoder="test_vit", freeze_encoder=True
    )
    model = build_segmenter(spec).eval()
    path = tmp_path / "tiny.safetensors"

    save_checkpoint(path, model, tiny_card(architecture=spec.to_record()))
    loaded = load_checkpoint(path).model

    images = torch.randn(1, 3, 32, 32)
    assert torch.equal(loaded(images).logits, model(images).logits)


def test_same_network_gives_same_bytes(tmp_path: Path) -> None:
    """Two saves of one network have one hash, and it is the file's."""
    first, second = (write_tiny_model(tmp_path / name) for name in ("a", "b"))

    assert first.read_bytes() == second.read_bytes()
    assert load_checkpoint(first).sha256 == hash_file(second)


def test_loading_leaves_random_numbers_alone(tmp_path: Path) -> None:
    """A run's random numbers do not depend on whether it loaded a model."""
    path = write_tiny_model(tmp_path / "tiny.safetensors")
    torch.manual_seed(3)
    wanted = torch.rand(4)
    torch.manual_seed(3)

    load_checkpoint(path)

    assert torch.equal(torch.rand(4), wanted)


def test_read_card_needs_no_weights(tmp_path: Path) -> None:
    """The card alone can be read."""
    path = write_tiny_model(tmp_path / "tiny.safetensors")

    assert read_card(path) == tiny_card()


def test_unwritable_folder_is_an_output_error(tmp_path: Path) -> None:
    """Nothing appears where nothing can be written."""
    with pytest.raises(OutputError, match="cannot be written"):
        write_tiny_model(tmp_path / "missing" / "tiny.safetensors")


def test_diverged_weights_are_not_saved(tmp_path: Path) -> None:
    """Weights that are not finite replace no good file."""
    path = write_tiny_model(tmp_path / "tiny.safetensors")
    before, model = path.read_bytes(), tiny_model()
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] = float("nan")

    with pytest.raises(CheckpointError, match="not finite"):
        save_checkpoint(path, model, tiny_card())

    assert path.read_bytes() == before


@pytest.mark.parametrize("writer", ["torch", "legacy", "pickle", "protocol 0"])
def test_pickle_is_refused_and_never_run(tmp_path: Path, writer: str) -> None:
    """A pickle posing as a model is refused before any of it is executed."""
    canary, path = tmp_path / "canary", tmp_path / "model.safetensors"
    if writer == "torch":
        torch.save(Canary(canary), path)
    elif writer == "legacy":
        torch.save(Canary(canary), path, _use_new_zipfile_serialization=False)
    else:
        path.write_bytes(pickle.dumps(Canary(canary), protocol=0 if writer == "protocol 0" else 4))

    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)

    assert not canary.exists()
    assert "\n" not in str(caught.value)
    if writer != "protocol 0":
        assert "could run any code when loaded; ask its author" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a dfaseg model file"),
        (b"weights: see the paper\n", "not a dfaseg model file"),
        (b"PK\x03\x04 not a real archive", "damaged or cut-off archive"),
        (b"\x10\x00\x00\x00\x00\x00\x00\x00{not json at all}", "damaged or cut-off safetensors"),
    ],
    ids=["empty", "text", "zip", "header"],
)
def test_other_content_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """Whatever is no safetensors file is refused in one line."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)

    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(path)


@pytest.mark.parametrize("num_kept", [9, 200, -1])
def test_truncated_file_is_refused(tmp_path: Path, num_kept: int) -> None:
    """A half-copied file is refused, wherever it was cut."""
    path = write_tiny_model(tmp_path / "tiny.safetensors")
    path.write_bytes(path.read_bytes()[:num_kept])

    with pytest.raises(CheckpointError, match="damaged or cut-off safetensors file"):
        load_checkpoint(path)


@pytest.mark.parametrize("is_folder", [False, True])
def test_missing_file_and_folder_are_refused(tmp_path: Path, is_folder: bool) -> None:
    """There must be a file under the name."""
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(tmp_path if is_folder else tmp_path / "none.safetensors")


def test_safetensors_without_card_is_refused(tmp_path: Path) -> None:
    """Weights of something else are not guessed at."""
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(2)}, path)

    with pytest.raises(CheckpointError, match="without a dfaseg card"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", r"lacks the weights '.*' \(1 missing\)"),
        ("extra", r"holds unknown weights 'surprise' \(1 unknown\)"),
        ("shape", r"have shape \(1,\) instead of"),
    ],
)
def test_weights_must_fit_the_architecture(tmp_path: Path, change: str, message: str) -> None:
    """Weights that are missing, unknown or of another shape are named."""
    state = {name: tensor.contiguous() for name, tensor in tiny_model().state_dict().items()}
    if change == "missing":
        del state[min(state)]
    else:
        state["surprise" if change == "extra" else min(state)] = torch.zeros(1)
    path = tmp_path / "odd.safetensors"
    save_file(state, path, metadata={CARD_KEY: tiny_card().to_json()})

    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "architecture", [{}, {"encoder": "tiny"}, {**tiny_card().architecture, "encoder": "no_such"}]
)
def test_unknown_architecture_is_refused(tmp_path: Path, architecture: dict[str, object]) -> None:
    """A card whose architecture this version cannot build is refused."""
    path = write_tiny_model(tmp_path / "tiny.safetensors", architecture=architecture)

    with pytest.raises(CheckpointError, match="architecture cannot be built"):
        load_checkpoint(path)


def test_class_count_must_fit_the_architecture(tmp_path: Path) -> None:
    """A card that lists more classes than the network answers is refused."""
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(path, tiny_model(2), tiny_card(3, architecture=tiny_card(2).architecture))

    with pytest.raises(CheckpointError, match="3 classes in its card, 2 in its architecture"):
        load_checkpoint(path)


def test_newer_model_file_asks_for_an_upgrade(tmp_path: Path) -> None:
    """A file of a later format is refused before its weights are looked at."""
    path = tmp_path / "new.safetensors"
    save_file({"w": torch.zeros(1)}, path, metadata={CARD_KEY: json.dumps({"format_version": 99})})

    with pytest.raises(CheckpointError, match=r"written by a newer dfaseg .* upgrade"):
        load_checkpoint(path)
