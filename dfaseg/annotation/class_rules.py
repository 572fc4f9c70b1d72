"""What the names in annotations mean: classes, what is ignored, regions of interest, order."""

import colorsys
import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dfaseg.classmap import IGNORE_INDEX, ClassMap, comparable_name
from dfaseg.errors import AnnotationError

UNNAMED = "unclassified"
"""What objects without a class are called."""

_QUPATH_IGNORE, _QUPATH_REGION = "ignore*", "region*"
"""Classes that QuPath offers, and what it leaves out when it counts."""
_PALETTE = (
    *("#d55e00", "#0072b2", "#009e73", "#e69f00", "#cc79a7", "#56b4e9"),
    *("#f0e442", "#7f3c8d", "#80b1d3", "#a5aa99", "#4b4b8f", "#6f9940"),
)
"""After Okabe & Ito, whose colours colour-blind people can tell apart."""
_GOLDEN = 0.618034
"""Turns of hue that keep even many colours apart."""
_MAX_LISTED = 12
_REMEDY = (
    "add what is missing to the class map: as a class, to the names of one, to ignore or to"
    " regions_of_interest"
)


@dataclass(frozen=True, slots=True)
class ClassRules:
    """How drawn shapes become labels.

    Attributes:
        class_map: The classes.
        indices: Class index, or 255 for what is ignored, of each name as ``comparable_name``
            returns it.
        regions_of_interest: Names, likewise, of shapes that show nothing but where to look: what
            lies outside of them is 255.
        order: Class indices from below to above where that is not the order of the file; classes
            that are not in it lie below those that are.
        background: Class index of what no shape covers; None where that is 255.
        codes: Class index, or 255, of each code of a label picture.
    """

    class_map: ClassMap
    indices: Mapping[str, int]
    regions_of_interest: frozenset[str] = frozenset()
    order: tuple[int, ...] = ()
    background: int | None = None
    codes: Mapping[int, int] = field(default_factory=dict)

    def is_region_of_interest(self, name: str) -> bool:
        """Tell whether shapes of this name say where to look."""
        return name_key(name) in self.regions_of_interest

    def index_of(self, name: str) -> int:
        """Return the class index of a name, 255 for what is ignored.

        Raises:
            AnnotationError: The name is unknown or that of regions of interest.
        """
        index = self.indices.get(name_key(name))
        if index is None:
            raise AnnotationError(f"class '{name or UNNAMED}' is unknown")
        return index

    def check_names(
        self, what: str, names: Iterable[str] | Mapping[str, int], remedy: str = _REMEDY
    ) -> None:
        """Refuse names that mean nothing here.

        Args:
            what: Whose names they are, e.g. "annotations 'a.geojson'".
            names: As written; where it is a mapping, with the number of shapes of each.
            remedy: What to do about it.

        Raises:
            AnnotationError: Names are unknown; they are listed, with the known ones and those that
                are written almost the same.
        """
        known = {name_key(name): name for name in self.class_map.names}
        others = (*self.indices, *sorted(self.regions_of_interest))
        known |= {key: key for key in others if key not in known}
        unknown = [name for name in names if name_key(name) not in known]
        if not unknown:
            return
        counts = names if isinstance(names, Mapping) else {}
        listed = list_some([_describe(name, counts.get(name), known) for name in unknown])
        noun, verb = ("class", "is") if len(unknown) == 1 else ("classes", "are")
        raise AnnotationError(
            f"{what}: {noun} {listed} {verb} unknown; known are {list_some([*known.values()])}:"
            f" {remedy}"
        )


def rules_from_names(names: Iterable[str]) -> ClassRules:
    """Return rules for names that no class map explains.

    Classes come in alphabetical order, so that equal names give equal indices and colours. As in
    QuPath, "Ignore*" is ignored and "Region*" marks regions of interest.

    Raises:
        ClassMapError: There are no names, or too many.
    """
    found = {name_key(name): name.strip() or UNNAMED for name in sorted(names, reverse=True)}
    ignored, regions = found.keys() & {_QUPATH_IGNORE}, found.keys() & {_QUPATH_REGION}
    keys = sorted(found.keys() - ignored - regions)
    records = [
        {"index": index, "name": found[key], "colour": pick_colour(index)}
        for index, key in enumerate(keys)
    ]
    return ClassRules(
        ClassMap.from_records(records),
        {key: index for index, key in enumerate(keys)} | dict.fromkeys(ignored, IGNORE_INDEX),
        frozenset(regions),
        codes=_own_codes(len(keys)),
    )


def rules_for(class_map: ClassMap) -> ClassRules:
    """Return rules under which every class has its own name and code only."""
    return ClassRules(
        class_map,
        {name_key(entry.name): entry.index for entry in class_map},
        codes=_own_codes(len(class_map)),
    )


def pick_colour(index: int) -> str:
    """Return the colour of a class that nobody gave one, ``#rrggbb``; the same every time."""
    if index < len(_PALETTE):
        return _PALETTE[index]
    rgb = colorsys.hsv_to_rgb(index * _GOLDEN % 1, 0.55 + 0.2 * (index % 2), 0.85)
    return "#{:02x}{:02x}{:02x}".format(*(round(255 * part) for part in rgb))


def name_key(name: str) -> str:
    """Return a name in the form in which rules keep it."""
    return comparable_name(name) or UNNAMED


def list_some(texts: Sequence[str]) -> str:
    """Return texts for a message, the first of them where there are many."""
    more = len(texts) - _MAX_LISTED
    return ", ".join(texts[:_MAX_LISTED]) + (f" and {more} more" if more > 0 else "")


def _describe(name: str, count: int | None, known: Mapping[str, str]) -> str:
    text = f"'{name or UNNAMED}'" + ("" if count is None else f" of {count} polygons")
    near = difflib.get_close_matches(name_key(name), known, n=1)
    return f"{text} (is '{known[near[0]]}' meant?)" if near else text


def _own_codes(num_classes: int) -> dict[int, int]:
    return {index: index for index in range(num_classes)} | {IGNORE_INDEX: IGNORE_INDEX}
