"""What a run reads, which none of its results may take the place of."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dfaseg.errors import OutputError
from dfaseg.inference.spec import PredictSpec
from dfaseg.model.resolve import local_model_files
from dfaseg.slide.identity import SAMPLE, identify
from dfaseg.storage.store_path import Place, StorePath

if TYPE_CHECKING:
    from dfaseg.inference.workshop import Outputs

_FOLDER_BESIDE = ".mrxs"
"""Ending of slides that keep their pixels in a folder of the same name."""


def refuse_inputs(spec: PredictSpec, outputs: "Outputs") -> None:
    """Make sure that nothing that is to be read would be replaced, whatever it looks like.

    Raises:
        OutputError: An input is at a final place, or lies in a folder that is replaced.
    """
    for word, source in _inputs_of(spec):
        for place in (*outputs.finals, outputs.partial):
            if _is_same(source, place):
                option = "--geojson" if place == outputs.polygons and spec.geojson else "--out"
                raise OutputError(
                    f"output '{place}': is the {word} itself; choose another {option}"
                )
            if _is_inside(source, place):
                raise OutputError(
                    f"output '{place}': holds the {word} '{source}', which would be lost; move "
                    "that out of it or choose another --out"
                )


def _inputs_of(spec: PredictSpec) -> Iterator[tuple[str, Place]]:
    """Yield what is read, and what it is called, as far as that is known without opening it."""
    slide = identify(spec.slide)
    if slide.is_remote:
        yield "slide", StorePath(spec.slide)
    elif spec.slide != SAMPLE:
        yield "slide", slide.path
        if slide.path.suffix.lower() == _FOLDER_BESIDE:
            yield "slide", slide.path.with_suffix("")
    for file in local_model_files(spec.model):
        yield "model", file
    if spec.tissue not in {"auto", "none"}:
        yield "tissue picture", Path(spec.tissue)


def _is_same(source: Place, place: Place) -> bool:
    if not (isinstance(source, Path) and isinstance(place, Path)):
        return str(source) == str(place)
    try:
        return source.samefile(place)  # knows links of both kinds, and names in other cases
    except OSError:
        return source.absolute() == place


def _is_inside(source: Place, place: Place) -> bool:
    if not (isinstance(source, Path) and isinstance(place, Path)):
        return str(source).startswith(f"{place}/")
    return source.resolve().is_relative_to(place.resolve())
