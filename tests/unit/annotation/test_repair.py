"""Shapes as drawn are made valid, and who waits for it is told."""

import numpy as np
import pytest

from dfaseg.annotation import repair as module
from dfaseg.annotation.repair import repair

BOW_TIE = np.array([(0, 0), (4, 4), (4, 0), (0, 4)], np.float64)
SQUARE = np.array([(0, 0), (4, 0), (4, 4), (0, 4)], np.float64)


@pytest.mark.parametrize(
    ("outline", "said"),
    [(BOW_TIE, ["class 'tumour' with 4 vertices; this may take minutes"]), (SQUARE, [])],
    ids=["crosses itself", "valid"],
)
def test_repair_that_takes_long_is_announced(
    outline: np.ndarray,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A shape of a million vertices takes minutes, in which nothing else is said."""
    monkeypatch.setattr(module, "MANY_VERTICES", 4)

    with caplog.at_level("INFO", "dfaseg"):
        repair("tumour", outline)

    assert len(caplog.messages) == len(said)
    assert all(words in line for words, line in zip(said, caplog.messages, strict=True))


def test_ordinary_repair_is_not_announced(caplog: pytest.LogCaptureFixture) -> None:
    """Files have thousands of small shapes; they are counted in the end."""
    with caplog.at_level("INFO", "dfaseg"):
        _, was_repaired = repair("tumour", BOW_TIE)

    assert was_repaired
    assert not caplog.messages
