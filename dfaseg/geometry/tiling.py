"""How the pixels of a mask lie over the native tiles from which they are made."""

import math
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class NativeAxis:
    """One axis of a mask frame over native tiles; both begin at the same edge.

    Attributes:
        scale: Pixels as they are decoded per mask pixel.
        length: Mask pixels.
        tile_px: Decoded pixels of a native tile.
        num_tiles: Native tiles, the last of which is taken to reach as far as the mask.
    """

    scale: Fraction
    length: int
    tile_px: int
    num_tiles: int

    @property
    def source_px(self) -> int:
        """Decoded pixels up to the end of the last tile."""
        return max(self.num_tiles * self.tile_px, math.ceil(self.length * self.scale))

    def source_of(self, tile: int) -> range:
        """Return the decoded pixels of a native tile."""
        is_last = tile == self.num_tiles - 1
        return range(tile * self.tile_px, self.source_px if is_last else (tile + 1) * self.tile_px)

    def touched(self, tile: int) -> range:
        """Return the mask pixels that cover any part of a native tile."""
        source = self.source_of(tile)
        end = min(self.length, math.ceil(source.stop / self.scale))
        return range(min(end, math.floor(source.start / self.scale)), end)

    @property
    def most_touched(self) -> int:
        """Most mask pixels that cover any part of one native tile."""
        return max(len(self.touched(tile)) for tile in range(self.num_tiles))

    def completed(self, tile: int) -> range:
        """Return the mask pixels that end in a native tile; others may have begun before it."""
        touched = self.touched(tile)
        is_cut = touched.stop * self.scale > self.source_of(tile).stop
        return touched[:-1] if is_cut else touched

    def tile_at(self, pixel: int) -> int:
        """Return the native tile in which a mask pixel begins."""
        return min(math.floor(pixel * self.scale) // self.tile_px, self.num_tiles - 1)

    def tile_completing(self, pixel: int) -> int:
        """Return the native tile in which a mask pixel ends."""
        last_px = math.ceil((pixel + 1) * self.scale) - 1
        return min(last_px // self.tile_px, self.num_tiles - 1)
