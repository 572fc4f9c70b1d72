"""How much of a bare training loop's speed ``dfaseg train`` keeps.

    python -m tests.benchmark.train --dataset ebhi --root DIR [--preset NAME] [--steps N]

Both loops run in this process, in turns, with the same network, loss and batch size:

* bare: forward and backward on tensors that lie on the device already, nothing else;
* trainer: patches composed and augmented by threads, moved to the device, forward, backward,
  clipping, optimiser, averaged weights, losses fetched: all that an epoch of a run does.

The ratio of their patches per second is the figure to compare; it should not be below 0.7.
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dfaseg.training.batches import LabelledBatch

ROUNDS = 3
"""Turns that each loop takes; the median counts."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dataset", default="ebhi")
    parser.add_argument("--root", type=Path)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--steps", type=int, default=10, help="steps per turn")
    parser.add_argument("--batch-size", type=int, default=24)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--workers", type=int)
    arguments = parser.parse_args()

    from dfaseg.allocator import keep_freed_memory
    from dfaseg.limits import share_cores

    share_cores()
    keep_freed_memory()
    bare, trained = [], []
    loops = _Loops(arguments)
    loops.bare(2)
    loops.trainer(2)
    for _ in range(ROUNDS):
        bare.append(loops.bare(arguments.steps))
        trained.append(loops.trainer(arguments.steps))
    bare_speed, speed = statistics.median(bare), statistics.median(trained)
    print(f"bare loop   {bare_speed:8.1f} patches/s")
    print(f"trainer     {speed:8.1f} patches/s")
    print(f"ratio       {speed / bare_speed:8.2f}")


class _Loops:
    """The two loops over one network."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        from dfaseg.datasets.readers import read_dataset
        from dfaseg.training.augment import PatchComposer
        from dfaseg.training.device import choose_placement
        from dfaseg.training.learner import Learner
        from dfaseg.training.setup import build_state
        from dfaseg.training.spec import NetworkSpec, TrainSpec
        from dfaseg.training.training_split import load_training_split

        self.spec = TrainSpec(
            dataset=arguments.dataset,
            batch_size=arguments.batch_size,
            network=NetworkSpec(preset=arguments.preset),
        )
        data = read_dataset(arguments.dataset, arguments.root)
        self.placement = choose_placement(arguments.device, arguments.precision)
        self.workers = arguments.workers or self.placement.default_workers
        self.split = load_training_split(data, data.info.patch_px, self.spec.balance)
        self.composer = PatchComposer(
            self.split.split,
            self.split.places,
            self.split.weights,
            self.spec.augment,
            side_px=data.info.patch_px,
            glass_index=data.info.glass_index,
        )
        num_patches = self.split.num_patches(data.info.patch_px)
        self.state = build_state(self.spec, self.split.pixel_counts, num_patches, self.placement)
        self.state.network.train()
        self.learner = Learner(self.spec, self.state, self.placement)

    def bare(self, steps: int) -> float:
        """Return patches per second of forward and backward on resident tensors."""
        (batch,) = self._batches(1)
        scaling = self.placement.scaling(self.state.network.normalisation)
        pixels = scaling(self.placement.to_device(batch.images))
        labels = self.placement.to_device(batch.labels)
        started = time.perf_counter()
        for _ in range(steps):
            with self.placement.autocast():
                logits, iou = self.state.network(pixels)
            self.state.loss(logits, iou, labels).total.backward()
            self.state.optimiser.zero_grad(set_to_none=True)
        self._synchronise()
        return steps * self.spec.batch_size / (time.perf_counter() - started)

    def trainer(self, steps: int) -> float:
        """Return patches per second of the real thing."""
        from dfaseg.training.learner import LossMeter

        meter = LossMeter(self.placement.device)
        started = time.perf_counter()
        for step, batch in enumerate(self._batches(steps)):
            meter.add(self.learner.learn(batch, step, steps))
        meter.look()
        self._synchronise()
        return steps * self.spec.batch_size / (time.perf_counter() - started)

    def _batches(self, steps: int) -> "Iterator[LabelledBatch]":
        import numpy as np

        from dfaseg.training.batches import EpochPlan, plan_epoch, stream_batches

        indices = []
        while len(indices) < steps:
            plan = plan_epoch(self.split.weights, self.spec.batch_size, 0, len(indices))
            indices += list(plan.indices)
        return stream_batches(
            self.composer, EpochPlan(0, 0, np.stack(indices[:steps])), self.workers
        )

    def _synchronise(self) -> None:
        import torch

        if self.placement.device.type == "cuda":
            torch.cuda.synchronize()


if __name__ == "__main__":
    main()
