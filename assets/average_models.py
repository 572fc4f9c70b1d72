"""Make one model of several: the mean of their weights, and background where it is uncertain.

``python assets/average_models.py MODEL... --root EBHI --out OUT`` averages the weights of models
that were trained on from one another, or takes those of the only one. Then it adds the largest
offset to the logit of background that costs at most ``--cost`` of macro Dice on the validation
split: training images are mostly gland, slides are mostly not. A mean of models is less sure than
it could be, so all logits are multiplied by the number with which the cross-entropy of the
validation split is lowest. The result is scored in windows as large as those in which it predicts,
once on the test split. The card is that of the last model, with the new scores, and tells what was
done. Without ``--out`` it prints the offset and the scores on the validation split, and leaves the
test split alone: to choose by.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.datasets.load import Split, load_split
from dfaseg.datasets.readers import read_dataset
from dfaseg.evaluation.confusion import ConfusionMatrix
from dfaseg.evaluation.metrics import Scores, compute_scores
from dfaseg.evaluation.windows import WindowSpec, predict_logits
from dfaseg.model.average import average_models
from dfaseg.model.card import ModelCard
from dfaseg.model.checkpoint import read_card, save_checkpoint
from dfaseg.model.segmenter import DfaSegmenter
from dfaseg.training.card import bias_record
from dfaseg.training.device import choose_placement
from dfaseg.training.validation import LogitsOnDevice, score_split

PATCH_PX = 320
"""Side of the patches of training, in which offset and factor are chosen."""
BATCH_SIZE = 4
STEP, LARGEST = 0.05, 3.0
"""Offsets and factors that are tried."""


def main() -> None:
    """Write the model and print what it scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL")
    parser.add_argument("--root", type=Path, required=True, help="folder of EBHI-Seg")
    parser.add_argument("--out", type=Path, help="model file to write")
    parser.add_argument("--cost", type=float, default=0.005, help="macro Dice to give up")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    data = read_dataset("ebhi", chosen.root)
    val = load_split(data.val)
    network = average_models(chosen.models).eval()
    if network.spec.has_logit_shift:
        raise SystemExit("these models have an offset already; give those that training wrote")
    dice = dice_of_offsets(network, val)
    offset = list(dice)[last_affordable([*dice.values()], chosen.cost)]
    if chosen.out is None:
        print({"offset": offset, "val": {at: round(dice[at], 4) for at in (0.0, offset)}})  # noqa: T201  # its result
        return
    network.shift_logits([-offset, *[0.0] * (network.spec.num_classes - 1)])
    factor = choose_factor(network, val)
    network.scale_logits(factor)
    placement = choose_placement("cpu", "fp32")
    card = replace(read_card(chosen.models[-1]), limits=data.info.limits)
    scores = {
        name: score_split(network, split, card.patch_px, placement, BATCH_SIZE).pooled
        for name, split in (("val", val), ("test", load_split(data.test)))
    }
    mean = f"Mean of the weights of {len(chosen.models)} runs, " if len(chosen.models) > 1 else ""
    what_was_done = (
        f"{mean}{offset:g} added to the logit of background, all logits times {factor:g}."
    )
    card = describe(card, network, scores, what_was_done)
    save_checkpoint(chosen.out, network, card)
    found = {name: round(value.macro_dice, 4) for name, value in scores.items()}
    print({"offset": offset, "factor": factor, "macro_dice": found})  # noqa: T201  # its result


def dice_of_offsets(network: DfaSegmenter, split: Split) -> dict[float, float]:
    """Return macro Dice by offset on background's logit."""
    offsets = [round(number * STEP, 2) for number in range(round(LARGEST / STEP) + 1)]
    counts = [ConfusionMatrix(network.spec.num_classes) for _ in offsets]
    logits_of = LogitsOnDevice(network, choose_placement("cpu", "fp32"))
    windows = WindowSpec(PATCH_PX, network.logit_stride, BATCH_SIZE)
    found = predict_logits(logits_of, split.images, windows)
    for label, image in zip(split.labels, found, strict=True):
        for confusion, mask in zip(counts, masks_at(image.values, offsets), strict=True):
            confusion.update(label, mask.numpy())
    dice = (compute_scores(confusion).macro_dice for confusion in counts)
    return dict(zip(offsets, dice, strict=True))


def choose_factor(network: DfaSegmenter, split: Split) -> float:
    """Return the factor of all logits with which pixels' classes are least surprising."""
    factors = [number * STEP for number in range(1, round(LARGEST / STEP) + 1)]
    losses = [0.0] * len(factors)
    logits_of = LogitsOnDevice(network, choose_placement("cpu", "fp32"))
    windows = WindowSpec(PATCH_PX, network.logit_stride, BATCH_SIZE)
    found = predict_logits(logits_of, split.images, windows)
    for label, image in zip(split.labels, found, strict=True):
        truth = torch.from_numpy(label).long()[None]
        for place, factor in enumerate(factors):
            losses[place] += float(
                cross_entropy(
                    image.values[None] * factor, truth, ignore_index=IGNORE_INDEX, reduction="sum"
                )
            )
    return round(factors[losses.index(min(losses))], 2)


def last_affordable(values: Sequence[float], cost: float) -> int:
    """Return the last place before the first one whose value is too far below the first value."""
    too_low = (place for place, value in enumerate(values) if value < values[0] - cost)
    return next(too_low, len(values)) - 1


def masks_at(logits: torch.Tensor, offsets: Sequence[float]) -> Iterator[torch.Tensor]:
    """Yield the classes ``(h, w)`` of logits ``(k, h, w)`` for each offset on background's."""
    rest = logits[1:].max(dim=0)
    others = (rest.indices + 1).to(torch.uint8)
    for offset in offsets:
        yield others * (logits[0] + offset < rest.values)


def describe(
    card: ModelCard, network: DfaSegmenter, scores: dict[str, Scores], what_was_done: str
) -> ModelCard:
    """Return the card of the averaged network."""
    names = card.classes.names
    return replace(
        card,
        description=f"{card.description} {what_was_done}",
        architecture=network.spec.to_record(),
        bias=bias_record(network),
        metrics={"patch_px": card.patch_px}
        | {name: value.to_record(names) for name, value in scores.items()},
    )


if __name__ == "__main__":
    main()
