"""Which cases are shown."""

import pytest

from dfaseg.classmap import ClassMap
from dfaseg.evaluation.cases import choose_cases
from dfaseg.evaluation.confusion import ConfusionMatrix

CLASSES = ClassMap.from_records(
    [
        {"index": i, "name": name, "colour": colour}
        for i, (name, colour) in enumerate(
            (("stroma", "#c80000"), ("tumour", "#00c800"), ("fat", "#0000c8"))
        )
    ]
)


def _confusion(right: int, wrong: int, rare: int = 0) -> ConfusionMatrix:
    confusion = ConfusionMatrix(3)
    confusion.counts[:] = [[right, wrong, 0], [0, right, 0], [0, 0, rare]]
    return confusion


def test_best_median_worst_and_rare_are_chosen() -> None:
    """The rare class's case is the one with most of it, however well it went."""
    confusions = [
        _confusion(5, 5), _confusion(9, 1), _confusion(1, 9), _confusion(6, 4, rare=2),
        _confusion(2, 8, rare=7),
    ]  # fmt: skip

    chosen = choose_cases(confusions, CLASSES, (0.5, 0.4, 0.1))

    reasons = {case.reason: case.index for case in chosen}
    assert reasons == {"best": 1, "median": 0, "worst": 2, "rare class fat": 4}
    assert chosen[0].caption == "best, macro Dice 0.95"


@pytest.mark.parametrize(
    ("confusions", "reasons"),
    [
        ([], []),
        ([ConfusionMatrix(3)], []),
        ([_confusion(9, 1)], ["the only one"]),
        ([_confusion(1, 9), _confusion(9, 1)], ["best", "worst"]),
    ],
    ids=["none", "all ignored", "one", "two"],
)
def test_small_splits_show_no_case_twice(
    confusions: list[ConfusionMatrix], reasons: list[str]
) -> None:
    """And cases without a labelled pixel are no cases."""
    chosen = choose_cases(confusions, CLASSES, (0.5, 0.4, 0.1))

    assert [case.reason for case in chosen] == reasons


def test_number_of_rare_classes_is_bounded() -> None:
    """A figure has room for some."""
    confusions = [_confusion(i, 1, rare=i) for i in range(1, 9)]

    chosen = choose_cases(confusions, CLASSES, (0.9, 0.05, 0.05), max_rare=0)

    assert all("rare" not in case.reason for case in chosen)
