"""Take the networks of synthetic_delta.py apart: what does b move, and what could stand in for it?

``python assets/studies/synthetic_probes.py RUNS`` writes ``RUNS/probes.json``.
"""

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench import Bench, nudge, share_attention, silence, stand_in
from synthetic_delta import SEEDS, run_dir, surgery

from dfaseg.datasets.load import Split, load_split
from dfaseg.datasets.synthetic import SyntheticSpec, read_synthetic
from dfaseg.model.checkpoint import load_checkpoint
from dfaseg.model.segmenter import DfaSegmenter
from dfaseg.training.device import choose_placement
from dfaseg.training.losses.build import build_loss
from dfaseg.training.losses.spec import LossSpec

VARIANTS = ("none", "dfa-20", "loud-none", "loud-dfa-20")
NUM_IMAGES = 40


def tune_bias_alone(bench: Bench, num_steps: int = 30) -> dict[str, Any]:
    """Hold all other weights still and let the loss choose b, by full-batch Adam."""
    class_bias = bench.network.class_bias
    start = class_bias.delta.detach().clone()
    change = torch.zeros_like(start, requires_grad=True)
    optimiser = torch.optim.Adam([change], lr=0.1)
    labels = torch.from_numpy(bench.labels)
    counts = np.bincount(bench.labels.ravel(), minlength=len(start)).tolist()
    loss_of = build_loss(LossSpec(), pixel_counts=counts, num_patches=len(labels))
    before = bench.look()
    losses = []
    for _ in range(num_steps):
        optimiser.zero_grad()
        logits = torch.func.functional_call(
            bench.network, {"class_bias.delta": start + change}, (bench.images,)
        ).logits
        loss = loss_of(logits, None, labels).total
        (gradient,) = torch.autograd.grad(loss, [change])
        change.grad = gradient
        losses.append(loss.item())
        optimiser.step()
    best = change.detach()
    with bench.bias_changed(best):
        after = bench.look()
    return {
        "b_change": (best - best.mean()).tolist(),
        "loss": [losses[0], losses[-1]],
        "dice_change": (after["dice"] - before["dice"]).tolist(),
    }


def probe(root: Path, variant: str, seed: int, split: Split, tuning: Split) -> dict[str, Any]:
    """Return all that the probes found about one trained network."""
    network = load_checkpoint(run_dir(root, variant, seed) / "model.safetensors").model
    assert isinstance(network, DfaSegmenter)
    placement = choose_placement("cpu", "fp32")
    bench, tuning_bench = (
        Bench(network, part.images, part.labels, placement) for part in (split, tuning)
    )
    with surgery(variant):
        return {
            "variant": variant,
            "seed": seed,
            "attention": share_attention(bench),
            "nudge": nudge(bench),
            "silence": silence(bench),
            "stand_in": stand_in(bench),
            "tuned": tune_bias_alone(tuning_bench),
        }


def main(arguments: Sequence[str] | None = None) -> None:
    """Probe the networks of all seeds; what is known already is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="folder of the runs")
    root = parser.parse_args(arguments).root
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    path = root / "probes.json"
    records = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    done = {(record["variant"], record["seed"]) for record in records}
    for seed in SEEDS:
        data = read_synthetic(SyntheticSpec(seed=seed))
        split, tuning = (load_split(part[:NUM_IMAGES]) for part in (data.test, data.train))
        for variant in VARIANTS:
            is_trained = (run_dir(root, variant, seed) / "result.json").is_file()
            if is_trained and (variant, seed) not in done:
                logging.info("%s, seed %d", variant, seed)
                records.append(probe(root, variant, seed, split, tuning))
                path.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
