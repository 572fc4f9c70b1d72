"""Does a model of colon tissue find glands in images of another laboratory?

``python assets/studies/glands_elsewhere.py MODEL GLAS_ROOT`` predicts GlaS at the model's
resolution and prints as JSON how well the classes other than background cover its glands, and which
classes they are in benign and in malignant images. It measures only: nothing is trained on GlaS.
"""

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dfaseg.datasets.glas import TABLE_FILE
from dfaseg.datasets.load import load_split
from dfaseg.datasets.readers import read_dataset
from dfaseg.datasets.resample import at_mpp
from dfaseg.evaluation.confusion import ConfusionMatrix
from dfaseg.evaluation.metrics import compute_scores
from dfaseg.evaluation.windows import WindowSpec, predict_masks, run_network
from dfaseg.model.network import load_network


def main() -> None:
    """Print what a model makes of GlaS."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("root", type=Path, help="folder of GlaS")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    network = load_network(chosen.model, device="cpu", precision="fp32")
    card = network.card
    data = at_mpp(read_dataset("glas", chosen.root), card.mpp)
    split = load_split((*data.train, *data.val, *data.test))
    grades = read_grades(chosen.root)
    windows = WindowSpec(card.patch_px, card.logit_stride, batch_size=2)
    masks = list(predict_masks(run_network(network), split.images, windows))
    report: dict[str, Any] = {"images": len(masks), "mpp": card.mpp}
    for grade in sorted(set(grades.values())):
        of_grade = [number for number, name in enumerate(split.names) if grades[name] == grade]
        report[grade] = describe(
            [split.labels[number] for number in of_grade],
            [masks[number] for number in of_grade],
            card.classes.names,
        )
    print(json.dumps(report, indent=1))  # noqa: T201  # its result


def read_grades(root: Path) -> dict[str, str]:
    """Return ``benign`` or ``malignant`` by the name of the image."""
    table = next(root.rglob(TABLE_FILE))
    with table.open(newline="", encoding="utf-8") as file:
        rows = [{key.strip(): value.strip() for key, value in row.items()}
                for row in csv.DictReader(file)]  # fmt: skip
    return {row["name"]: row["grade (GlaS)"] for row in rows}


def describe(
    labels: list[NDArray[np.uint8]], masks: list[NDArray[np.uint8]], names: tuple[str, ...]
) -> dict[str, Any]:
    """Return scores of all classes but the first as one, and what they are inside glands."""
    confusion = ConfusionMatrix(2)
    inside = np.zeros(len(names), np.int64)
    for label, mask in zip(labels, masks, strict=True):
        confusion.update(label, np.minimum(mask, 1))
        inside += np.bincount(mask[label == 1], minlength=len(names))
    scores = compute_scores(confusion)
    shares = inside / inside.sum()
    return {
        "images": len(labels),
        "gland_dice": round(float(scores.dice[1]), 4),
        "gland_precision": round(float(scores.precision[1]), 4),
        "gland_recall": round(float(scores.recall[1]), 4),
        "inside_glands": {
            name: round(float(share), 4) for name, share in zip(names, shares, strict=True)
        },
    }


if __name__ == "__main__":
    main()
