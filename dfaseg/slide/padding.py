"""What lies outside a level is white, like the glass around the tissue."""

import numpy as np
from numpy.typing import NDArray

from dfaseg.slide.slide import Level

WHITE = 255


def whiten_outside(patch: NDArray[np.uint8], level: Level, col: int, row: int) -> None:
    """Make white, in place, those pixels of a tile that lie outside its level.

    Files fill the overhang of their last tiles with anything, often with black or with smear.
    """
    inside_width = level.width - col * level.tile_width
    inside_height = level.height - row * level.tile_height
    if inside_width < level.tile_width:
        patch[:, inside_width:] = WHITE
    if inside_height < level.tile_height:
        patch[inside_height:] = WHITE


def padded_white(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Return pixels, shape ``(h, w, 3)``, in the top left corner of a white tile.

    The result is a copy of shape ``(height, width, 3)``.
    """
    patch = np.full((height, width, 3), WHITE, np.uint8)
    patch[: pixels.shape[0], : pixels.shape[1]] = pixels
    return patch


def over_white(rgba: NDArray[np.uint8], *, is_premultiplied: bool) -> NDArray[np.uint8]:
    """Lay pixels with alpha, shape ``(h, w, 4)``, over white; returns shape ``(h, w, 3)``."""
    alpha = rgba[..., 3:]
    if alpha.min() == WHITE:
        return np.ascontiguousarray(rgba[..., :3])
    colour = rgba[..., :3].astype(np.uint16)
    if not is_premultiplied:
        colour = (colour * alpha + 127) // 255
    laid: NDArray[np.uint8] = np.minimum(colour + (255 - alpha), 255).astype(np.uint8)
    return laid
