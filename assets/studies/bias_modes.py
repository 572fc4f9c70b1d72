"""Does a learned class bias help? Seven bias modes and loss-side rivals, on real images.

``python assets/studies/bias_modes.py RUNS ebhi ROOT --encoder-weights FILE`` trains what RUNS lacks
yet, all of a seed from the same first weights, with the same batches and the same budget; several
runs at a time with ``--processes``, on a CPU or side by side on one GPU. ``dfaseg eval RUNS/ebhi/*
--out DIR`` then compares, and bias_modes_report.py writes the tables of the documentation.
"""

import argparse
import logging
import multiprocessing
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class Study:
    """What all runs of a study share.

    Attributes:
        runs: Folder of all runs.
        root: Folder of the data set.
        common: Settings of every run but seed, bias and loss.
        device: cpu, cuda or cuda:N.
    """

    runs: Path
    root: Path
    common: TrainSpec
    device: str

    def run_dir(self, method: str, seed: int) -> Path:
        """Return the folder of one run."""
        return self.runs / f"{method}-seed{seed}"

    def is_finished(self, method: str, seed: int) -> bool:
        """Tell whether a run has been scored."""
        return RunFolder(self.run_dir(method, seed)).scores.is_file()


_data: dict[str, Dataset] = {}
"""The data set in this process, by name: it is decoded once for all runs."""


def start_process(study: Study) -> None:
    """Make this process ready for runs of a study."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    # fp32 means fp32: no matrix product and no convolution in TF32.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    data = read_dataset(study.common.dataset, study.root)
    _data[study.common.dataset] = load_once(at_mpp(data, study.common.mpp))


def make_spec(study: Study, method: str, seed: int, names: Sequence[str]) -> TrainSpec:
    """Return the settings of one run."""
    mode, loss = METHODS[method]
    bias = BiasSpec(mode)
    if mode == "hcfa":
        dice = read_baseline_dice(study.run_dir("none", seed), names)
        bias = replace(bias, baseline_dice=dice)
    return replace(study.common, seed=seed, bias=bias, loss=LossSpec(loss))


def train(study: Study, method: str, seed: int) -> None:
    """Train and score one network, or go on where it was stopped."""
    while mode_needs_baseline(method) and not study.is_finished("none", seed):
        time.sleep(0.5)  # another process is at it
    data = _data[study.common.dataset]
    spec = make_spec(study, method, seed, data.info.class_map.names)
    folder = study.run_dir(method, seed)
    begun = RunFolder(folder).state.is_file()
    placement = choose_placement(study.device, spec.precision)
    trainer = Trainer(spec, data, folder, placement, workers=1, draws=False)
    result = trainer.run(resume=begun)
    logging.info("%s %d: macro Dice %.4f", method, seed, result.test.macro_dice)


def mode_needs_baseline(method: str) -> bool:
    """Tell whether a method starts from the scores of another."""
    return METHODS[method][0] == "hcfa"


def order_runs(study: Study, methods: Sequence[str], seeds: Sequence[int]) -> list[tuple[str, int]]:
    """Return the runs that are missing, seed by seed.

    Those that start from another's scores come one seed later, so that no process waits for long.
    """
    runs = [(method, seed) for seed in seeds for method in methods]
    missing = [run for run in runs if not study.is_finished(*run)]
    return sorted(missing, key=lambda run: seeds.index(run[1]) + 1.5 * mode_needs_baseline(run[0]))


def train_all(study: Study, runs: Sequence[tuple[str, int]], processes: int) -> None:
    """Train networks, several at a time; the first that fails ends the study."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, spawn, start_process, (study,)) as pool:
        waiting = [pool.submit(train, study, method, seed) for method, seed in runs]
        for run in waiting:
            run.result()


def main() -> None:
    """Train all methods with all seeds; finished runs are kept, begun ones go on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, help="folder of all runs")
    parser.add_argument("dataset", choices=BUDGETS)
    parser.add_argument("root", type=Path, help="folder of the data set")
    parser.add_argument("--encoder-weights", default="random", help="model file, for all runs")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, help="in place of the budget's")
    parser.add_argument("--batch-size", type=int, help="in place of the budget's")
    parser.add_argument("--lr", type=float, help="in place of the budget's")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--processes", type=int, default=1, help="runs at a time")
    chosen = parser.parse_args()
    common = BUDGETS[chosen.dataset]
    study = Study(
        runs=chosen.runs / chosen.dataset,
        root=chosen.root,
        common=replace(
            common,
            network=NetworkSpec(encoder_weights=chosen.encoder_weights),
            epochs=chosen.epochs or common.epochs,
            batch_size=chosen.batch_size or common.batch_size,
            optimiser=replace(common.optimiser, lr=chosen.lr or common.optimiser.lr),
        ),
        device=chosen.device,
    )
    train_all(study, order_runs(study, chosen.methods, chosen.seeds), chosen.processes)


if __name__ == "__main__":
    main()
