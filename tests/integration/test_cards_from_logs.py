"""Runs whose model files are gone get cards from what their folders say."""

import json
import subprocess
import sys
from pathlib import Path

from dfaseg.model.checkpoint import read_card, save_checkpoint
from tests.model_files import tiny_card, tiny_model

SCRIPT = Path(__file__).resolve().parents[2] / "assets" / "studies" / "cards_from_logs.py"
LOG = """epoch,loss,delta one,delta two,delta three,bias one,bias two,bias three
1,0.5,0.1,0.2,0.3,0.4,0.5,0.6
2,0.4,-1.5,2.5,0,-2,2,1
3,0.3,7,8,9,10,11,12
"""


def make_run(folder: Path) -> Path:
    """Write what is brought back of a run: all but its weights."""
    folder.mkdir()
    (folder / "config.toml").write_text('seed = 4\n[bias]\nmode = "cold"\n', encoding="utf-8")
    (folder / "log.csv").write_text(LOG, encoding="utf-8")
    (folder / "scores.json").write_text(json.dumps({"epoch": 2}), encoding="utf-8")
    return folder


def test_card_is_that_of_the_best_epoch(tmp_path) -> None:
    """Seed and bias are the run's own, all else the other model's; what is there is kept."""
    model = tmp_path / "model.safetensors"
    save_checkpoint(model, tiny_model(), tiny_card())
    run, whole = make_run(tmp_path / "run"), make_run(tmp_path / "whole")
    (whole / "model.safetensors").write_bytes(b"weights")

    command = [sys.executable, str(SCRIPT), str(model), str(run), str(whole)]
    subprocess.run(command, check=True, capture_output=True)

    card, base = read_card(run / "model.safetensors"), read_card(model)
    assert (card.seed, card.bias.mode) == (4, "cold")
    assert card.bias.delta == (-1.5, 2.5, 0.0)
    assert card.bias.b == card.bias.b_centred == (-2.0, 2.0, 1.0)
    assert (card.classes, card.training_data) == (base.classes, base.training_data)
    assert (whole / "model.safetensors").read_bytes() == b"weights"
