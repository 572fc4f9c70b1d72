"""Images that were published in overlapping tiles, put together again."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.datasets.dataset import Example, LabelledImage
from dfaseg.datasets.pictures import PairReader
from dfaseg.errors import DatasetError


@dataclass(frozen=True, slots=True)
class PlacedPair:
    """A tile with its mask, and where its upper left corner lies in the whole image (px)."""

    x: int
    y: int
    image_path: Path
    mask_path: Path


def tiled_example(reader: PairReader, name: str, case: str, tiles: Sequence[PlacedPair]) -> Example:
    """Return an image that is put together from its tiles when it is read.

    Pixels count once, however many tiles hold them; as tiles of their own they would count twice,
    and one image could lie in two splits.
    """
    return Example(name, case, partial(_read, reader, name, tuple(tiles)))


def _read(reader: PairReader, name: str, tiles: Sequence[PlacedPair]) -> LabelledImage:
    parts = [reader.read(tile.image_path, tile.mask_path) for tile in tiles]
    placed = list(zip(tiles, parts, strict=True))
    height = max(tile.y + part.label.shape[0] for tile, part in placed)
    width = max(tile.x + part.label.shape[1] for tile, part in placed)
    image = np.zeros((height, width, 3), np.uint8)
    label = np.full((height, width), IGNORE_INDEX, np.uint8)
    is_covered = np.zeros((height, width), bool)
    for tile, part in placed:
        rows = slice(tile.y, tile.y + part.label.shape[0])
        cols = slice(tile.x, tile.x + part.label.shape[1])
        image[rows, cols], label[rows, cols] = part.image, part.label
        is_covered[rows, cols] = True
    if not is_covered.all():
        y, x = np.argwhere(~is_covered)[0]
        raise DatasetError(
            f"image '{name}': no tile holds the pixel ({x}, {y}), so that one of its tiles is"
            " missing; get all of them, or the whole image"
        )
    return LabelledImage(image, label)
