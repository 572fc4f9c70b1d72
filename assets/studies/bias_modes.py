"""Does a learned class bias help? Seven bias modes and loss-side rivals, on real images.

``python assets/studies/bias_modes.py RUNS ebhi ROOT --encoder-weights FILE`` trains what RUNS lacks
yet, one run after the other, all of a seed from the same first weights, with the same batches and
the same budget. ``dfaseg eval RUNS/ebhi/* --out DIR`` then compares, and bias_modes_report.py
writes the tables of the documentation.
"""

import argparse
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

import torch

from dfaseg.datasets.dataset import Dataset, Example, LabelledImage
from dfaseg.datasets.readers import read_dataset
from dfaseg.datasets.resample import at_mpp
from dfaseg.model.class_bias import BiasMode
from dfaseg.training.baseline import read_baseline_dice
from dfaseg.training.device import choose_placement
from dfaseg.training.loop import Trainer
from dfaseg.training.losses.spec import LossName, LossSpec
from dfaseg.training.run_folder import RunFolder
from dfaseg.training.spec import BiasSpec, NetworkSpec, OptimiserSpec, TrainSpec

BUDGETS: Mapping[str, TrainSpec] = MappingProxyType(
    {
        "ebhi": TrainSpec(
            dataset="ebhi",
            epochs=8,
            batch_size=16,
            patch_px=96,
            mpp=1.4 * 224 / 96,
            optimiser=OptimiserSpec(ema_decay=0.99),
        ),
        "glas": TrainSpec(
            dataset="glas",
            epochs=8,
            batch_size=16,
            patch_px=128,
            mpp=1.86,
            optimiser=OptimiserSpec(ema_decay=0.98),
        ),
    }
)
"""What all runs of a data set share: small images and few epochs, so that a run takes one or two
minutes of one core."""

METHODS: Mapping[str, tuple[BiasMode, LossName]] = MappingProxyType(
    {
        "none": ("none", "focal_dice"),
        "dfa": ("dfa", "focal_dice"),
        "frozen_init": ("frozen_init", "focal_dice"),
        "cffa": ("cffa", "focal_dice"),
        "hcfa": ("hcfa", "focal_dice"),
        "dfa_anchored": ("dfa_anchored", "focal_dice"),
        "cold": ("cold", "focal_dice"),
        "ce": ("none", "ce"),
        "logit_adjusted": ("none", "logit_adjusted"),
        "class_balanced": ("none", "class_balanced"),
        "unified_focal": ("none", "unified_focal"),
        "ce_dice": ("none", "ce_dice"),
    }
)
"""Bias mode and loss by name; hcfa takes the validation Dice of ``none`` with the same seed."""


def load_once(data: Dataset) -> Dataset:
    """Return the data set with its pixels already decoded."""
    splits = (tuple(_decoded(split)) for split in (data.train, data.val, data.test))
    return Dataset(data.info, *splits)


def _decoded(examples: tuple[Example, ...]) -> Iterator[Example]:
    for example in examples:
        yield replace(example, read=partial(LabelledImage, *example.read()))


def make_spec(data: Dataset, common: TrainSpec, method: str, seed: int, runs: Path) -> TrainSpec:
    """Return the settings of one run."""
    mode, loss = METHODS[method]
    bias = BiasSpec(mode)
    if mode == "hcfa":
        dice = read_baseline_dice(run_dir(runs, "none", seed), data.info.class_map.names)
        bias = replace(bias, baseline_dice=dice)
    return replace(common, seed=seed, bias=bias, loss=LossSpec(loss))


def run_dir(runs: Path, method: str, seed: int) -> Path:
    """Return the folder of one run."""
    return runs / f"{method}-seed{seed}"


def main() -> None:
    """Train all methods with all seeds; finished runs are kept, begun ones go on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, help="folder of all runs")
    parser.add_argument("dataset", choices=BUDGETS)
    parser.add_argument("root", type=Path, help="folder of the data set")
    parser.add_argument("--encoder-weights", default="random", help="model file, for all runs")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    runs = chosen.runs / chosen.dataset
    network = NetworkSpec(encoder_weights=chosen.encoder_weights)
    common = replace(BUDGETS[chosen.dataset], network=network)
    data = load_once(at_mpp(read_dataset(chosen.dataset, chosen.root), common.mpp))
    placement = choose_placement("cpu", "fp32")
    for seed in chosen.seeds:
        for method in chosen.methods:
            folder = run_dir(runs, method, seed)
            if RunFolder(folder).scores.is_file():
                continue
            spec = make_spec(data, common, method, seed, runs)
            begun = RunFolder(folder).state.is_file()
            trainer = Trainer(spec, data, folder, placement, workers=1, draws=False)
            result = trainer.run(resume=begun)
            logging.info("%s %d: macro Dice %.4f", method, seed, result.test.macro_dice)


if __name__ == "__main__":
    main()
