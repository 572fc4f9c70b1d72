"""Stitching as the pipeline does it, for tests of its parts."""

from collections.abc import Iterator, Sequence

from torch import Tensor

from dfaseg.geometry import Tile
from dfaseg.stitcher.canvas import Canvas, ReleasedRows, by_row


def stitch(canvas: Canvas, tiles: Sequence[Tile], logits: Tensor) -> Iterator[ReleasedRows]:
    """Add a batch that may span several rows of tiles, yielding rows as they finish."""
    for same_row, part in by_row(tiles, logits):
        yield from canvas.drain(same_row[0].mask_rect.y)
        canvas.add(same_row, part)
