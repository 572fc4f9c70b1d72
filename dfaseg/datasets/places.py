"""Places of patch size that cover images larger than a patch."""

from dataclasses import dataclass
from itertools import product

from dfaseg.datasets.load import Split
from dfaseg.errors import ConfigError
from dfaseg.geometry import Rect


@dataclass(frozen=True, slots=True)
class Place:
    """Where a patch lies.

    Attributes:
        image: Position of the image in its split.
        rect: Part of the image, in its own pixels.
    """

    image: int
    rect: Rect


def tile_split(split: Split, patch_px: int) -> tuple[Place, ...]:
    """Cover every image of a split with places.

    As few places as possible per row and column, spread evenly with whole-pixel steps, so that
    they overlap where the side is no multiple of the patch (the tiling of SAM-Path, Zhang et al.
    2023, arXiv:2307.09570).

    Args:
        split: Images of any size.
        patch_px: Side of a patch.

    Returns:
        Places image by image, row by row; an image smaller than a patch is one place of its size.

    Raises:
        ConfigError: The patch has no pixels.
    """
    if patch_px < 1:
        raise ConfigError(f"patch of {patch_px} px: must be at least 1")
    return tuple(
        Place(number, rect)
        for number, label in enumerate(split.labels)
        for rect in cover(label.shape[1], label.shape[0], patch_px)
    )


def cover(width: int, height: int, patch_px: int) -> list[Rect]:
    """Return rectangles of at most ``patch_px`` × ``patch_px`` that cover an image."""
    starts = product(_starts(height, patch_px), _starts(width, patch_px))
    size = (min(width, patch_px), min(height, patch_px))
    return [Rect(x, y, *size) for y, x in starts]


def _starts(length: int, patch_px: int) -> list[int]:
    """Return where places begin along one side: steps differ by 1 px at most."""
    count = -(-length // patch_px)
    if count == 1:
        return [0]
    step, extra = divmod(length - patch_px, count - 1)
    return [number * step + min(number, extra) for number in range(count)]
