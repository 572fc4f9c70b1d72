"""Does delta find the hard classes? Train on synthetic tissue in many ways, several seeds each.

``python assets/studies/synthetic_delta.py RUNS`` trains what RUNS lacks yet, one run after the
other (about a minute each on one core); synthetic_probes.py then takes the trained networks apart,
and synthetic_report.py writes tables and figures.
"""

import argparse
import json
import logging
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

import torch
from attention_watch import AttentionWatch
from surgery import loud_answers

from dfaseg.datasets.dataset import Dataset, Example, LabelledImage
from dfaseg.datasets.synthetic import SyntheticSpec, read_synthetic
from dfaseg.model.class_bias import BiasMode
from dfaseg.training.device import choose_placement
from dfaseg.training.loop import Trainer
from dfaseg.training.losses.spec import LossSpec
from dfaseg.training.spec import (
    AugmentSpec,
    BiasSpec,
    NetworkSpec,
    OptimiserSpec,
    TrainSpec,
)

FLIPS_ONLY = AugmentSpec(
    scale=(1.0, 1.0),
    mosaic=0.0,
    glass=0.0,
    stain=0.0,
    brightness=0.0,
    contrast=0.0,
    blur=0.0,
    noise=0.0,
)
"""Colour is what tells disease from its double here: varying it would change the difficulty."""

COMMON = TrainSpec(
    dataset="synthetic",
    epochs=12,
    batch_size=10,
    balance=0.0,
    network=NetworkSpec(preset="tiny"),
    optimiser=OptimiserSpec(lr=5e-3, ema_decay=0.98),
    augment=FLIPS_ONLY,
)


def with_bias(mode: BiasMode, lr_factor: float = 20.0, alpha: float = 0.5) -> TrainSpec:
    """Return the common settings with a class bias."""
    return replace(COMMON, bias=BiasSpec(mode, lr_factor=lr_factor, alpha=alpha))


VARIANTS: Mapping[str, TrainSpec] = MappingProxyType(
    {
        "none": with_bias("none"),
        "dfa-20": with_bias("dfa"),
        "cold-20": with_bias("cold"),
        "loud-none": with_bias("none"),
        "loud-dfa-20": with_bias("dfa"),
        "frozen-alpha-8": with_bias("frozen_init", alpha=8.0),
        "dfa-100": with_bias("dfa", lr_factor=100.0),
        "dfa-4": with_bias("dfa", lr_factor=4.0),
        "none-ce": replace(with_bias("none"), loss=LossSpec("ce")),
        "dfa-20-ce": replace(with_bias("dfa"), loss=LossSpec("ce")),
    }
)
"""What is compared. With lr 0.005, factor 4 lets delta travel as far in a run as the paper's
20 × 1e-4 does in ten times the steps."""

SEEDS = (0, 1, 2)
"""Of data, looks, weights and order alike."""


def run_dir(root: Path, variant: str, seed: int) -> Path:
    """Return the folder of one run."""
    return root / f"{variant}-seed{seed}"


def surgery(variant: str) -> AbstractContextManager[None]:
    """Return the context in which the networks of a variant live."""
    return loud_answers() if variant.startswith("loud") else nullcontext()


def load_once(data: Dataset) -> Dataset:
    """Return the data set with its pixels already drawn."""
    splits = (tuple(_drawn(split)) for split in (data.train, data.val, data.test))
    return Dataset(data.info, *splits)


def _drawn(examples: Iterable[Example]) -> Iterable[Example]:
    for example in examples:
        pixels = example.read()
        yield replace(example, read=partial(LabelledImage, *pixels))


def train(root: Path, variant: str, seed: int, data: Dataset) -> None:
    """Train one network and write ``result.json`` and ``watch.npz`` beside it."""
    folder = run_dir(root, variant, seed)
    spec = replace(VARIANTS[variant], seed=seed)
    started = time.process_time()
    with AttentionWatch() as watch, surgery(variant):
        result = Trainer(spec, data, folder, choose_placement("cpu", "fp32"), draws=False).run()
    watch.save(str(folder / "watch.npz"))
    record = {
        "variant": variant,
        "seed": seed,
        "best_epoch": result.best_epoch,
        "test_dice": [float(value) for value in result.test.dice],
        "macro_dice": result.test.macro_dice,
        "cpu_seconds": round(time.process_time() - started, 1),
    }
    (folder / "result.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Train all variants with all seeds; finished runs are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="folder of all runs")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    drawn: dict[int, Dataset] = {}
    for variant in chosen.variants:
        for seed in chosen.seeds:
            if (run_dir(chosen.root, variant, seed) / "result.json").is_file():
                continue
            if seed not in drawn:
                drawn[seed] = load_once(read_synthetic(SyntheticSpec(seed=seed)))
            logging.info("%s, seed %d", variant, seed)
            train(chosen.root, variant, seed, drawn[seed])


if __name__ == "__main__":
    main()
