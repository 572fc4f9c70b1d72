"""Laws of stitching, for any slide size, patch, overlap, stride, blend and missing tiles."""

from collections.abc import Callable
from itertools import pairwise
from typing import get_args

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from dfaseg.geometry import Tile, TileGrid
from dfaseg.native.halve import halve_mode
from dfaseg.stitcher.blend import BlendMode, blend_weights
from dfaseg.stitcher.canvas import Canvas, ReleasedRows
from dfaseg.stitcher.labels import LabelUpsampler
from tests.stitching import stitch

FEW = settings(max_examples=40)
blends = st.sampled_from(get_args(BlendMode))
seeds = st.integers(0, 2**32 - 1)

Network = Callable[[Tile], torch.Tensor]


@st.composite
def grids(draw: st.DrawFn, stride: int = 1) -> TileGrid:
    """Draw a grid whose patch and overlap are multiples of the stride."""
    patch = draw(st.integers(1, 8))
    overlap = draw(st.integers(0, patch - 1))
    width, height = draw(st.integers(1, 30)), draw(st.integers(1, 30))
    return TileGrid(width, height, patch * stride, overlap * stride)


def stitched(
    canvas: Canvas, tiles: list[Tile], network: Network, batch_size: int, height: int
) -> tuple[np.ndarray, np.ndarray]:
    """Feed tiles in batches; return all logits (k, h, w) and what they cover (h, w)."""
    rows: list[ReleasedRows] = []
    for start in range(0, len(tiles), batch_size):
        batch = tiles[start : start + batch_size]
        rows += stitch(canvas, batch, torch.stack([network(tile) for tile in batch]))
    rows += canvas.drain(height)
    logits = torch.cat([part.logits for part in rows], dim=1)
    covered = torch.cat([part.covered for part in rows])
    return logits.numpy(), covered.numpy()


def cropping_network(field: torch.Tensor, grid: TileGrid, stride: int) -> Network:
    """Return a network whose logits are the field's cells under the tile, 0 past its edge."""
    padding = grid.patch_px // stride
    padded = functional.pad(field, (0, padding, 0, padding))

    def network(tile: Tile) -> torch.Tensor:
        top, left = tile.mask_rect.y // stride, tile.mask_rect.x // stride
        return padded[:, top : top + padding, left : left + padding]

    return network


def noisy_network(seed: int, num_classes: int, patch: int) -> Network:
    """Return a network that answers each tile with its own noise."""

    def network(tile: Tile) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed + 1000 * tile.row + tile.col)
        return torch.randn((num_classes, patch, patch), generator=generator)

    return network


