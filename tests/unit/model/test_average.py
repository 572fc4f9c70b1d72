"""Means of models: of all weights, and of one kind of network only."""

from pathlib import Path

import pytest
import torch

from dfaseg.errors import CheckpointError
from dfaseg.model.average import average_models
from dfaseg.model.checkpoint import load_checkpoint, save_checkpoint
from tests.model_files import tiny_card, tiny_model, write_tiny_model


def _write(path: Path, seed: int) -> Path:
    save_checkpoint(path, tiny_model(seed=seed), tiny_card())
    return path


def test_weights_are_means(tmp_path: Path) -> None:
    """Each weight, statistics of normalisation included; a model named twice counts twice."""
    first, second = (_write(tmp_path / f"{seed}.safetensors", seed) for seed in (1, 2))
    weights = [load_checkpoint(path).model.state_dict() for path in (first, second)]

    averaged = average_models([first, second, second]).state_dict()

    for name, tensor in averaged.items():
        one, other = weights[0][name], weights[1][name]
        expected = (one + 2 * other) / 3 if tensor.is_floating_point() else one
        torch.testing.assert_close(tensor, expected, msg=name)


def test_mean_of_one_model_is_the_model(tmp_path: Path) -> None:
    """To the last bit."""
    path = _write(tmp_path / "only.safetensors", 1)
    expected = load_checkpoint(path).model.state_dict()

    averaged = average_models([path, path]).state_dict()

    assert all(torch.equal(tensor, expected[name]) for name, tensor in averaged.items())


def test_models_of_other_classes_have_no_mean(tmp_path: Path) -> None:
    """The file that differs is named."""
    first = write_tiny_model(tmp_path / "first.safetensors")
    other = write_tiny_model(tmp_path / "other.safetensors", num_classes=4)

    with pytest.raises(CheckpointError, match=r"other.safetensors"):
        average_models([first, other])


def test_mean_of_nothing_is_an_error() -> None:
    """There is no network to return."""
    with pytest.raises(CheckpointError, match="none is given"):
        average_models([])
