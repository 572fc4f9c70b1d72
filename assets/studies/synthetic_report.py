"""Turn the runs of synthetic_delta.py and synthetic_probes.py into tables and figures.

``python assets/studies/synthetic_report.py RUNS`` writes ``docs/results/synthetic.csv`` (one line
per run), ``docs/results/synthetic.json`` (all that the page quotes) and two pictures into
``docs/images``.
"""

import argparse
import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from synthetic_delta import VARIANTS
from synthetic_pictures import draw_examples, draw_results

from dfaseg.datasets.synthetic import INFO
from dfaseg.model.checkpoint import load_checkpoint
from dfaseg.model.class_bias import BIAS_RULES
from dfaseg.model.prior import focal_log_prior, warm_start

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / "docs" / "results"
IMAGES = REPOSITORY / "docs" / "images"

NAMES = INFO.class_map.names
# Contrasts between the four kinds of disease; background has no part in them.
CONTRASTS: Mapping[str, NDArray[np.float64]] = {
    "hard - easy": np.array([0, -1, 1, -1, 1]) / 2,
    "rare - common": np.array([0, -1, -1, 1, 1]) / 2,
    "interaction": np.array([0, -1, 1, 1, -1]) / 2,
}


def read_runs(root: Path) -> list[dict[str, Any]]:
    """Return what every finished run left: scores, delta and what was watched."""
    runs = []
    for variant in VARIANTS:
        for path in sorted(root.glob(f"{variant}-seed?/result.json")):
            run: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            log = read_log(path.parent)
            run["delta"] = run["delta_start"] = None
            if log["delta"].size:
                run["delta"] = centred(log["delta"][-1]).tolist()
                run["delta_start"] = delta_start(variant, path.parent).tolist()
            run["val_macro"] = log["macro_dice"].tolist()
            run |= read_watch(path.parent)
            runs.append(run)
    return runs


def delta_start(variant: str, folder: Path) -> NDArray[np.float64]:
    """Return delta before the first step, centred."""
    bias = VARIANTS[variant].bias
    if not BIAS_RULES[bias.mode].starts_warm:
        return np.zeros(len(NAMES))
    shares = load_checkpoint(folder / "model.safetensors").card.pixel_frequencies
    start = warm_start(focal_log_prior(shares, bias.gamma), shares, bias.alpha)
    return centred(start.double().numpy())


