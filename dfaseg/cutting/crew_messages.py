"""What a process that has a slide cut and those that cut it say to one another."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dfaseg.cutting.cut_state import CutTile
from dfaseg.cutting.patch_writer import TileWriter
from dfaseg.geometry import TileGrid
from dfaseg.tiler.plan import ReadPlan
from dfaseg.tiler.tile_rows import TileRows
from dfaseg.tiler.unreadable import Reasons


@dataclass(frozen=True, slots=True)
class CutOrder:
    """The slide whose parts will follow.

    Attributes:
        location: Where it lies.
        slide_id: Its name.
        mpp: Its µm per pixel.
        plan: How it is read.
        grid: Its tiles.
        num_threads: Threads that cut.
    """

    location: Path
    slide_id: str
    mpp: float
    plan: ReadPlan
    grid: TileGrid
    num_threads: int

    @classmethod
    def of(cls, rows: TileRows, num_threads: int) -> Self:
        """Return the order to cut a slide that is a local file."""
        info = rows.slide.info
        location = Path(info.location).absolute()
        return cls(location, info.slide_id, info.mpp, rows.plan, rows.grid, num_threads)


@dataclass(frozen=True, slots=True)
class CutPart:
    """Rows of tiles to cut.

    Attributes:
        first_row: The first one's place on the grid.
        selected: Which tiles of them, shape ``(rows, grid.num_cols)``.
        unreadable: Native tiles that nobody need ask for again.
        writer: What is made of each patch.
    """

    first_row: int
    selected: NDArray[np.bool_]
    unreadable: Reasons
    writer: TileWriter


@dataclass(frozen=True, slots=True)
class CutReply:
    """What became of a part.

    Attributes:
        tiles: Its tiles, in grid order.
        unreadable: Reason for each native tile (column, row) that could not be decoded.
        error: Why the part is not finished; None if it is.
    """

    tiles: tuple[CutTile, ...] = ()
    unreadable: Reasons = field(default_factory=dict)
    error: Exception | None = None
