"""Write a pyramidal slide of any size for benchmarks, in seconds.

    python -m tests.benchmark.make_slide OUT.tif [--width PX] [--height PX] [--tissue SHARE]
        [--source SLIDE]

The slide is laid out of blocks cut from the sample slide that the package draws, or from a small
one that is given, each encoded once, in islands on glass. Levels have downsamples 1, 4 and 16.
"""

import argparse
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

from dfaseg.slide import open_slide
from dfaseg.slide.sample import make_sample_image
from tests.factories import read_level

TILE_PX = 256
FACTOR = 4
"""Downsample from level to level; a block becomes one tile of the next level."""
BLOCK_PX = TILE_PX * FACTOR
MPP = 0.5
GLASS = 243
NUM_BLOCKS = 24


def cut_blocks(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return blocks ``(n, BLOCK_PX, BLOCK_PX, 3)``: glass first, then turned pieces of tissue."""
    blocks = [np.full((BLOCK_PX, BLOCK_PX, 3), GLASS, np.uint8)]
    while len(blocks) <= NUM_BLOCKS:
        x = rng.integers(0, picture.shape[1] - BLOCK_PX)
        y = rng.integers(0, picture.shape[0] - BLOCK_PX)
        piece = picture[y : y + BLOCK_PX, x : x + BLOCK_PX]
        if (piece.min(axis=2) < 220).mean() > 0.75:
            blocks.append(np.rot90(piece, rng.integers(4)))
    return np.stack(blocks)


def lay_out(rows: int, cols: int, tissue: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return which block lies where, ``(rows, cols)``; islands cover the wanted share."""
    coarse = rng.random((max(2, rows // 6), max(2, cols // 6))).astype(np.float32)
    field = cv2.resize(coarse, (cols, rows), interpolation=cv2.INTER_CUBIC)
    is_tissue = field >= np.quantile(field, 1 - tissue)
    return np.where(is_tissue, rng.integers(1, NUM_BLOCKS + 1, (rows, cols)), 0)


def encode(tile: NDArray[np.uint8]) -> bytes:
    """Compress one tile as scanners do."""
    return imagecodecs.jpeg8_encode(
        np.ascontiguousarray(tile), level=80, colorspace="RGB", outcolorspace="YCBCR"
    )


def level_tiles(
    blocks: NDArray[np.uint8], layout: NDArray[np.int64], width: int, height: int
) -> Iterator[bytes]:
    """Yield the tiles of a level row by row; a block may be larger or smaller than a tile."""
    side = blocks.shape[1]
    cache: dict[tuple[int, ...], bytes] = {}
    across = max(1, TILE_PX // side)
    padded = np.pad(layout, ((0, across), (0, across)))
    for y in range(0, height, TILE_PX):
        for x in range(0, width, TILE_PX):
            row, col = y // side, x // side
            which = padded[row : row + across, col : col + across]
            key = (*which.ravel().tolist(), y % side, x % side)
            if key not in cache:
                rows = [np.concatenate(list(blocks[line]), axis=1) for line in which]
                canvas = np.concatenate(rows, axis=0)
                top, left = y % side, x % side
                cache[key] = encode(canvas[top : top + TILE_PX, left : left + TILE_PX])
            yield cache[key]


def write_slide(
    path: Path, width: int, height: int, tissue: float, source: str | None = None
) -> None:
    """Write a slide with three levels, of the tissue of a source or of the sample slide."""
    rng = np.random.default_rng(0)
    blocks = cut_blocks(_picture_of(source) if source else make_sample_image(), rng)
    layout = lay_out(-(-height // BLOCK_PX), -(-width // BLOCK_PX), tissue, rng)
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for level in range(3):
            factor = FACTOR**level
            side = BLOCK_PX // factor
            shrunk = np.stack(
                [cv2.resize(b, (side, side), interpolation=cv2.INTER_AREA) for b in blocks]
            )
            shape = (height // factor, width // factor, 3)
            writer.write(
                level_tiles(shrunk, layout, shape[1], shape[0]),
                shape=shape,
                dtype=np.uint8,
                tile=(TILE_PX, TILE_PX),
                compression="jpeg",
                photometric="ycbcr",
                subsampling=(2, 2),
                resolution=(1e4 / (MPP * factor), 1e4 / (MPP * factor)),
                resolutionunit="CENTIMETER",
                subfiletype=int(level > 0),
                metadata=None,
            )


def _picture_of(source: str) -> NDArray[np.uint8]:
    with closing(open_slide(source)) as slide:
        return read_level(slide)


def main() -> None:
    """Parse and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--width", type=int, default=16384)
    parser.add_argument("--height", type=int, default=16384)
    parser.add_argument("--tissue", type=float, default=0.3)
    parser.add_argument(
        "--source", help="slide whose tissue is shown; a few thousand px, 0.5 µm/px"
    )
    arguments = parser.parse_args()
    write_slide(
        arguments.out, arguments.width, arguments.height, arguments.tissue, arguments.source
    )
    print(f"{arguments.out}: {arguments.width} x {arguments.height} px, {MPP} µm/px")


if __name__ == "__main__":
    main()
