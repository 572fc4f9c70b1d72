"""Which class of an evaluation is meant by a code or a name in a file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation import ClassRules
from dfaseg.annotation.class_rules import name_key
from dfaseg.classmap import IGNORE_INDEX, ClassMap, comparable_name
from dfaseg.datasets.pictures import CodeTable
from dfaseg.errors import EvaluationError
from dfaseg.evaluation.mask_files import MaskFile

_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class ScoredClasses:
    """The classes that are scored, and the names that are not.

    Attributes:
        class_map: The classes.
        ignored: Names, as ``comparable_name`` returns them, of what the truth marks as not scored.
        rules: What else the class map that the user gave says of names and codes, if one was given.
    """

    class_map: ClassMap
    ignored: frozenset[str] = frozenset()
    rules: ClassRules | None = None

    @property
    def indices(self) -> Mapping[str, int]:
        """Class index, or 255, of each name in its comparable form."""
        known = {comparable_name(entry.name): entry.index for entry in self.class_map}
        others = {} if self.rules is None else dict(self.rules.indices)
        return others | known | dict.fromkeys(self.ignored, IGNORE_INDEX)

    @property
    def codes(self) -> dict[int, int]:
        """Class index, or 255, of each code of a mask that does not name its classes."""
        own = {entry.index: entry.index for entry in self.class_map}
        stated = own if self.rules is None else self.rules.codes
        scored = {
            code: IGNORE_INDEX if index in self.unscored else index
            for code, index in stated.items()
        }
        return {IGNORE_INDEX: IGNORE_INDEX} | scored

    def in_prediction(self) -> "ScoredClasses":
        """Return the classes for a prediction: what only the truth may leave out is unknown there.

        Were it read as not analysed, mistakes would not count.
        """
        if self.rules is None:
            return ScoredClasses(self.class_map)
        indices, codes = _classes_among(self.rules.indices), _classes_among(self.rules.codes)
        rules = replace(self.rules, indices=indices, codes=codes)
        return ScoredClasses(self.class_map, rules=rules)

    @property
    def unscored(self) -> tuple[int, ...]:
        """Indices of the classes that are among the ignored names."""
        return tuple(
            entry.index for entry in self.class_map if comparable_name(entry.name) in self.ignored
        )

    def find_scored(self, what: str, name: str) -> int:
        """Return the index of a class that must be scored.

        Args:
            what: Who asks for it, for the message, e.g. "--objects".
            name: As written.

        Raises:
            EvaluationError: The name is unknown, or that of a class that is not scored.
        """
        (index,) = self.find(what, [name])
        if index == IGNORE_INDEX:
            raise EvaluationError(
                f"{what}: class '{name}' is not scored; choose another, or leave out --ignore"
                f" '{name}'"
            )
        return index

    def find(self, what: str, names: Iterable[str], *, is_truth: bool = False) -> list[int]:
        """Return the class index of each name, 255 for what is not scored.

        Args:
            what: Whose names they are, for the message, e.g. "truth 'a.geojson'".
            names: As written.
            is_truth: Whether a name may be left out on request.

        Raises:
            EvaluationError: A name is unknown.
        """
        indices, names = self.indices, list(names)
        unknown = sorted({name for name in names if name_key(name) not in indices})
        if unknown:
            more = f" (and {len(unknown) - 1} others)" if len(unknown) > 1 else ""
            raise EvaluationError(
                f"{what}: class '{unknown[0]}'{more} is unknown; the classes are"
                f" {', '.join(self.class_map.names)}; give a --class-map that has it"
                + (f" or leave it out with --ignore '{unknown[0]}'" if is_truth else "")
            )
        return [indices[name_key(name)] for name in names]


@dataclass(frozen=True, slots=True)
class MaskLabels:
    """A mask whose codes are read as the classes of an evaluation."""

    file: MaskFile
    table: CodeTable
    num_identical: int
    """So many codes from 0 on, and 255, are class indices already."""

    def read_rows(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return class indices, 255 where not analysed, shape ``(bottom - top, width)``.

        Raises:
            DatasetError: A code is unknown.
        """
        codes = self.file.read_rows(top, bottom)
        if self._are_indices(codes):
            return codes
        return self.table.to_label(codes, self.file.path)

    def _are_indices(self, codes: NDArray[Any]) -> bool:
        """Tell whether nothing has to be translated; one more than 255 is 0."""
        is_quick = self.num_identical > 0 and codes.dtype == np.uint8
        return is_quick and int((codes + np.uint8(1)).max(initial=0)) <= self.num_identical


def check_ignored(ignored: Iterable[str], names: Iterable[str]) -> None:
    """Refuse a name of what is not scored that no file and no class map has.

    Args:
        ignored: As the user wrote them.
        names: Those of all classes; only as many are taken as are needed to find all.

    Raises:
        EvaluationError: One is unknown; it is named.
    """
    missing = {comparable_name(name): name for name in ignored}
    known: dict[str, str] = {}
    for name in names if missing else ():
        known.setdefault(comparable_name(name), name)
        missing.pop(comparable_name(name), None)
        if not missing:
            return
    for name in missing.values():
        raise EvaluationError(
            f"--ignore: class '{name}' is unknown; the classes are {', '.join(known.values())};"
            " give a name as the class map or the truth has it"
        )


def choose_class_map(
    given: ClassMap | None, prediction: MaskFile, truth: MaskFile | None
) -> ClassMap:
    """Return the classes to score: as given, else the prediction's own, else the truth's.

    Args:
        given: What the user gave.
        prediction: The first prediction.
        truth: Its truth, where that is a mask.

    Raises:
        EvaluationError: Nobody names the classes.
    """
    found = given or prediction.classes or (truth and truth.classes)
    if not found:
        raise EvaluationError(
            f"mask '{prediction.path}': neither it nor its truth names its classes; give them with"
            " --class-map"
        )
    return found


def read_as(scored: ScoredClasses, file: MaskFile, what: str, *, is_given: bool) -> MaskLabels:
    """Match the codes of a mask with the classes that are scored.

    By name where the mask names its classes; else by code, if the user gave the class map that
    says what codes mean.

    Args:
        scored: The classes.
        file: The mask.
        what: "prediction" or "truth", for messages.
        is_given: Whether the user gave the class map.

    Raises:
        EvaluationError: A name is unknown, or the mask has none and no class map was given.
    """
    own = file.classes
    if own is None:
        if not is_given:
            raise EvaluationError(
                f"{what} '{file.path}': does not name its classes; give them with --class-map, in"
                " the order of its codes"
            )
        codes = scored.codes
        remedy = "correct the mask, or give a --class-map that has it"
    else:
        indices = scored.find(f"{what} '{file.path}'", own.names, is_truth=what == "truth")
        codes = dict(enumerate(indices)) | {IGNORE_INDEX: IGNORE_INDEX}
        remedy = "it is none of the mask's own classes; write the mask again"
    return MaskLabels(file, CodeTable(codes, remedy=remedy), _num_identical(codes))


def _classes_among(meanings: Mapping[_Key, int]) -> dict[_Key, int]:
    return {key: index for key, index in meanings.items() if index != IGNORE_INDEX}


def _num_identical(codes: Mapping[int, int]) -> int:
    """Return how many codes from 0 on mean themselves, 0 where 255 does not."""
    if codes[IGNORE_INDEX] != IGNORE_INDEX:
        return 0
    return next(code for code in count() if codes.get(code) != code)
