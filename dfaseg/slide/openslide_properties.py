"""What OpenSlide's properties say of a slide: resolution, bounds, objective, native tiles."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import openslide

from dfaseg.geometry import Rect
from dfaseg.slide.fingerprint import folder_listing
from dfaseg.slide.levels import MAX_TILE_PX, StoredLevel
from dfaseg.slide.regions import MAX_BLOCK_HEIGHT_PX, MAX_BLOCK_WIDTH_PX, block_side
from dfaseg.slide.resolution import StatedResolution
from dfaseg.slide.tiff_metadata import to_number

_BOUNDS = (
    openslide.PROPERTY_NAME_BOUNDS_X,
    openslide.PROPERTY_NAME_BOUNDS_Y,
    openslide.PROPERTY_NAME_BOUNDS_WIDTH,
    openslide.PROPERTY_NAME_BOUNDS_HEIGHT,
)


def stated_resolutions(properties: Mapping[str, str]) -> tuple[StatedResolution, ...]:
    """Return the resolution, where both axes are stated."""
    mpp_x = to_number(properties.get(openslide.PROPERTY_NAME_MPP_X))
    mpp_y = to_number(properties.get(openslide.PROPERTY_NAME_MPP_Y))
    if mpp_x is None or mpp_y is None:
        return ()
    return (StatedResolution(mpp_x, mpp_y, "metadata"),)


def objective_power(properties: Mapping[str, str]) -> float | None:
    """Return the objective's magnification, where it is stated."""
    return to_number(properties.get(openslide.PROPERTY_NAME_OBJECTIVE_POWER))


def stated_bounds(properties: Mapping[str, str]) -> Rect | None:
    """Return the scanned part of the slide in level-0 px, where all four numbers exist."""
    numbers = [to_number(properties.get(name)) for name in _BOUNDS]
    stated = [int(number) for number in numbers if number is not None]
    return Rect(*stated) if len(stated) == len(_BOUNDS) else None


def companion_facts(path: Path, properties: Mapping[str, str]) -> tuple[str, ...]:
    """Return what identifies the other files of a slide, for its fingerprint.

    OpenSlide's own hash covers metadata and the smallest level, over all files. MRXS keeps its
    pixels in a folder of the slide's name, which is listed too; beside other slides such a folder
    may be anybody's, results of an earlier run included.
    """
    quickhash = properties.get(openslide.PROPERTY_NAME_QUICKHASH1, "")
    is_mirax = properties.get(openslide.PROPERTY_NAME_VENDOR) == "mirax"
    return (quickhash, *(folder_listing(path.with_suffix("")) if is_mirax else ()))


def stored_levels(
    properties: Mapping[str, str], sizes: Sequence[tuple[int, int]]
) -> list[StoredLevel]:
    """Return each level's size and the blocks in which to read it.

    Args:
        properties: The slide's properties.
        sizes: Width and height of each level in its own px.

    Raises:
        ValueError: A tile is impossibly large.
    """
    return [_stored_level(properties, index, *size) for index, size in enumerate(sizes)]


def _stored_level(
    properties: Mapping[str, str], index: int, width: int, height: int
) -> StoredLevel:
    tile_width, tile_height = (
        # 0 where it is not stated.
        int(to_number(properties.get(f"openslide.level[{index}].tile-{side}")) or 0)
        for side in ("width", "height")
    )
    if tile_width * tile_height > MAX_TILE_PX:
        raise ValueError(f"level {index} has tiles of {tile_width} × {tile_height} px")
    return StoredLevel(
        width,
        height,
        block_side(tile_width, width, MAX_BLOCK_WIDTH_PX),
        block_side(tile_height, height, MAX_BLOCK_HEIGHT_PX),
    )
