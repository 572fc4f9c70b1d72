"""Results that are there already, and whether they are what is asked for now."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dfaseg.errors import OutputExistsError
from dfaseg.inference.job import recipe_of
from dfaseg.inference.opening import open_any_slide
from dfaseg.inference.report import PredictResult
from dfaseg.inference.spec import PredictSpec
from dfaseg.inference.workshop import outputs_of
from dfaseg.model.network import Network
from dfaseg.slide import Slide
from dfaseg.stitcher.areas import AreaTable
from dfaseg.tiler.plan import ReadPlan, plan_reading
from dfaseg.tiler.second_look import is_repaired

if TYPE_CHECKING:
    from dfaseg.inference.workshop import Outputs

_ANY = frozenset({"dfaseg", "slide id", "model name"})
"""Entries of a recipe that may differ: the version, and names of what is known by its content."""
_WORDS = {
    "slide fingerprint": "another slide file",
    "model sha256": "another model file",
}


@dataclass(frozen=True, slots=True)
class Finished:
    """Results that are all there.

    Attributes:
        recipe: What they were made of.
        level: Level of the slide that was read; None where the record does not say.
        unreadable: Column and row of each native tile that could not be decoded.
    """

    recipe: Mapping[str, Any]
    level: int | None
    unreadable: tuple[tuple[int, int], ...]

    def is_repaired(self, slide: Slide, plan: ReadPlan) -> bool:
        """Tell whether tiles of the slide that could not be decoded can be now.

        Raises:
            SlideError: The slide failed in a way that is not bound to single tiles.
        """
        # Tiles of another level would be other tiles.
        return self.level == plan.level and is_repaired(slide, plan, self.unreadable)


def find_finished(spec: PredictSpec, network: Network) -> Finished | None:
    """Return the very results that are asked for; None where they are not all there.

    Raises:
        OutputExistsError: Others are, and may not be replaced.
        SlideError: The slide cannot be opened to compare it.
        ConfigError: A setting is impossible for this slide or model.
    """
    outputs = outputs_of(spec)
    found = any_finished(outputs)
    if found is None:
        return None
    with closing(open_any_slide(spec)) as slide:
        wanted = recipe_of(slide.info, network, spec)
        any_precision = spec.precision == "auto"
        differences = recipe_differences(found.recipe, wanted, any_precision=any_precision)
        plan = plan_reading(slide.info, network.card.mpp, decoding=spec.decode)
        if not differences and found.is_repaired(slide, plan):
            differences = ["tiles that could not be decoded and can be now"]
    if differences and not spec.overwrite:
        outputs.refuse_taken(overwrite=True)  # what it would not replace is said instead
        raise OutputExistsError(
            f"output '{outputs.mask}': finished earlier with {', '.join(differences)}; pass "
            "--overwrite to replace it, or choose another --out"
        )
    return None if differences else found


def finished_result(spec: PredictSpec, network: Network) -> PredictResult | None:
    """Return what the run has found whose very results are there; None where they are not.

    Nor where the record or the table of areas is damaged.

    Raises:
        DfasegError: As for ``find_finished``.
    """
    outputs = outputs_of(spec)
    if find_finished(spec, network) is None:
        return None
    record = outputs.finished_record() or {}
    try:
        areas = AreaTable.parse(outputs.finished_areas())
        if tuple(area.name for area in areas.areas) != network.card.classes.names:
            return None
        return PredictResult(
            slide_id=str(record["result"]["recipe"]["slide"]["id"]),
            places=outputs,
            areas=areas,
            num_tiles=int(record["tiles"]["analysed"]),
            num_polygons=int(record["polygons"]),
            num_unreadable=len(record["unreadable_native_tiles"]),
            note=str(record["note"]),
            seconds=float(record["seconds"]),
            cpu_seconds=float(record["cpu_seconds"]),
            peak_memory_bytes=int(record["peak_memory_bytes"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def any_finished(outputs: "Outputs") -> Finished | None:
    """Return a slide's results, whatever they were made of; None where they are not all there."""
    record = outputs.finished_record()
    if record is None:
        return None
    try:
        return Finished(
            recipe=dict(record["result"]["recipe"]),
            level=record.get("settings", {}).get("level"),
            unreadable=tuple(
                (tile["column"], tile["row"]) for tile in record.get("unreadable_native_tiles", ())
            ),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def recipe_differences(
    found: Mapping[str, Any], wanted: Mapping[str, Any], *, any_precision: bool
) -> list[str]:
    """Say in what two recipes differ that can change a result.

    Args:
        found: What there is.
        wanted: What is asked for.
        any_precision: Whether the number format is left to the device, which may differ.

    Returns:
        One phrase per difference, e.g. ``overlap_px 16 (now 8)``; empty where there is none.
    """
    ignored = _ANY | ({"precision"} if any_precision else frozenset())
    old, new = _flat(found), _flat(wanted)
    return [
        _WORDS.get(name, f"{name} {old.get(name, 'unknown')} (now {new.get(name, 'unknown')})")
        for name in sorted(old.keys() | new.keys())
        if name not in ignored and old.get(name) != new.get(name)
    ]


def _flat(recipe: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Name nested entries by all their names."""
    entries: dict[str, Any] = {}
    for name, value in recipe.items():
        if isinstance(value, Mapping):
            entries |= _flat(value, f"{prefix}{name} ")
        else:
            entries[prefix + name] = value
    return entries