def read_log(folder: Path) -> dict[str, NDArray[np.float64]]:
    """Return the columns of log.csv that the study needs, one row per epoch."""
    with (folder / "log.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    deltas = [name for name in rows[0] if name.startswith("delta ")]
    return {
        "delta": np.array([[float(row[name]) for name in deltas] for row in rows]),
        "macro_dice": np.array([float(row["macro_dice"]) for row in rows]),
    }


def centred(delta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take the mean over the classes off, which no softmax sees."""
    return np.asarray(delta - delta.mean(axis=-1, keepdims=True))


def read_watch(folder: Path) -> dict[str, Any]:
    """Return push (minus the gradient) and noise of b per step, and the attention's shares."""
    watch = np.load(folder / "watch.npz")
    push = -watch["gradients"].sum(axis=1)  # (steps, k), all layers share b
    noise = push.std(axis=0)
    return {
        "num_steps": len(push),
        "push": push.mean(axis=0).tolist(),
        "noise": noise.tolist(),
        "largest_gradient": float(np.linalg.norm(push, axis=1).max()),
        "median_gradient": float(np.median(np.linalg.norm(push, axis=1))),
        "layer_push": (-watch["gradients"].mean(axis=0)).tolist(),
        "share": watch["shares"][-5:].mean(axis=(0, 1)).tolist(),
        "least_share": float(watch["shares"].min()),
    }


def interval(values: Sequence[float] | NDArray[np.float64]) -> dict[str, Any]:
    """Return mean, half width of the 95 % t-interval over seeds, and how many are above zero."""
    numbers = np.asarray(values, np.float64)
    count = len(numbers)
    spread = numbers.std(ddof=1) / count**0.5 if count > 1 else np.nan
    half = float(stats.t.ppf(0.975, count - 1) * spread) if count > 1 else None
    return {
        "mean": float(numbers.mean()),
        "half": half,
        "above_zero": int((numbers > 0).sum()),
        "seeds": count,
    }


def summarise(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return, per variant, scores and the two contrasts of delta and of the push on b."""
    baseline = {(run["variant"], run["seed"]): run["macro_dice"] for run in runs}
    summary = {}
    for variant in VARIANTS:
        own = [run for run in runs if run["variant"] == variant]
        pairs = [(run, baseline.get((_base(variant), run["seed"]))) for run in own]
        if own:
            gains = [run["macro_dice"] - base for run, base in pairs if base is not None]
            summary[variant] = _describe(own) | {"gain": interval(gains)}
    return summary


def _describe(own: Sequence[dict[str, Any]]) -> dict[str, Any]:
    push, noise = (np.array([run[key] for run in own]) for key in ("push", "noise"))
    entry: dict[str, Any] = {
        "test_dice": _by_class(np.array([run["test_dice"] for run in own])),
        "macro_dice": interval([run["macro_dice"] for run in own]),
        "median_gradient": float(np.median([run["median_gradient"] for run in own])),
        "largest_gradient": max(run["largest_gradient"] for run in own),
        "least_share": min(run["least_share"] for run in own),
        "push_over_noise": float(np.median(np.abs(push) / noise)),
        "push_contrast": _contrasts(push),
    }
    if own[0]["delta"] is not None:
        deltas = np.array([run["delta"] for run in own])
        travelled = deltas - np.array([run["delta_start"] for run in own])
        entry |= {
            "delta": _by_class(deltas),
            "delta_contrast": _contrasts(deltas),
            "travelled": float(np.sqrt((travelled**2).mean())),
            "travelled_by_chance": random_walk(own[0]["variant"], own[0]["num_steps"]),
        }
    return entry


def random_walk(variant: str, num_steps: int) -> float:
    """Return how far chance alone would carry a centred delta, as a root mean square.

    Adam divides a gradient by its own size. Where gradients are noise, each step is worth one
    learning rate in a random direction, however small the gradients are.
    """
    spec = VARIANTS[variant]
    step = spec.optimiser.lr * spec.bias.lr_factor
    return float(step * np.sqrt(num_steps * (1 - 1 / len(NAMES))))


def _by_class(values: NDArray[np.float64]) -> dict[str, Any]:
    return {name: interval(values[:, index]) for index, name in enumerate(NAMES)}


def _contrasts(values: NDArray[np.float64]) -> dict[str, Any]:
    return {name: interval(values @ weights) for name, weights in CONTRASTS.items()}


def _base(variant: str) -> str:
    """Return the variant without a bias that differs in nothing else."""
    if variant.startswith("loud"):
        return "loud-none"
    return "none-ce" if variant.endswith("-ce") else "none"


def summarise_probes(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return, per variant, what changing, dropping and replacing b did to trained networks."""
    summary = {}
    for variant in dict.fromkeys(record["variant"] for record in records):
        own = [record for record in records if record["variant"] == variant]
        summary[variant] = {
            "nudge": {f"{size:g}": _nudged(own, size) for size in (1.0, 3.0)},
            "silence": _silenced(own),
            "stand_in": _stood_in(own),
            "tuned": {
                "b_change": interval([_spread(record["tuned"]["b_change"]) for record in own]),
                "loss_change": interval(
                    [record["tuned"]["loss"][1] - record["tuned"]["loss"][0] for record in own]
                ),
                "hard - easy": interval(
                    [CONTRASTS["hard - easy"] @ record["tuned"]["b_change"] for record in own]
                ),
            },
        }
    return summary


def _nudged(own: Sequence[dict[str, Any]], size: float) -> dict[str, Any]:
    nudges = [n for record in own for n in record["nudge"] if abs(n["step"]) == size]
    dice = np.array([nudge["dice_change"] for nudge in nudges])
    return {
        "mean_dice_change": float(np.abs(dice).mean()),
        "largest_dice_change": float(np.abs(dice).max()),
        "mean_pixels_changed": float(np.mean([nudge["pixels_changed"] for nudge in nudges])),
        "largest_pixels_changed": max(nudge["pixels_changed"] for nudge in nudges),
    }


def _silenced(own: Sequence[dict[str, Any]]) -> dict[str, Any]:
    found = [record["silence"] for record in own]
    dice = np.array([silence["dice_change"] for silence in found])
    return {
        "dice_change": _by_class(dice),
        "pixels_changed": interval([silence["pixels_changed"] for silence in found]),
        "varying_answer_over_image": np.mean(
            [silence["varying_answer_over_image"] for silence in found], axis=0
        ).tolist(),
    }


def _stood_in(own: Sequence[dict[str, Any]]) -> dict[str, Any]:
    found = [record["stand_in"] for record in own]
    layers = [layer for stand_in in found for layer in stand_in["layers"]]
    return {
        "unevenness": float(np.median([layer["unevenness"] for layer in layers])),
        "shift_over_token": float(np.median([layer["shift_over_token"] for layer in layers])),
        "attention_change_by_b": float(np.mean([lay["attention_change_by_b"] for lay in layers])),
        "attention_error_of_shift": float(
            np.mean([layer["attention_error_of_shift"] for layer in layers])
        ),
        "pixels_changed_without_b": interval([s["pixels_changed_without_b"] for s in found]),
        "pixels_changed_with_shift": interval([s["pixels_changed_with_shift"] for s in found]),
    }


def _spread(values: Sequence[float]) -> float:
    return max(values) - min(values)


def write_table(path: Path, runs: Sequence[dict[str, Any]]) -> None:
    """Write one line per run: scores and final centred delta of each class."""
    header = ["variant", "seed", "best epoch", "CPU seconds", "test macro Dice"]
    header += [f"test Dice {name}" for name in NAMES] + [f"delta {name}" for name in NAMES]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for run in runs:
            about = [run["variant"], run["seed"], run["best_epoch"], run["cpu_seconds"]]
            scores = [f"{value:.4f}" for value in (run["macro_dice"], *run["test_dice"])]
            delta = [f"{value:.4f}" for value in run["delta"] or ()]
            writer.writerow([*about, *scores, *(delta or [""] * len(NAMES))])


def main() -> None:
    """Write tables and pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="folder of the runs")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the tables")
    parser.add_argument("--images", type=Path, default=IMAGES, help="folder of the pictures")
    chosen = parser.parse_args()
    chosen.results.mkdir(parents=True, exist_ok=True)
    runs = read_runs(chosen.root)
    probes = json.loads((chosen.root / "probes.json").read_text(encoding="utf-8"))
    summary = {"runs": summarise(runs), "probes": summarise_probes(probes)}
    text = json.dumps(rounded(summary), indent=1)
    (chosen.results / "synthetic.json").write_text(text + "\n", encoding="utf-8")
    write_table(chosen.results / "synthetic.csv", runs)
    draw_examples(chosen.images / "synthetic-examples.png")
    draw_results(chosen.images / "synthetic-delta.png", runs, probes)


def rounded(value: Any) -> Any:
    """Return the value with all its numbers cut to four significant digits."""
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [rounded(entry) for entry in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
