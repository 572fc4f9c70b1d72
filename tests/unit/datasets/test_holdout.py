"""Whole cases are held out, about as many images as asked for."""

import pytest

from dfaseg.datasets.holdout import hold_out
from dfaseg.errors import DatasetError


def _images(sizes: dict[str, tuple[int, int]]) -> list[tuple[str, str]]:
    return [
        (case, group)
        for case, counts in sizes.items()
        for group, count in zip(("benign", "malignant"), counts, strict=True)
        for _ in range(count)
    ]


def test_every_group_is_held_out_near_its_share() -> None:
    """A fifth of each grade goes, though cases differ in size."""
    images = _images({f"p{i}": (i % 4, (i + 2) % 5) for i in range(40)})

    held_out = hold_out(images, 0.2)

    for group in ("benign", "malignant"):
        cases = [case for case, other in images if other == group]
        share = sum(case in held_out for case in cases) / len(cases)
        assert share == pytest.approx(0.2, abs=0.03)


def test_order_of_images_has_no_part_in_the_choice() -> None:
    """The same cases are held out whatever the order of the files."""
    images = _images({f"p{i}": (i, 3) for i in range(9)})

    assert hold_out(images, 0.3) == hold_out(images[::-1], 0.3)


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_something_is_held_out_and_something_left(share: float) -> None:
    """Neither side is ever empty."""
    held_out = hold_out(_images({"a": (5, 5), "b": (5, 5)}), share)

    assert len(held_out) == 1


def test_single_case_cannot_be_split() -> None:
    """One patient cannot be learnt from and validated on."""
    with pytest.raises(DatasetError, match="at least two"):
        hold_out([("a", ""), ("a", "")], 0.2)
