"""Words that depend on a number."""

import pytest

from dfaseg.wording import counted


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 tiles"), (1, "1 tile"), (2, "2 tiles"), (3000, "3,000 tiles")]
)
def test_only_one_is_singular(number: int, words: str) -> None:
    """None and many are called the same."""
    assert counted(number, "tile") == words


def test_plurals_may_differ() -> None:
    """Not every noun takes an s."""
    assert [counted(number, "patch", "patches") for number in (1, 2)] == ["1 patch", "2 patches"]
