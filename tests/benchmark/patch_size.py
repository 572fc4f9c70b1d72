"""Which patch side and overlap suit a model: scores on pictures composed of validation images.

    python -m tests.benchmark.patch_size MODEL ROOT

ROOT is the folder of EBHI-Seg. Sixteen validation images of any class are laid side by side, as
tissues are on a slide, and segmented as `predict` does it; validation images only, so that the
choice does not touch the test split.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dfaseg.datasets.load import Split, load_split
from dfaseg.datasets.readers import read_dataset
from dfaseg.evaluation.confusion import ConfusionMatrix
from dfaseg.evaluation.metrics import compute_scores
from dfaseg.geometry import TileGrid
from dfaseg.limits import available_cores
from dfaseg.model.network import Network, load_network
from dfaseg.stitcher.canvas import Canvas, ReleasedRows
from dfaseg.stitcher.labels import LabelUpsampler
from tests.stitching import stitch

SIDE = 4
"""Images along each side of a composed picture."""
CANDIDATES = ((224, 56), (320, 64), (448, 64), (448, 128), (512, 72), (640, 92))


def compose(split: Split, seed: int = 0) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Yield composed pictures ``(h, w, 3)`` and their labels ``(h, w)``."""
    order = np.random.default_rng(seed).permutation(len(split.images))
    for first in range(0, len(order) - SIDE**2 + 1, SIDE**2):
        chosen = order[first : first + SIDE**2]
        side = min(min(split.images[index].shape[:2]) for index in chosen)
        rows = chosen.reshape(SIDE, SIDE)
        yield tuple(  # type: ignore[misc]  # two entries, as the signature says
            np.concatenate(
                [np.concatenate([source[i][:side, :side] for i in row], axis=1) for row in rows]
            )
            for source in (split.images, split.labels)
        )


def segment(
    picture: NDArray[np.uint8], network: Network, patch_px: int, overlap_px: int
) -> NDArray[np.uint8]:
    """Segment a picture in overlapping patches, white beyond its edges."""
    height, width = picture.shape[:2]
    grid = TileGrid(width, height, patch_px, overlap_px)
    num_classes, stride = len(network.card.classes), network.logit_stride
    canvas = Canvas(num_classes, grid, stride, "gaussian")
    upsampler = LabelUpsampler(num_classes, width, height, stride)
    padded = np.full((height + patch_px, width + patch_px, 3), 255, np.uint8)
    padded[:height, :width] = picture
    rows: list[ReleasedRows] = []
    for tile in grid.tiles():
        patch = torch.from_numpy(padded[tile.mask_rect.slices].copy())
        rows += stitch(canvas, [tile], network.logits(patch[None]))
    rows += canvas.drain(height)
    return np.concatenate([upsampler.add(r.logits.numpy(), r.covered.numpy()) for r in rows])


def main() -> None:
    """Score every candidate and print one line each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("root", type=Path)
    arguments = parser.parse_args()
    network = load_network(arguments.model, cores=available_cores())
    split = load_split(read_dataset("ebhi", arguments.root).val)
    print("patch  overlap  macro Dice  pixel accuracy  work per pixel")
    for patch_px, overlap_px in CANDIDATES:
        confusion = ConfusionMatrix(len(network.card.classes))
        for picture, label in compose(split):
            confusion.update(label, segment(picture, network, patch_px, overlap_px))
        scores = compute_scores(confusion)
        work = (patch_px / (patch_px - overlap_px)) ** 2
        print(
            f"{patch_px:5d}  {overlap_px:7d}  {scores.macro_dice:10.4f}  "
            f"{scores.pixel_accuracy:14.4f}  {work:14.2f}"
        )


if __name__ == "__main__":
    main()
