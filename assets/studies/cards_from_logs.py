"""Let runs be compared whose model files stayed behind on the machine that trained them.

``python assets/studies/cards_from_logs.py MODEL RUN...`` gives each RUN that has no model file one
with a card and no weights. The card is MODEL's, of any run on the same data, with the run's own
seed, bias mode, delta and b. These are of the weights themselves at the end of the best epoch, as
``log.csv`` has them; the card of a whole model has their running means.
"""

import argparse
import csv
import json
import tomllib
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from dfaseg.model.card import BiasRecord, ModelCard
from dfaseg.model.checkpoint import CARD_KEY, read_card
from dfaseg.training.run_folder import RunFolder


def main() -> None:
    """Write what is missing; model files that are there stay as they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="model file of a run on the same data")
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    chosen = parser.parse_args()
    base = read_card(chosen.model)
    for run in chosen.runs:
        folder = RunFolder(run)
        if not folder.model.exists():
            metadata = {CARD_KEY: card_of(run, base).to_json()}
            save_file({"none": torch.zeros(1)}, folder.model, metadata=metadata)


def card_of(run: Path, base: ModelCard) -> ModelCard:
    """Return the card of a run, but for what is that of the base's weights."""
    folder = RunFolder(run)
    settings = tomllib.loads(folder.config.read_text(encoding="utf-8"))
    best = json.loads(folder.scores.read_text(encoding="utf-8"))["epoch"]
    with folder.log.open(newline="", encoding="utf-8") as file:
        row = next(row for row in csv.DictReader(file) if int(row["epoch"]) == best)
    numbers = {
        name: tuple(float(value) for key, value in row.items() if key.startswith(f"{name} "))
        for name in ("delta", "bias")
    }
    bias = BiasRecord(
        mode=settings["bias"]["mode"],
        b=numbers["bias"],
        delta=numbers["delta"],
        b_centred=numbers["bias"],
    )
    return replace(base, bias=bias, seed=settings["seed"])


if __name__ == "__main__":
    main()
