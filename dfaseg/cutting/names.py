"""What files of single tiles are called."""


def tile_name(slide_id: str, x: int, y: int) -> str:
    """Return what a tile is called, by its corner in level-0 px."""
    return f"{slide_id}_x{x}_y{y}"
