"""The tiles of a slide as GeoJSON that QuPath shows as tiles."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.named_ids import ID_LENGTH, NameDigests, format_ids
from dfaseg.cutting.places import TilePlaces

_DECIMALS = 2
"""Of coordinates, in level-0 px."""


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
    digests = NameDigests(f"{fingerprint}/tile/{size}/")(name.encode() for name in places.names)
    ids = format_ids(digests).view(f"S{ID_LENGTH}").reshape(-1).astype(str).tolist()
    # As JSON; what comes after it in the name of a tile needs no escape.
    slide = json.dumps(places.slide_id, ensure_ascii=False)[1:-1]
    tiles = zip(places.names, ids, *edges, shares, strict=True)
    for name, tile_id, x, y, right, bottom, percent in tiles:
        # Written out, because a slide has a hundred thousand tiles.
        ring = f"[{x},{y}],[{right},{y}],[{right},{bottom}],[{x},{bottom}],[{x},{y}]"
        yield (
            f'{{"type":"Feature","id":"{tile_id}",'
            f'"geometry":{{"type":"Polygon","coordinates":[[{ring}]]}},'
            f'"properties":{{"objectType":"tile","name":"{slide}{name[len(places.slide_id) :]}",'
            f'"measurements":{{"Tissue %":{percent}}}}}}}'
        )


def _texts(edge: NDArray[np.float64]) -> list[str]:
    """Write coordinates as JSON has them; tiles of a row or column share theirs."""
    values, places = np.unique(edge, return_inverse=True)
    texts = [_text(value) for value in values.tolist()]
    return [texts[place] for place in places.tolist()]


def _text(value: float) -> str:
    rounded = round(value, _DECIMALS)
    return str(int(rounded) if rounded.is_integer() else rounded)
