"""Cases are parted as wholes, in about the shares that were asked for."""

from collections import Counter
from pathlib import Path

import pytest

from dfaseg.cutting.spec import LabelSpec
from dfaseg.cutting.splits import split_cases
from dfaseg.errors import ConfigError

IMAGES = [(f"patient {index % 40}", str(index % 3)) for index in range(400)]


def test_shares_are_about_what_was_asked_for() -> None:
    """Of 400 images, 15 % are held out twice."""
    splits = split_cases(IMAGES, val_share=0.15, test_share=0.15, seed=0)

    counts = Counter(splits[case] for case, _ in IMAGES)
    assert set(splits) == {case for case, _ in IMAGES}
    assert counts["val"] == pytest.approx(60, abs=10)
    assert counts["test"] == pytest.approx(60, abs=10)


def test_seed_gives_another_choice_and_the_same_one_again() -> None:
    """The order of the images plays no part."""
    first, second, again = (
        split_cases(images, val_share=0.15, test_share=0.15, seed=seed)
        for images, seed in ((IMAGES, 1), (IMAGES, 2), (IMAGES[::-1], 1))
    )

    assert first != second
    assert first == again


def test_two_cases_cannot_be_split() -> None:
    """There is none for the third split."""
    assert split_cases(IMAGES[:2], val_share=0.15, test_share=0.15, seed=0) == {}


@pytest.mark.parametrize(("val", "test"), [(0.0, 0.1), (0.5, 0.5)])
def test_impossible_shares_are_refused(val: float, test: float) -> None:
    """Each split needs something."""
    with pytest.raises(ConfigError, match="--val-share"):
        LabelSpec(annotations=Path("a"), val_share=val, test_share=test)
