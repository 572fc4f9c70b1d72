"""Results that are there already, and whether they are what is asked for now."""

from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from dfaseg.errors import OutputExistsError
from dfaseg.inference.job import recipe_of
from dfaseg.inference.pipeline import open_any_slide
from dfaseg.inference.spec import PredictSpec
from dfaseg.inference.workshop import outputs_of
from dfaseg.model.network import Network

if TYPE_CHECKING:
    from dfaseg.inference.workshop import Outputs

_ANY = frozenset({"dfaseg", "slide id", "model name"})
"""Entries of a recipe that may differ: the version, and names of what is known by its content."""
_WORDS = {
    "slide fingerprint": "another slide file",
    "model sha256": "another model file",
}


def is_finished(spec: PredictSpec, network: Network) -> bool:
    """Tell whether the very results that are asked for are there.

    Raises:
        OutputExistsError: Others are, and may not be replaced.
        SlideError: The slide cannot be opened to compare it.
        ConfigError: A setting is impossible for this slide or model.
    """
    outputs = outputs_of(spec)
    found = finished_recipe(outputs)
    if found is None:
        return False
    with closing(open_any_slide(spec)) as slide:
        wanted = recipe_of(slide.info, network, spec)
    differences = recipe_differences(found, wanted, any_precision=spec.precision == "auto")
    if differences and not spec.overwrite:
        raise OutputExistsError(
            f"output '{outputs.mask}': finished earlier with {', '.join(differences)}; pass "
            "--overwrite to replace it, or choose another --out"
        )
    return not differences


def finished_recipe(outputs: "Outputs") -> Mapping[str, Any] | None:
    """Return what a slide's results were made of; None where they are not all there."""
    record = outputs.finished_record()
    try:
        return None if record is None else dict(record["result"]["recipe"])
    except (ValueError, KeyError, TypeError):
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
