"""Laws of tiles: all tissue is covered, names differ, patches are the slide as read at once."""

from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dfaseg.cutting.cut_state import CutState
from dfaseg.cutting.patch_writer import PatchWriter
from dfaseg.cutting.patches import PatchCutter
from dfaseg.cutting.places import place_tiles
from dfaseg.geometry import TileGrid
from dfaseg.slide import ArraySlide
from dfaseg.tiler.overview import read_overview
from dfaseg.tiler.tissue import TissueMask
from tests.cutting import cut_of, picture_of
from tests.factories import tissue_like_image

IMAGE = tissue_like_image(150, 110, seed=2)


@st.composite
def masked_grids(draw: st.DrawFn) -> tuple[TissueMask, TileGrid]:
    """Tissue masks of any factor with a grid over the pixels they cover."""
    factor = draw(st.integers(1, 9))
    rows, cols = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    flags = draw(st.lists(st.booleans(), min_size=rows * cols, max_size=rows * cols))
    mask = TissueMask(np.array(flags).reshape(rows, cols), factor)
    side = draw(st.integers(1, 30))
    grid = TileGrid(cols * factor, rows * factor, side, draw(st.integers(0, side - 1)))
    return mask, grid


def _dense(mask: TissueMask) -> NDArray[np.bool_]:
    return np.kron(mask.mask, np.ones((mask.factor, mask.factor), bool))


@settings(max_examples=60)
@given(masked_grids())
def test_selected_tiles_cover_every_tissue_pixel(case: tuple[TissueMask, TileGrid]) -> None:
    """No pixel of tissue lies outside all of the tiles that touch tissue."""
    mask, grid = case
    covered = np.zeros((grid.height, grid.width), bool)

    selected = mask.select_tiles(grid)
    for row, col in np.argwhere(selected):
        covered[grid.tile(int(row), int(col)).mask_rect.slices] = True

    assert not (_dense(mask) & ~covered).any()


@settings(max_examples=60)
@given(masked_grids())
def test_share_of_tissue_is_the_mean_of_its_pixels(case: tuple[TissueMask, TileGrid]) -> None:
    """Shares are exact, at whichever pixels of the mask tiles begin and end."""
    mask, grid = case
    dense = _dense(mask)

    shares = mask.tile_shares(grid)

    expected = [dense[tile.mask_rect.slices].sum() / grid.patch_px**2 for tile in grid.tiles()]
    assert np.allclose(shares.reshape(-1), expected)
    assert np.array_equal(shares > 1e-9, mask.select_tiles(grid))


@settings(max_examples=60)
@given(
    mpp=st.floats(0.21, 3.0),
    patch_px=st.integers(3, 90),
    overlap=st.floats(0, 0.9),
    width=st.integers(30, 400),
)
def test_names_are_unique(mpp: float, patch_px: int, overlap: float, width: int) -> None:
    """Corners that are rounded to whole pixels still differ."""
    overlap_px = min(int(overlap * patch_px), patch_px - 3) if patch_px > 5 else 0
    slide = ArraySlide(np.zeros((40, width, 3), np.uint8), mpp=0.5)
    cut = cut_of(slide, mpp=mpp, patch_px=patch_px, overlap_px=overlap_px)
    shape = (cut.grid.num_rows, cut.grid.num_cols)

    names = place_tiles(cut, np.ones(shape, bool), np.ones(shape)).names

    assert len(set(names)) == len(names) == cut.grid.num_rows * cut.grid.num_cols


@settings(max_examples=12)
@given(
    mpp=st.sampled_from([0.4, 0.5, 0.75, 1.0, 1.3]),
    patch_px=st.integers(16, 70),
    share=st.floats(0, 0.6),
    workers=st.sampled_from([1, 3]),
)
def test_patches_are_the_slide_as_read_at_once(
    mpp: float, patch_px: int, share: float, workers: int
) -> None:
    """Files hold the pixels of a dense reading, white beyond the slide, at any scale."""
    slide = ArraySlide(IMAGE, mpp=0.5, tile_px=32)
    overlap_px = int(share * patch_px)
    cut = cut_of(slide, mpp=mpp, patch_px=patch_px, overlap_px=overlap_px, workers=workers)
    shape = (cut.grid.num_rows, cut.grid.num_cols)
    dense = np.full((shape[0] * patch_px * 2, shape[1] * patch_px * 2, 3), 255, np.uint8)
    whole = read_overview(slide, cut.plan, num_workers=1).pixels
    dense[: len(whole), : whole.shape[1]] = whole

    with TemporaryDirectory() as folder:
        cutter = PatchCutter(slide, cut, PatchWriter(cut.slide_id, cut.plan, "png", Path(folder)))
        done = cutter.run(
            np.ones(shape, bool), CutState(), _ignore, lambda _done, _all: None, Event()
        )
        names = place_tiles(cut, np.ones(shape, bool), np.ones(shape)).names
        for name, tile in zip(names, cut.grid.tiles(), strict=True):
            written = picture_of(Path(folder) / f"{name}.png")
            assert np.array_equal(written, dense[tile.mask_rect.slices])

    assert [tile.fate for tile in done.tiles] == ["written"] * len(names)


def _ignore(_state: CutState) -> None:
    """Stand for saving."""
