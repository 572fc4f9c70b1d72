"""The moving band: what it sums, when it lets rows go, and how it goes on."""

import numpy as np
import pytest
import torch

from dfaseg.errors import ConfigError
from dfaseg.geometry import TileGrid
from dfaseg.stitcher import canvas as canvas_module
from dfaseg.stitcher.canvas import Canvas, ReleasedRows
from tests.stitching import stitch

GRID = TileGrid(width=44, height=60, patch_px=16, overlap_px=4)


@pytest.fixture
def logits() -> torch.Tensor:
    """Random logits of 3 classes for all tiles of the grid, at stride 2."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn((GRID.num_rows * GRID.num_cols, 3, 8, 8), generator=generator)


def stitch_grid(canvas: Canvas, logits: torch.Tensor, batch_size: int = 100) -> list[ReleasedRows]:
    """Feed all tiles of the grid and return all rows."""
    tiles = list(GRID.tiles())
    rows: list[ReleasedRows] = []
    for start in range(0, len(tiles), batch_size):
        some = slice(start, start + batch_size)
        rows += stitch(canvas, tiles[some], logits[some])
    return rows + list(canvas.drain(GRID.height))


def joined(rows: list[ReleasedRows]) -> torch.Tensor:
    """Join released rows to one field."""
    return torch.cat([part.logits for part in rows], dim=1)


def test_rows_come_in_order_and_all(logits: torch.Tensor) -> None:
    """Released rows tile the height without gap or repetition."""
    rows = stitch_grid(Canvas(3, GRID, 2, "gaussian"), logits)

    firsts = np.cumsum([0] + [part.logits.shape[1] for part in rows])
    assert [part.first_row for part in rows] == list(firsts[:-1])
    assert firsts[-1] == 30
    assert all(part.logits.shape[2] == 22 for part in rows)


@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_batch_size_does_not_change_a_bit(logits: torch.Tensor, batch_size: int) -> None:
    """Tiles are summed one by one, in order."""
    whole = joined(stitch_grid(Canvas(3, GRID, 2, "gaussian"), logits))

    parts = joined(stitch_grid(Canvas(3, GRID, 2, "gaussian"), logits, batch_size))

    assert torch.equal(whole, parts)


def test_half_precision_logits_are_summed_in_float32(logits: torch.Tensor) -> None:
    """What the network returns in bf16 is blended as its exact float32 value."""
    half = logits.to(torch.bfloat16)

    rows = joined(stitch_grid(Canvas(3, GRID, 2, "gaussian"), half))

    assert rows.dtype == torch.float32
    assert torch.equal(rows, joined(stitch_grid(Canvas(3, GRID, 2, "gaussian"), half.float())))


def test_cells_without_a_tile_are_not_covered() -> None:
    """A missing tile leaves a hole of zeros where no neighbour reaches."""
    grid = TileGrid(width=12, height=4, patch_px=4, overlap_px=0)
    canvas = Canvas(2, grid, 1, "gaussian")
    canvas.add([grid.tile(0, 0), grid.tile(0, 2)], torch.ones((2, 2, 4, 4)))

    rows = canvas.release(4)

    assert rows is not None
    assert rows.covered.all(dim=0).tolist() == [True] * 4 + [False] * 4 + [True] * 4
    assert torch.all(rows.logits[:, :, 4:8] == 0)


def test_nothing_is_released_before_it_is_finished(logits: torch.Tensor) -> None:
    """Rows that the next row of tiles will touch stay."""
    canvas = Canvas(3, GRID, 2, "gaussian")
    canvas.add(list(GRID.tiles())[: GRID.num_cols], logits[: GRID.num_cols])

    assert canvas.release(1) is None
    rows = canvas.release(GRID.stride_px)
    assert rows is not None
    assert rows.logits.shape[1] == GRID.stride_px // 2
    assert canvas.release(GRID.stride_px) is None


def test_a_tall_gap_is_released_step_by_step() -> None:
    """Rows without tissue never make a large array."""
    grid = TileGrid(width=8, height=8000, patch_px=8, overlap_px=0)

    sizes = [len(rows.covered) for rows in Canvas(2, grid, 1, "none").drain(8000)]

    assert max(sizes) == 8
    assert sum(sizes) == 8000


def test_a_wide_slide_is_released_in_parts(
    logits: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer rows at a time hold less memory and change nothing."""
    whole = joined(stitch_grid(Canvas(3, GRID, 2, "gaussian"), logits))
    monkeypatch.setattr(canvas_module, "_RELEASED_CELLS", 2 * 22)

    rows = stitch_grid(Canvas(3, GRID, 2, "gaussian"), logits)

    assert max(len(part.covered) for part in rows) == 2
    assert torch.equal(joined(rows), whole)


def test_tile_outside_the_band_is_refused(logits: torch.Tensor) -> None:
    """Adding a tile two rows too early is a mistake of the caller."""
    canvas = Canvas(3, GRID, 2, "gaussian")

    with pytest.raises(ValueError, match="outside the band"):
        canvas.add([GRID.tile(2, 0)], logits[:1])


def test_patch_must_be_a_multiple_of_the_stride() -> None:
    """A tile that begins inside a cell cannot be placed."""
    with pytest.raises(ConfigError, match="multiples"):
        Canvas(2, TileGrid(64, 64, 16, 2), 4, "gaussian")


@pytest.mark.parametrize("stop", range(1, GRID.num_rows))
def test_restored_canvas_goes_on_bit_for_bit(logits: torch.Tensor, stop: int) -> None:
    """A run cut after any row of tiles ends like an uninterrupted one."""
    tiles, cut = list(GRID.tiles()), stop * GRID.num_cols
    first, second = Canvas(3, GRID, 2, "gaussian"), Canvas(3, GRID, 2, "gaussian")
    rows = [*stitch(first, tiles[:cut], logits[:cut])]

    second.restore(first.state())
    rows += [*stitch(second, tiles[cut:], logits[cut:]), *second.drain(GRID.height)]

    assert torch.equal(joined(rows), joined(stitch_grid(Canvas(3, GRID, 2, "gaussian"), logits)))


def test_state_holds_pending_rows_only(logits: torch.Tensor) -> None:
    """What is finished is not saved again."""
    canvas = Canvas(3, GRID, 2, "gaussian")
    tiles = list(GRID.tiles())[: GRID.num_cols]
    list(stitch(canvas, tiles, logits[: len(tiles)]))
    list(canvas.drain(GRID.stride_px))

    state = canvas.state()

    assert state["rows"].shape[1] == GRID.overlap_px // 2


def test_state_of_another_slide_is_refused() -> None:
    """A saved band of another width cannot be continued."""
    state = Canvas(2, TileGrid(64, 64, 16, 0), 1, "none").state()

    with pytest.raises(ConfigError, match="another slide"):
        Canvas(2, TileGrid(80, 64, 16, 0), 1, "none").restore(state)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_band_on_the_gpu_equals_the_band_on_the_cpu(logits: torch.Tensor) -> None:
    """Each product, sum and quotient is correctly rounded on both."""
    on_gpu = joined(stitch_grid(Canvas(3, GRID, 2, "gaussian", "cuda"), logits.cuda()))

    assert torch.equal(on_gpu.cpu(), joined(stitch_grid(Canvas(3, GRID, 2, "gaussian"), logits)))
