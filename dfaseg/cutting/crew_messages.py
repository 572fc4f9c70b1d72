"""What a process that has a slide cut and those that cut it say to one another."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dfaseg.cutting.cut_state import CutTile
from dfaseg.cutting.patch_writer import PatchWriter
from dfaseg.geometry import TileGrid
from dfaseg.tiler.tile_rows import TileRows
from dfaseg.tiler.unreadable import Reasons


@dataclass(frozen=True, slots=True)
class CutOrder:
    """The slide whose parts will follow.

    Attributes:
        location: Where it lies.
        mpp: Its µm per pixel.
        grid: Its tiles.
        writer: What is made of each patch; knows the slide's name, and how it is read.
        num_threads: Threads that cut.
    """

    location: Path
    mpp: float
    grid: TileGrid
    writer: PatchWriter
    num_threads: int

    @classmethod
    def of(cls, rows: TileRows, writer: PatchWriter, num_threads: int) -> Self:
        """Return the order to cut a slide that is a local file."""
        info = rows.slide.info
        location = Path(info.location).absolute()
        return cls(location, info.mpp, rows.grid, writer, num_threads)


@dataclass(frozen=True, slots=True)
class CutPart:
    """Rows of tiles to cut.

    Attributes:
        first_row: The first one's place on the grid.
        selected: Which tiles of them, shape ``(rows, grid.num_cols)``.
        unreadable: Native tiles that nobody need ask for again.
    """

    first_row: int
    selected: NDArray[np.bool_]
    unreadable: Reasons


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
