"""Masks and logits like a network's, drawn for benchmarks: ragged regions and specks."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX, ClassMap
from tests.benchmark.make_slide import lay_out

CLASSES = ClassMap.from_records(
    [
        {"index": index, "name": name, "colour": colour}
        for index, (name, colour) in enumerate(
            [
                ("tumour", "#c80000"),
                ("stroma", "#96c896"),
                ("inflammation", "#3c3cc8"),
                ("necrosis", "#646464"),
                ("fat", "#f0dc78"),
            ]
        )
    ]
)
CELL_PX = 4
"""Mask pixels per value of the network's output."""
BLOCK_CELLS = 384
BLOCK_PX = BLOCK_CELLS * CELL_PX
NUM_BLOCKS = 12
STRIP_PX = 384
"""Rows that `dfaseg predict` hands on at a time, with the default model."""
OCTAVES = ((64, 1.0), (16, 0.45), (4, 0.24), (1, 0.1))
"""Grain of the noise in cells, and its share; the finest makes the specks."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """What to draw.

    Attributes:
        width: Columns of the mask.
        height: Rows of the mask.
        tissue: Share of blocks that are not glass.
        noise: Strength of the finest grain; 1 is a good model's, 4 a poor one's.
    """

    width: int
    height: int
    tissue: float = 0.3
    noise: float = 1.0


def draw_logits(rng: np.random.Generator, noise: float = 1.0) -> NDArray[np.float32]:
    """Return the logits of one block, smooth noise per class, ``(k, BLOCK_CELLS, BLOCK_CELLS)``."""
    logits = np.zeros((len(CLASSES), BLOCK_CELLS, BLOCK_CELLS), np.float32)
    for index in range(len(logits)):
        for grain, share in OCTAVES:
            values = rng.standard_normal((BLOCK_CELLS // grain,) * 2, np.float32)
            strength = share * (noise if grain == 1 else 1)
            side = (BLOCK_CELLS, BLOCK_CELLS)
            logits[index] += strength * cv2.resize(values, side, interpolation=cv2.INTER_CUBIC)
    return logits


def draw_block(rng: np.random.Generator, noise: float = 1.0) -> NDArray[np.uint8]:
    """Return the classes of one block: the argmax of its logits at full resolution."""
    classes = np.zeros((BLOCK_PX, BLOCK_PX), np.uint8)
    best = np.full(classes.shape, -np.inf, np.float32)
    for index, plane in enumerate(draw_logits(rng, noise)):
        field = cv2.resize(plane, best.shape, interpolation=cv2.INTER_LINEAR)
        classes[field > best] = index
        np.maximum(best, field, out=best)
    return classes


def draw_strips(drawing: Drawing) -> Iterator[NDArray[np.uint8]]:
    """Yield the rows of a mask made of turned blocks on glass."""
    rng = np.random.default_rng(0)
    blocks = [np.full((BLOCK_PX, BLOCK_PX), IGNORE_INDEX, np.uint8)]
    blocks += [draw_block(rng, drawing.noise) for _ in range(NUM_BLOCKS)]
    for number, which in enumerate(_layout(drawing, rng)):
        turns = rng.integers(4, size=which.size).tolist()
        row = [np.rot90(blocks[block], turn) for block, turn in zip(which, turns, strict=True)]
        rows = np.concatenate(row, axis=1)[: drawing.height - number * BLOCK_PX, : drawing.width]
        for top in range(0, len(rows), STRIP_PX):
            yield rows[top : top + STRIP_PX]


@dataclass(frozen=True, slots=True)
class DrawnLogits:
    """Logits of a whole mask, made of a few blocks.

    Attributes:
        drawing: What is drawn.
        blocks: Logits of the blocks, glass first.
        layout: Which block lies where.
    """

    drawing: Drawing
    blocks: list[NDArray[np.float32]]
    layout: NDArray[np.int64]

    @classmethod
    def draw(cls, drawing: Drawing) -> "DrawnLogits":
        """Draw the blocks and lay them out."""
        rng = np.random.default_rng(0)
        glass = np.zeros((len(CLASSES), BLOCK_CELLS, BLOCK_CELLS), np.float32)
        blocks = [draw_logits(rng, drawing.noise) for _ in range(NUM_BLOCKS)]
        return cls(drawing, [glass, *blocks], _layout(drawing, rng))

    def rows(self, at_once: int) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
        """Yield rows of cells: logits ``(k, n, w)`` and which are covered, ``(n, w)``."""
        width, height = (-(-side // CELL_PX) for side in (self.drawing.width, self.drawing.height))
        for number, which in enumerate(self.layout):
            covered_row = np.repeat(which > 0, BLOCK_CELLS)[:width]
            end = min(BLOCK_CELLS, height - number * BLOCK_CELLS)
            for top in range(0, end, at_once):
                span = slice(top, min(top + at_once, end))
                parts = [self.blocks[block][:, span] for block in which]
                logits = np.ascontiguousarray(np.concatenate(parts, axis=2)[:, :, :width])
                yield logits, np.tile(covered_row, (logits.shape[1], 1))


def _layout(drawing: Drawing, rng: np.random.Generator) -> NDArray[np.int64]:
    rows, cols = (-(-side // BLOCK_PX) for side in (drawing.height, drawing.width))
    return lay_out(rows, cols, drawing.tissue, rng) % (NUM_BLOCKS + 1)
