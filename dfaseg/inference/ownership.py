"""What at the final places is dfaseg's own, by what each file says of itself.

| file | is ours where |
|---|---|
| mask | the attributes of its root hold our record |
| polygons | they begin with our member, which other programs leave out when they write them anew |
| areas | the heading is ours |
| run record | it says so |
| overlay | a mask or a record of ours lies beside it; the picture itself says nothing |

All else is the user's and is never replaced, whatever its name.
"""

import json
from collections.abc import Mapping
from typing import Any

from dfaseg.annotation.geojson import is_own_geojson
from dfaseg.errors import OutputExistsError
from dfaseg.inference.result_places import P, ResultPlaces
from dfaseg.stitcher.areas import is_area_table
from dfaseg.stitcher.ome import RECORD_KEY

ROOT_METADATA = "zarr.json"
"""Without it, nobody takes what is at a mask's place for one."""

_HEAD_BYTES = 4096
"""What polygons and areas say of themselves is said within these."""


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
    if taken and not overwrite:
        raise OutputExistsError(
            f"output '{taken[0]}': already there; pass --overwrite to replace it or choose "
            "another --out"
        )


def option_of(places: ResultPlaces[P], final: P) -> str:
    """Return the option that says where a file goes."""
    is_beside = places.polygons == type(places).beside(places.mask).polygons
    return "--geojson" if final == places.polygons and not is_beside else "--out"


def parse_record(content: bytes) -> Mapping[str, Any] | None:
    """Parse a run record; None where it is none."""
    try:
        record = json.loads(content)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def is_mask_metadata(content: bytes) -> bool:
    """Tell whether the metadata of a Zarr group carry our run record."""
    attributes = (parse_record(content) or {}).get("attributes")
    return isinstance(attributes, dict) and RECORD_KEY in attributes


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


def _is_our_mask(places: ResultPlaces[P]) -> bool:
    return is_mask_metadata(places.read(places.mask / ROOT_METADATA))


def _is_our_record(places: ResultPlaces[P]) -> bool:
    result = (parse_record(places.read(places.record)) or {}).get("result")
    return isinstance(result, dict) and result.get("tool") == "dfaseg"
