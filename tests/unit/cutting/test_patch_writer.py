"""Files of patches with their labels."""

import imagecodecs
import numpy as np
import pytest

from dfaseg.cutting.patch_writer import PairWriter, PatchWriter
from dfaseg.geometry import TileGrid
from dfaseg.slide import ArraySlide
from dfaseg.tiler.plan import plan_reading

SIDE = 32


class ArrayLabel:
    """Labels in memory that remember which parts were read."""

    def __init__(self, labels):
        self.labels, self.reads = labels, []

    def read_rect(self, rect):
        """Return class indices of a part."""
        self.reads.append((rect.x, rect.width))
        return self.labels[rect.slices]

    def within(self, top, bottom):  # noqa: ARG002 - a label of any rows
        """Return the label."""
        return self


@pytest.mark.parametrize("overlap", [0, 8])
def test_neighbours_are_labelled_together(tmp_path, overlap):
    """Each run without a gap is read once, and each tile has the label of its own place."""
    labels = np.random.default_rng(0).integers(0, 2, (SIDE, 400)).astype(np.uint8)
    label = ArrayLabel(labels)
    slide = ArraySlide(np.zeros((SIDE, 400, 3), np.uint8))
    plan = plan_reading(slide.info, slide.info.mpp)
    grid = TileGrid(400, SIDE, SIDE, overlap)
    patches = PatchWriter("s", plan, "png", tmp_path / "images")
    writer = PairWriter(patches, tmp_path / "masks", label, 2)
    for folder in (patches.images, writer.masks):
        folder.mkdir()
    cols = [0, 1, 2, 4, 7, 8]
    tiles = [grid.tile(0, col) for col in cols]

    write = writer(tiles)
    made = [write(tile, np.zeros((SIDE, SIDE, 3), np.uint8)) for tile in tiles]

    step = SIDE - overlap
    assert label.reads == [(0, 2 * step + SIDE), (4 * step, SIDE), (7 * step, step + SIDE)]
    for tile, cut in zip(tiles, made, strict=True):
        path = writer.masks / f"{patches.name_of(tile)}.png"
        expected = labels[tile.mask_rect.slices]
        np.testing.assert_array_equal(imagecodecs.png_decode(path.read_bytes()), expected)
        assert cut.class_pixels == tuple(np.bincount(expected.ravel(), minlength=2).tolist())
