"""Which cases are held out of training, the same on every machine."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping

from dfaseg.errors import DatasetError


def hold_out(images: Iterable[tuple[str, str]], share: float) -> frozenset[str]:
    """Choose whole cases that together have about a given share of the images of each group.

    Cases are looked at one after the other, in an order that looks random but depends on their
    names only, and taken if that brings the groups nearer to the share. At least one case is taken
    and at least one is left.

    Args:
        images: Case and group (e.g. grade) of each image.
        share: Part of the images to hold out, between 0 and 1.

    Returns:
        The cases held out.

    Raises:
        DatasetError: There are fewer than two cases.
    """
    sizes: dict[str, Counter[str]] = {}
    for case, group in images:
        sizes.setdefault(case, Counter())[group] += 1
    if len(sizes) < 2:
        raise DatasetError(
            f"{len(sizes)} case: at least two are needed to hold one out of training"
        )
    ordered = sorted(sizes, key=shuffled_key)
    target = {group: share * total for group, total in _total(sizes).items()}
    taken: list[str] = []
    have: Counter[str] = Counter()
    for case in ordered:
        if _distance(have + sizes[case], target) < _distance(have, target):
            taken.append(case)
            have += sizes[case]
    if not taken:
        taken = [min(ordered, key=lambda case: sizes[case].total())]
    return frozenset(taken[: len(sizes) - 1])


def shuffled_key(text: str) -> str:
    """Return a key that sorts texts into an order without meaning, the same everywhere."""
    return hashlib.sha256(text.encode()).hexdigest()


def _total(sizes: Mapping[str, Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for counts in sizes.values():
        total += counts
    return total


def _distance(have: Mapping[str, float], target: Mapping[str, float]) -> float:
    return sum(abs(wanted - have.get(group, 0)) for group, wanted in target.items())
