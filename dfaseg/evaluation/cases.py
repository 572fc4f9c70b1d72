"""Which cases of a split are worth showing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dfaseg.classmap import ClassMap
from dfaseg.evaluation.confusion import ConfusionMatrix
from dfaseg.evaluation.metrics import compute_scores


@dataclass(frozen=True, slots=True)
class ChosenCase:
    """A case worth showing.

    Attributes:
        index: Its place in the split.
        reason: Why it was chosen.
        macro_dice: Its own macro Dice.
    """

    index: int
    reason: str
    macro_dice: float

    @property
    def caption(self) -> str:
        """Reason and score in a few words."""
        return f"{self.reason}, macro Dice {self.macro_dice:.2f}"


def choose_cases(
    confusions: Sequence[ConfusionMatrix],
    class_map: ClassMap,
    frequencies: Sequence[float],
    *,
    max_rare: int = 3,
    unscored: Sequence[int] = (),
) -> list[ChosenCase]:
    """Choose the best, the median and the worst case by macro Dice, and one per rare class.

    A class is rare if it has less than half of an equal share of the training pixels. Its case is
    the one with most true pixels of it, however well that one went; none is shown twice. A case
    that is alone is neither best nor worst.

    Args:
        confusions: One matrix per case of the split.
        class_map: The classes.
        frequencies: Pixel frequency of each class in the training split.
        max_rare: Rare classes at most, the rarest first.
        unscored: Classes without scores of their own, as in ``compute_scores``.
    """
    dice = np.array([compute_scores(one, unscored).macro_dice for one in confusions])
    ranking = [int(index) for index in np.argsort(-dice, kind="stable") if np.isfinite(dice[index])]
    if not ranking:
        return []
    if len(ranking) == 1:
        return [ChosenCase(ranking[0], "the only one", float(dice[ranking[0]]))]
    reasons = {"best": ranking[0], "median": ranking[(len(ranking) - 1) // 2], "worst": ranking[-1]}
    chosen: dict[int, str] = {}
    for reason, index in reasons.items():
        chosen.setdefault(index, reason)
    for rare in _rare_classes(frequencies)[:max_rare]:
        pixels = [confusions[index].counts[rare].sum() for index in ranking]
        open_to_choice = [
            (count, index)
            for count, index in zip(pixels, ranking, strict=True)
            if count > 0 and index not in chosen
        ]
        if open_to_choice:
            _, index = max(open_to_choice)
            chosen[index] = f"rare class {class_map[rare].name}"
    return [ChosenCase(index, reason, float(dice[index])) for index, reason in chosen.items()]


def _rare_classes(frequencies: Sequence[float]) -> list[int]:
    limit = 0.5 / len(frequencies)
    order = np.argsort(frequencies, kind="stable")
    return [int(index) for index in order if 0 < frequencies[index] < limit]
