"""How far can the class bias of a trained network move its masks at all?

``python assets/studies/bias_lever.py MODEL DATASET ROOT`` changes b of each class by -3, -1, 1 and
3, takes the image -> token attention out altogether, and prints as JSON what became of the masks of
the data set's validation images.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from bench import Bench, nudge, share_attention, silence, stand_in
from numpy.typing import NDArray

from dfaseg.datasets.load import load_split
from dfaseg.datasets.readers import read_dataset
from dfaseg.datasets.resample import at_mpp
from dfaseg.model.checkpoint import load_checkpoint
from dfaseg.model.segmenter import DfaSegmenter
from dfaseg.training.device import choose_placement

STRIDE_PX = 32
"""The network takes sides that are a multiple of this."""


def main() -> None:
    """Print what changing b does to one model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("dataset")
    parser.add_argument("root", type=Path, nargs="?", help="folder of the data set")
    parser.add_argument("--images", type=int, default=60, help="validation images drawn at random")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    loaded = load_checkpoint(chosen.model)
    data = at_mpp(read_dataset(chosen.dataset, chosen.root), loaded.card.mpp)
    order = np.random.default_rng(0).permutation(len(data.val))[: chosen.images]
    split = load_split([data.val[index] for index in order])
    network = loaded.model
    assert isinstance(network, DfaSegmenter)
    shortest = min(min(label.shape) for label in split.labels)
    side_px = min(loaded.card.patch_px, shortest // STRIDE_PX * STRIDE_PX)
    images, labels = (
        [centre(np.asarray(array), side_px) for array in arrays]
        for arrays in (split.images, split.labels)
    )
    bench = Bench(network, images, labels, choose_placement("cpu", "fp32"))
    report = {
        "dice": bench.look()["dice"].tolist(),
        "b_centred": network.class_bias.centred().tolist(),
        "attention": share_attention(bench),
        "nudge": nudge(bench),
        "silence": silence(bench),
        "stand_in": stand_in(bench),
    }
    print(json.dumps(report, indent=1))  # noqa: T201  # its result


def centre(array: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """Return the middle square of an image or a label."""
    top, left = ((size - side_px) // 2 for size in array.shape[:2])
    return array[top : top + side_px, left : left + side_px]


if __name__ == "__main__":
    main()
