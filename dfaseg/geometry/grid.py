"""Where tiles lie: a regular lattice that covers every pixel of a plane."""

from collections.abc import Iterator
from dataclasses import dataclass

from dfaseg.errors import ConfigError
from dfaseg.geometry.rect import Rect


@dataclass(frozen=True, slots=True)
class Tile:
    """A place on the grid; it has no pixels."""

    row: int
    col: int
    mask_rect: Rect
    """Where the tile lies, in mask pixels; may overhang the right and bottom edge."""


@dataclass(frozen=True, slots=True)
class TileGrid:
    """A lattice of square tiles over a plane of ``width`` × ``height`` mask pixels.

    Tiles start at multiples of ``stride_px``; the last row and column may overhang the plane, so
    that each of its pixels lies in at least one tile.
    """

    width: int
    height: int
    patch_px: int
    overlap_px: int

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0:
            raise ConfigError(f"plane of {self.width} × {self.height} px: nothing to cover")
        if self.patch_px <= 0 or not 0 <= self.overlap_px < self.patch_px:
            raise ConfigError(
                f"patch {self.patch_px} px with overlap {self.overlap_px} px: "
                "the overlap must be at least 0 and smaller than the patch"
            )

    @property
    def stride_px(self) -> int:
        """Step between neighbouring tiles."""
        return self.patch_px - self.overlap_px

    @property
    def num_rows(self) -> int:
        """Rows of tiles."""
        return self._count(self.height)

    @property
    def num_cols(self) -> int:
        """Columns of tiles."""
        return self._count(self.width)

    def tile(self, row: int, col: int) -> Tile:
        """Return the tile at one place of the lattice."""
        rect = Rect(col * self.stride_px, row * self.stride_px, self.patch_px, self.patch_px)
        return Tile(row, col, rect)

    def tiles(self) -> Iterator[Tile]:
        """Yield all tiles, row by row."""
        for row in range(self.num_rows):
            for col in range(self.num_cols):
                yield self.tile(row, col)

    def _count(self, length: int) -> int:
        """Fewest tiles of ``patch_px`` at steps of ``stride_px`` that reach ``length``."""
        return 1 + max(0, -(-(length - self.patch_px) // self.stride_px))