@FEW
@given(st.data(), st.sampled_from([1, 2]), blends, seeds)
def test_identity_network_gives_the_image_back(
    data: st.DataObject, stride: int, blend: BlendMode, seed: int
) -> None:
    """Cutting into tiles and stitching is the identity, whatever the overlap."""
    grid = data.draw(grids(stride))
    height, width = -(-grid.height // stride), -(-grid.width // stride)
    image = np.random.default_rng(seed).integers(0, 4, (height, width), dtype=np.uint8)
    one_hot = functional.one_hot(torch.from_numpy(image).long(), 4).permute(2, 0, 1).float()
    canvas = Canvas(4, grid, stride, blend)
    network = cropping_network(one_hot, grid, stride)

    logits, covered = stitched(canvas, list(grid.tiles()), network, 3, grid.height)

    assert covered.all()
    np.testing.assert_array_equal(logits.argmax(axis=0), image)
    np.testing.assert_allclose(logits, one_hot.numpy(), atol=1e-6)


@FEW
@given(grids(), blends, st.floats(-50, 50, width=32))
def test_constant_network_gives_a_constant(grid: TileGrid, blend: BlendMode, value: float) -> None:
    """Weights are divided out to float32's precision, and classes keep their order."""
    constant = torch.tensor([value, value, value + 1.0])
    answer = constant[:, None, None].expand(3, grid.patch_px, grid.patch_px)
    canvas = Canvas(3, grid, 1, blend)

    logits, _ = stitched(canvas, list(grid.tiles()), lambda _: answer, 5, grid.height)

    expected = np.broadcast_to(constant.numpy()[:, None, None], logits.shape)
    np.testing.assert_allclose(logits, expected, rtol=1e-6, atol=1e-6)
    assert np.all(logits.argmax(axis=0) == constant.argmax().item())


@FEW
@given(grids(), blends, seeds, st.integers(1, 9), st.integers(1, 9))
def test_batch_size_does_not_change_a_bit(
    grid: TileGrid, blend: BlendMode, seed: int, one: int, other: int
) -> None:
    """Tiles are summed in their own order, also when some are missing."""
    rng = np.random.default_rng(seed)
    tiles = [tile for tile in grid.tiles() if rng.random() < 0.7]
    network = noisy_network(seed, 2, grid.patch_px)

    first, second = (
        stitched(Canvas(2, grid, 1, blend), tiles, network, size, grid.height)
        for size in (one, other)
    )

    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


@FEW
@given(grids(), blends, seeds)
def test_stitched_equals_a_dense_sum(grid: TileGrid, blend: BlendMode, seed: int) -> None:
    """The moving band gives what one sum over the whole slide in float64 gives."""
    rng = np.random.default_rng(seed)
    tiles = [tile for tile in grid.tiles() if rng.random() < 0.7]
    network = noisy_network(seed, 3, grid.patch_px)
    weights = blend_weights(blend, grid.patch_px, grid.overlap_px).astype(np.float64)
    margin = grid.patch_px
    total = np.zeros((3, grid.height + margin, grid.width + margin))
    total_weight = np.zeros(total.shape[1:])
    for tile in tiles:
        rows, cols = tile.mask_rect.slices
        total[:, rows, cols] += weights * network(tile).double().numpy()
        total_weight[rows, cols] += weights
    dense = np.divide(total, total_weight, out=np.zeros_like(total), where=total_weight > 0)

    logits, covered = stitched(Canvas(3, grid, 1, blend), tiles, network, 4, grid.height)

    np.testing.assert_allclose(logits, dense[:, : grid.height, : grid.width], atol=1e-5)
    np.testing.assert_array_equal(covered, total_weight[: grid.height, : grid.width] > 0)


@FEW
@given(blends, st.integers(1, 40), st.data())
def test_blend_weights_are_positive(blend: BlendMode, patch: int, data: st.DataObject) -> None:
    """No cell of a tile is thrown away, so a lone tile is whole."""
    assert blend_weights(blend, patch, data.draw(st.integers(0, patch - 1))).min() > 0


@FEW
@given(
    st.sampled_from([1, 2, 4, 8]),
    st.integers(1, 8),
    st.integers(1, 9),
    st.integers(1, 9),
    st.booleans(),
    seeds,
)
def test_upsampler_equals_dense_interpolation(
    stride: int, num_classes: int, rows: int, cols: int, is_smooth: bool, seed: int
) -> None:
    """Every pixel has a class whose densely interpolated logit is the largest, up to rounding."""
    field = np.random.default_rng(seed).standard_normal((num_classes, rows, cols))
    logits = (field.cumsum(axis=2) if is_smooth else field).astype(np.float32)
    dense = functional.interpolate(
        torch.from_numpy(logits)[None].double(), scale_factor=stride, mode="bilinear"
    )[0].numpy()

    labels = LabelUpsampler(num_classes, cols * stride, rows * stride, stride).add(
        logits, np.ones((rows, cols), bool)
    )

    chosen = np.take_along_axis(dense, labels[None].astype(np.intp), axis=0)[0]
    np.testing.assert_allclose(chosen, dense.max(axis=0), atol=1e-5)


@FEW
@given(st.sampled_from([1, 2, 4]), st.integers(1, 12), st.integers(1, 8), seeds, st.data())
def test_labels_do_not_depend_on_the_height_of_bands(
    stride: int, rows: int, cols: int, seed: int, data: st.DataObject
) -> None:
    """Rows released one by one or all at once, with gaps in the tissue, give the same mask."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((3, rows, cols)).astype(np.float32)
    covered = rng.random((rows, cols)) < 0.7
    width, height = cols * stride - stride // 2, rows * stride - stride // 2
    whole = LabelUpsampler(3, width, height, stride).add(logits, covered)
    cuts = sorted(data.draw(st.sets(st.integers(0, rows), max_size=4)) | {0, rows})

    upsampler = LabelUpsampler(3, width, height, stride)
    parts = [
        upsampler.add(logits[:, top:bottom], covered[top:bottom]) for top, bottom in pairwise(cuts)
    ]

    np.testing.assert_array_equal(np.concatenate(parts), whole)


@FEW
@given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 5), seeds)
def test_halving_takes_the_commonest_class(
    half_rows: int, cols: int, num_classes: int, seed: int
) -> None:
    """Each coarse pixel equals a count by hand; the first in reading order wins a tie."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, num_classes, (2 * half_rows, cols), dtype=np.uint8)
    padded = np.pad(rows, ((0, 0), (0, cols % 2)), mode="edge")

    halved = halve_mode(rows)

    for (row, col), value in np.ndenumerate(halved):
        block = padded[2 * row : 2 * row + 2, 2 * col : 2 * col + 2].ravel().tolist()
        assert value == max(block, key=block.count)
