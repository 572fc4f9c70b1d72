"""Loss settings: defaults by name, refusals, and the round trip through a table."""

from typing import Any, get_args

import pytest

from dfaseg.errors import ConfigError
from dfaseg.training.losses import LossName, LossSpec


def test_dice_names_take_the_papers_weights_by_default() -> None:
    """Both combined losses weigh pixel term, Dice and IoU alike, so that they can be compared."""
    expected = (0.25, 0.75, 0.0625)

    assert LossSpec("focal_dice").term_weights == LossSpec("ce_dice").term_weights == expected


@pytest.mark.parametrize("name", [n for n in get_args(LossName) if not n.endswith("_dice")])
def test_other_names_are_the_pixel_term_alone_by_default(name: LossName) -> None:
    """A rival is compared as it was published, without a Dice term."""
    assert LossSpec(name).term_weights == (1.0, 0.0, 0.0)


def test_given_weights_are_kept() -> None:
    """Any pixel term can be joined with Dice and IoU."""
    assert LossSpec("seesaw", weights=(0.125, 0.875, 0.0)).term_weights == (0.125, 0.875, 0.0)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"name": "focus"}, "focal_dice"),
        ({"weights": (1.0, 2.0)}, "weights"),
        ({"weights": (-1.0, 2.0, 0.0)}, "weights"),
        ({"weights": (0.0, 0.0, 1.0)}, "nothing to learn"),
        ({"gamma": float("nan")}, "gamma"),
        ({"gamma": -0.5}, "gamma"),
        ({"tau": float("inf")}, "tau"),
        ({"beta": 1.0}, "below 1"),
        ({"beta": True}, "beta"),
        ({"ohem_share": 0.0}, "above 0"),
        ({"ohem_share": 1.5}, "at most 1"),
        ({"ohem_min_pixels": -1}, "ohem_min_pixels"),
        ({"ohem_min_pixels": 0.5}, "whole"),
        ({"unified": (0.5, 0.6)}, "3 numbers"),
        ({"unified": (0.5, 1.6, 0.5)}, "unified"),
        ({"unified_asymmetric": "no"}, "true or false"),
        ({"seesaw": 0.8}, "2 numbers"),
        ({"seesaw": ("a", "b")}, "seesaw"),
    ],
)
def test_impossible_values_are_refused(values: dict[str, Any], word: str) -> None:
    """A bad number is named before training starts."""
    with pytest.raises(ConfigError, match=word):
        LossSpec(**values)
