"""Which model leaves lookalikes alone? Chooses by a validation split that holds them.

``python assets/studies/lookalike_validation.py MODEL... --root EBHI`` scores models on the
validation images of EBHI-Seg twice: as they are, and with the lookalikes that training can paint
(``dfaseg/training/lookalikes``), every image once with each kind. It prints one line per model:
macro Dice plain, macro Dice painted, the share of painted pixels called anything but background
(over all kinds and for each), and the mean of both macro Dices, which is what to choose by.

As in training, textures cover glands too and what they cover is background; with
``--only-background`` every gland stays visible and keeps its class.
"""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfaseg.datasets.ebhi import INFO
from dfaseg.datasets.load import Split, load_split
from dfaseg.datasets.readers import read_dataset
from dfaseg.evaluation.confusion import ConfusionMatrix
from dfaseg.evaluation.metrics import compute_scores
from dfaseg.evaluation.windows import LogitsOf, WindowSpec, predict_masks, run_network
from dfaseg.model.network import load_network
from dfaseg.training.lookalikes import LookalikePainter
from dfaseg.training.spec import AugmentSpec

SEED = 20_190_019
"""No training drew from it, so no network has seen these pictures."""
PATCH_PX = 320
"""Side of the patches of training, whose own validation the plain score repeats."""
NUM_CLASSES = len(INFO.class_map)
KINDS = {
    "infiltrate": AugmentSpec(infiltrate=1),
    "squamous": AugmentSpec(squamous=1),
    "fat": AugmentSpec(fat=1),
    "blood": AugmentSpec(blood=1),
    "scrambled": AugmentSpec(scrambled=1),
}


@dataclass(frozen=True, slots=True)
class PaintedSplit:
    """A split with one kind of lookalike in every image.

    Attributes:
        images: RGB, uint8 ``(h, w, 3)`` each.
        labels: Classes, uint8 ``(h, w)`` each; what was painted is background.
        painted: Where the kind was painted, bool ``(h, w)`` each.
    """

    images: list[NDArray[np.uint8]]
    labels: list[NDArray[np.uint8]]
    painted: list[NDArray[np.bool_]]


def main() -> None:
    """Print what models make of the plain and the painted validation split."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL")
    parser.add_argument("--root", type=Path, required=True, help="folder of EBHI-Seg")
    parser.add_argument("--only-background", action="store_true", help="leave all glands visible")
    chosen = parser.parse_args()
    data = read_dataset("ebhi", chosen.root)
    background = data.info.glass_index
    assert background is not None
    plain = load_split(data.val)
    painted = {
        kind: paint(plain, spec, background, only_background=chosen.only_background)
        for kind, spec in KINDS.items()
    }
    _print_line("model", "plain", "painted", "called", *painted, "mean")
    for model in chosen.models:
        network = load_network(model, device="cpu")
        windows = WindowSpec(PATCH_PX, network.card.logit_stride, batch_size=4)
        scores = score(run_network(network), windows, plain, painted, background)
        _print_line(str(model), *(f"{value:.4f}" for value in scores))


def paint(
    split: Split, spec: AugmentSpec, background: int, *, only_background: bool
) -> PaintedSplit:
    """Paint a copy of every image, as training does or over its background only."""
    painter = LookalikePainter(spec, background)
    result = PaintedSplit([], [], [])
    for number, (before, truth) in enumerate(zip(split.images, split.labels, strict=True)):
        image, label = np.array(before), np.array(truth)
        painter.add(image, label, np.random.default_rng((SEED, number)))
        if only_background:
            kept = truth != background
            image[kept], label[kept] = before[kept], truth[kept]
        result.images.append(image)
        result.labels.append(label)
        result.painted.append((image != before).any(axis=-1) & (label == background))
    return result


def score(
    logits_of: LogitsOf,
    windows: WindowSpec,
    plain: Split,
    painted: dict[str, PaintedSplit],
    background: int,
) -> list[float]:
    """Return what a line shows of a model, in the order of its head."""
    as_is = _macro_dice(plain.labels, predict_masks(logits_of, plain.images, windows))
    labels: list[NDArray[np.uint8]] = []
    masks: list[NDArray[np.uint8]] = []
    wrong: list[int] = []
    pixels: list[int] = []
    for split in painted.values():
        found = list(predict_masks(logits_of, split.images, windows))
        inside = [mask[area] for mask, area in zip(found, split.painted, strict=True)]
        wrong.append(sum(int((part != background).sum()) for part in inside))
        pixels.append(sum(part.size for part in inside))
        labels += split.labels
        masks += found
    with_kinds = _macro_dice(labels, masks)
    shares = [part / whole for part, whole in zip(wrong, pixels, strict=True)]
    return [as_is, with_kinds, sum(wrong) / sum(pixels), *shares, (as_is + with_kinds) / 2]


def _macro_dice(labels: Iterable[NDArray[np.uint8]], masks: Iterable[NDArray[np.uint8]]) -> float:
    confusion = ConfusionMatrix(NUM_CLASSES)
    for label, mask in zip(labels, masks, strict=True):
        confusion.update(label, mask)
    return compute_scores(confusion).macro_dice


def _print_line(model: str, *cells: str) -> None:
    print(f"{model:60}", *(f"{cell:>10}" for cell in cells), flush=True)  # noqa: T201  # its result


if __name__ == "__main__":
    main()
