"""What at the final places is dfaseg's own, by what each file says of itself.

| file | is ours where |
|---|---|
| mask | the attributes of its root hold our record; it is replaced if all that it holds is ours |
| polygons | they begin with our member, which other programs leave out when they write them anew |
| areas | the heading is ours |
| run record | it says so |
| overlay | a mask or a record of ours lies beside it; the picture itself says nothing |

All else is the user's and is never replaced, whatever its name.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dfaseg.annotation.geojson import is_own_geojson
from dfaseg.errors import OutputError, OutputExistsError
from dfaseg.inference.result_places import P, ResultPlaces
from dfaseg.stitcher.areas import is_area_table
from dfaseg.stitcher.mask_folder import (
    ROOT_METADATA,
    ZARR_METADATA,
    enclosing_zarr,
    foreign_name,
)
from dfaseg.stitcher.ome import RECORD_KEY, TISSUE
from dfaseg.storage.store_path import Place, StorePath

_HEAD_BYTES = 4096
"""What polygons and areas say of themselves is said within these."""
_ATTRIBUTES = {
    ROOT_METADATA: {"ome", RECORD_KEY},
    f"labels/{ROOT_METADATA}": {"ome"},
    f"labels/{TISSUE}/{ROOT_METADATA}": {"ome"},
}
"""What we write into the groups of a mask; other programs add attributes of their own."""


def refuse_taken(places: ResultPlaces[P], *, overwrite: bool) -> None:
    """Make sure that nothing is at the final places that may not be replaced.

    Raises:
        OutputExistsError: A result is there and may not be replaced, or is not ours.
    """
    taken = [final for final in places.finals if places.is_taken(final)]
    for final in taken:
        if not _is_ours(places, final):
            raise OutputExistsError(
                f"output '{final}': is there already, was not written by dfaseg and is never "
                f"replaced; move it away or choose another {option_of(places, final)}"
            )
        if final == places.mask:
            _refuse_foreign_inside(places)
    if taken and not overwrite:
        raise OutputExistsError(
            f"output '{taken[0]}': already there; pass --overwrite to replace it or choose "
            "another --out"
        )


def option_of(places: ResultPlaces[P], final: P) -> str:
    """Return the option that says where a file goes."""
    is_beside = places.polygons == type(places).beside(places.mask).polygons
    return "--geojson" if final == places.polygons and not is_beside else "--out"


def refuse_inside_zarr(place: Place) -> None:
    """Make sure that a file is not written into somebody's Zarr folder, ours included.

    A mask is replaced as a whole, and other programs take what lies there for a part of theirs.

    Raises:
        OutputError: It would lie in one.
    """
    zarr = enclosing_zarr(place) if isinstance(place, Path) else _enclosing_in_store(place)
    if zarr is not None:
        raise OutputError(
            f"output '{place}': would lie inside '{zarr}', which is a mask or another Zarr folder; "
            "choose another place"
        )


def parse_record(content: bytes) -> Mapping[str, Any] | None:
    """Parse a run record; None where it is none."""
    try:
        record = json.loads(content)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def is_mask_metadata(content: bytes) -> bool:
    """Tell whether the metadata of a Zarr group carry our run record."""
    return RECORD_KEY in _attributes(content)


def _attributes(content: bytes) -> dict[str, Any]:
    """Return the attributes of a Zarr group; empty where its metadata are none."""
    attributes = (parse_record(content) or {}).get("attributes")
    return attributes if isinstance(attributes, dict) else {}


def _is_ours(places: ResultPlaces[P], final: P) -> bool:
    """Tell whether dfaseg wrote what is at a final place."""
    if final == places.mask:
        return places.is_half_replaced or _is_our_mask(places)
    if final == places.overlay:
        return places.is_half_replaced or _is_our_mask(places) or _is_our_record(places)
    if final == places.record:
        return _is_our_record(places)
    head = places.read(final, _HEAD_BYTES)
    return is_area_table(head) if final == places.areas else is_own_geojson(head)


def _refuse_foreign_inside(places: ResultPlaces[P]) -> None:
    """Make sure that a mask of ours, which is replaced as a whole, holds nothing else.

    Raises:
        OutputExistsError: It does.
    """
    name = foreign_name(places.names_below_mask())
    if name is not None:
        raise OutputExistsError(
            f"output '{places.mask}': holds '{name}', which dfaseg did not write and which would "
            "be lost; move that out of it or choose another --out"
        )
    for group, known in _ATTRIBUTES.items():
        foreign = sorted(_attributes(places.read(places.mask / group)).keys() - known)
        if foreign:
            raise OutputExistsError(
                f"output '{places.mask}': holds the attribute '{foreign[0]}' in '{group}', which "
                "dfaseg did not write and which would be lost; move the mask away or choose "
                "another --out"
            )


def _is_our_mask(places: ResultPlaces[P]) -> bool:
    return is_mask_metadata(places.read(places.mask / ROOT_METADATA))


def _enclosing_in_store(place: StorePath) -> StorePath | None:
    """Return the Zarr folder that an object would lie in, looked for where a name says so."""
    from dfaseg.storage.objects import object_facts  # noqa: PLC0415 - network libraries

    parents = [place.parent]
    while parents[-1].name:
        parents.append(parents[-1].parent)
    for folder in parents:
        if folder.suffix == ".zarr" and any(object_facts(folder / n) for n in ZARR_METADATA):
            return folder
    return None


def _is_our_record(places: ResultPlaces[P]) -> bool:
    result = (parse_record(places.read(places.record)) or {}).get("result")
    return isinstance(result, dict) and result.get("tool") == "dfaseg"
