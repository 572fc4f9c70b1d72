"""Which class a code or a name of a file means."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dfaseg.classmap import ClassMap
from dfaseg.errors import DatasetError, EvaluationError
from dfaseg.evaluation.align import Frame
from dfaseg.evaluation.class_names import (
    ScoredClasses,
    check_ignored,
    choose_class_map,
    read_as,
)


def classes_of(*names: str) -> ClassMap:
    """Return a class map with these names."""
    return ClassMap.from_records(
        [{"index": i, "name": name, "colour": "#102030"} for i, name in enumerate(names)]
    )


@dataclass
class FakeMask:
    """One row of codes."""

    codes: NDArray[Any]
    classes: ClassMap | None = None
    path: Path = Path("m.png")
    slide_id: str | None = None

    @property
    def frame(self) -> Frame:
        """Return the size."""
        return Frame(self.codes.shape[1], self.codes.shape[0])

    def read_rows(self, top: int, bottom: int) -> NDArray[Any]:
        """Return codes."""
        return self.codes[top:bottom]

    def close(self) -> None:
        """Nothing to let go of."""


CODES = np.array([[0, 1, 255]], np.uint8)
SCORED = ScoredClasses(classes_of("stroma", "Grey_matter"))


def test_codes_with_names_are_matched_by_name() -> None:
    """Case, underlines and American spelling do not matter."""
    mask = FakeMask(CODES, classes_of("gray matter", "STROMA"))
    assert read_as(SCORED, mask, "truth", is_given=False).read_rows(0, 1).tolist() == [[1, 0, 255]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_codes_without_names_are_indices_of_the_class_map(dtype: type) -> None:
    """Only if the user gave one."""
    labels = read_as(SCORED, FakeMask(CODES.astype(dtype)), "truth", is_given=True)

    assert labels.read_rows(0, 1).tolist() == [[0, 1, 255]]
    assert labels.read_rows(0, 1).dtype == np.uint8


def test_codes_without_names_or_class_map_are_refused() -> None:
    """Nobody should guess which number is the tumour."""
    with pytest.raises(EvaluationError, match=r"truth 'm\.png': does not name its classes"):
        read_as(SCORED, FakeMask(CODES), "truth", is_given=False)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_unknown_code_is_named(dtype: type) -> None:
    """In the quick way and in the slow one."""
    labels = read_as(SCORED, FakeMask(np.array([[2, 0]], dtype)), "truth", is_given=True)
    with pytest.raises(DatasetError, match="code 2 in 1 pixels is unknown"):
        labels.read_rows(0, 1)


def test_unknown_name_is_refused_with_the_way_out() -> None:
    """Only what is true can be left out; a prediction has to be counted."""
    mask = FakeMask(CODES, classes_of("stroma", "mucus"))
    with pytest.raises(EvaluationError, match=r"'mucus' is unknown.*--ignore 'mucus'"):
        read_as(SCORED, mask, "truth", is_given=False)
    with pytest.raises(EvaluationError, match=r"give a --class-map that has it$"):
        read_as(SCORED, mask, "prediction", is_given=False)


def test_ignored_class_becomes_255() -> None:
    """Whether the class map has it or not."""
    scored = ScoredClasses(SCORED.class_map, frozenset({"mucus", "stroma"}))
    mask = FakeMask(CODES, classes_of("stroma", "mucus"))

    assert read_as(scored, mask, "truth", is_given=False).read_rows(0, 1).tolist() == [[255] * 3]


def test_class_map_is_the_given_one_else_the_predictions_own() -> None:
    """Else that of the truth; one of them must name the classes."""
    given, own, other = classes_of("a"), classes_of("b"), classes_of("c")
    plain, named = FakeMask(CODES), FakeMask(CODES, own)

    assert choose_class_map(given, named, None) is given
    assert choose_class_map(None, named, FakeMask(CODES, other)) is own
    assert choose_class_map(None, plain, FakeMask(CODES, other)) is other
    with pytest.raises(EvaluationError, match="neither it nor its truth names its classes"):
        choose_class_map(None, plain, plain)


def test_ignored_names_must_be_somewhere() -> None:
    """In any form; no more files are opened for them than must be."""
    opened = iter(["Stroma", "tumour_bed", "mucus"])

    check_ignored(("Tumour bed",), opened)

    assert next(opened) == "mucus"
    with pytest.raises(EvaluationError, match="--ignore: class 'typo' is unknown; the classes are"):
        check_ignored(("stroma", "typo"), ["stroma", "mucus"])
    check_ignored((), opened)


def test_class_that_must_be_scored_is_not_among_the_ignored() -> None:
    """Nothing of it would be left to count."""
    scored = ScoredClasses(classes_of("stroma", "gland"), frozenset({"gland"}))

    assert scored.unscored == (1,)
    assert scored.find_scored("--objects", "stroma") == 0
    with pytest.raises(EvaluationError, match="--objects: class 'gland' is not scored"):
        scored.find_scored("--objects", "gland")
