"""What files of single tiles are called."""

import re

_TILE_FILE = re.compile(r"(?P<slide>.+)_x\d+_y\d+\.[a-z]+")


def tile_name(slide_id: str, x: int, y: int) -> str:
    """Return what a tile is called, by its corner in level-0 px."""
    return f"{slide_id}_x{x}_y{y}"


def slide_of_file(name: str) -> str | None:
    """Return the slide after whose tile a file is named; None for other files."""
    found = _TILE_FILE.fullmatch(name)
    return found["slide"] if found else None
