"""The tiles of a slide as GeoJSON that QuPath shows as tiles."""

import json
from collections.abc import Callable, Iterator
from hashlib import sha1
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.features import ID_NAMESPACE
from dfaseg.cutting.places import TilePlaces

_DECIMALS = 2
"""Of coordinates, in level-0 px."""
_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))
"""First digit of a UUID's fourth group, by the digit that the hash has there."""


def write_grid(
    path: Path, places: TilePlaces, *, fingerprint: str, origin: tuple[int, int]
) -> None:
    """Write one GeoJSON feature per tile, of QuPath's object type ``tile``.

    Args:
        path: File to write.
        places: The tiles.
        fingerprint: What the slide's content is known by; ids of features depend on it.
        origin: Where QuPath has (0, 0), in level-0 px.
    """
    head = json.dumps(
        {"slide": places.slide_id, "fingerprint": fingerprint, "origin": list(origin)},
        ensure_ascii=False,
    )
    with path.open("w", encoding="utf-8") as file:
        file.write(f'{{"type":"FeatureCollection","dfaseg":{head},"features":[')
        for number, feature in enumerate(_features(places, fingerprint, origin)):
            file.write((",\n" if number else "\n") + feature)
        file.write("\n]}\n")


def _features(places: TilePlaces, fingerprint: str, origin: tuple[int, int]) -> Iterator[str]:
    size = f"{places.width:g}/{places.height:g}"
    left, top = places.left - origin[0], places.top - origin[1]
    edges = (_texts(edge) for edge in (left, top, left + places.width, top + places.height))
    shares = (places.tissue * 100).round(2).tolist()
    make_id = _ids(f"{fingerprint}/tile/{size}/")
    # As JSON; what comes after it in the name of a tile needs no escape.
    slide = json.dumps(places.slide_id, ensure_ascii=False)[1:-1]
    for name, x, y, right, bottom, percent in zip(places.names, *edges, shares, strict=True):
        # Written out, because a slide has a hundred thousand tiles.
        ring = f"[{x},{y}],[{right},{y}],[{right},{bottom}],[{x},{bottom}],[{x},{y}]"
        yield (
            f'{{"type":"Feature","id":"{make_id(name)}",'
            f'"geometry":{{"type":"Polygon","coordinates":[[{ring}]]}},'
            f'"properties":{{"objectType":"tile","name":"{slide}{name[len(places.slide_id) :]}",'
            f'"measurements":{{"Tissue %":{percent}}}}}}}'
        )


def _ids(prefix: str) -> Callable[[str], str]:
    """Return what makes UUIDs of version 5 of names, all with a prefix; faster than Python's."""
    begun = sha1(ID_NAMESPACE.bytes + prefix.encode(), usedforsecurity=False)

    def make_id(name: str) -> str:
        named = begun.copy()
        named.update(name.encode())
        digits = named.hexdigest()
        fourth = f"{_VARIANT[digits[16]]}{digits[17:20]}"
        return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{fourth}-{digits[20:32]}"

    return make_id


def _texts(edge: NDArray[np.float64]) -> list[str]:
    """Write coordinates as JSON has them; tiles of a row or column share theirs."""
    values, places = np.unique(edge, return_inverse=True)
    texts = [_text(value) for value in values.tolist()]
    return [texts[place] for place in places.tolist()]


def _text(value: float) -> str:
    rounded = round(value, _DECIMALS)
    return str(int(rounded) if rounded.is_integer() else rounded)
