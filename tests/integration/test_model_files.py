"""Model files, resolved, loaded and run as ``predict`` does it."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dfaseg.errors import CheckpointError
from dfaseg.model.checkpoint import save_checkpoint
from dfaseg.model.network import load_network
from dfaseg.model.resolve import resolve_model
from tests.model_files import tiny_card, tiny_model, write_tiny_model

SCRIPT = """
import sys, torch
from dfaseg.model.network import load_network
from dfaseg.model.resolve import resolve_model
torch.set_num_threads(1)
network = load_network(resolve_model(sys.argv[1]), device="cpu", precision="fp32")
pixels = torch.arange(64 * 64 * 3).remainder(251).to(torch.uint8).view(1, 64, 64, 3)
print(network.sha256, network.logits(pixels).double().sum().item().hex())
"""


@pytest.mark.slow
def test_named_model_runs_the_same_in_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model in the model folder gives the same hash and the same bits elsewhere."""
    write_tiny_model(tmp_path / "tiny.safetensors")
    monkeypatch.setenv("DFASEG_MODEL_DIR", str(tmp_path))
    network = load_network(resolve_model("tiny"), device="cpu", precision="fp32")
    pixels = torch.arange(64 * 64 * 3).remainder(251).to(torch.uint8).view(1, 64, 64, 3)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    here = float(network.logits(pixels).double().sum()).hex()
    torch.set_num_threads(threads)

    elsewhere = subprocess.run(
        [sys.executable, "-c", SCRIPT, "tiny"], capture_output=True, text=True, check=True
    ).stdout

    assert elsewhere.split() == [network.sha256, here]


def test_trained_weights_reach_prediction(tmp_path: Path) -> None:
    """A training step changes the file and, with it, the logits."""
    model, path = tiny_model(), tmp_path / "tiny.safetensors"
    pixels = torch.full((1, 64, 64, 3), 200, dtype=torch.uint8)
    save_checkpoint(path, model, tiny_card())
    before = load_network(path, device="cpu", precision="fp32")
    wanted = before.logits(pixels)

    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    model(before.run.scaling(pixels)).logits.square().mean().backward()
    optimiser.step()
    save_checkpoint(path, model, tiny_card())
    after = load_network(path, device="cpu", precision="fp32")

    assert after.sha256 != before.sha256
    assert not torch.equal(after.logits(pixels), wanted)


def test_failed_save_keeps_the_old_file(tmp_path: Path) -> None:
    """Weights that are not finite leave the last good model and no scraps."""
    path = write_tiny_model(tmp_path / "tiny.safetensors")
    before, model = path.read_bytes(), tiny_model()
    torch.nn.init.constant_(next(model.parameters()), float("inf"))

    with pytest.raises(CheckpointError):
        save_checkpoint(path, model, tiny_card())

    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["tiny.safetensors"]


def test_packaged_model_runs() -> None:
    """The model that a plain install runs has a full card and finite logits."""
    try:
        path = resolve_model(None)
    except CheckpointError as error:
        pytest.skip(str(error))

    network = load_network(path, device="cpu", precision="fp32")
    side = network.card.patch_px
    logits = network.logits(torch.full((1, side, side, 3), 220, dtype=torch.uint8))

    assert logits.shape[1] == len(network.card.classes)
    assert network.card.training_data.attribution
    assert network.card.licence != "unknown"
