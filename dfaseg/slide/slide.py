"""What an opened slide is: levels of native tiles, a resolution and an identity."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from dfaseg.geometry import Rect
from dfaseg.slide.identity import identify


@dataclass(frozen=True, slots=True)
class Level:
    """One step of the pyramid, cut into the tiles in which the file stores it.

    Attributes:
        width: Columns of pixels.
        height: Rows of pixels.
        downsample_x: Level-0 pixels per pixel of this level, horizontally; exact where the
            pyramid was made with a whole factor and rounded sizes.
        downsample_y: The same, vertically.
        tile_width: Columns of one native tile (the unit of decoding).
        tile_height: Rows of one native tile.
        reductions: Whole factors by which the file's tiles can be decoded smaller, at less cost
            than decoding them and averaging; see ``ReducingSlide``.
    """

    width: int
    height: int
    downsample_x: float
    downsample_y: float
    tile_width: int
    tile_height: int
    reductions: tuple[int, ...] = ()

    def reduced(self, reduction: int) -> "Level":
        """Return this level as its tiles make it when all are decoded smaller by a factor.

        Its last column and row of pixels may overhang the level.
        """
        return Level(
            width=-(-self.width // reduction),
            height=-(-self.height // reduction),
            downsample_x=self.downsample_x * reduction,
            downsample_y=self.downsample_y * reduction,
            tile_width=self.tile_width // reduction,
            tile_height=self.tile_height // reduction,
        )

    @property
    def num_tile_cols(self) -> int:
        """Native tiles per row, the overhanging last one included."""
        return -(-self.width // self.tile_width)

    @property
    def num_tile_rows(self) -> int:
        """Rows of native tiles, the overhanging last one included."""
        return -(-self.height // self.tile_height)

    def tile_rect(self, col: int, row: int) -> Rect:
        """Return the pixels of this level that a native tile holds, its overhang left out."""
        x, y = col * self.tile_width, row * self.tile_height
        width = min(self.tile_width, self.width - x)
        height = min(self.tile_height, self.height - y)
        return Rect(x, y, width, height)


@dataclass(frozen=True, slots=True)
class SlideInfo:
    """What is known of a slide without decoding a pixel.

    Attributes:
        slide_id: The slide's name in every message and output: its file's stem, or what a list of
            slides states.
        location: Path or URL it was opened from.
        reader: Which backend reads it, e.g. ``tiff``, ``openslide``.
        fingerprint: Hash that changes when the file's content is replaced.
        mpp: µm per level-0 pixel.
        mpp_source: Where ``mpp`` comes from, e.g. ``metadata``, ``tiff tags``, ``--mpp``.
        levels: Pyramid steps, finest first.
        level0_bounds: Scanned part of the slide in level-0 px, where the format states one.
        properties: The file's own metadata, for the run record.
        objective_power: Magnification of the objective, where the file states it.
        warnings: What a person should know before trusting the result, e.g. that the resolution
            was derived from the objective; one sentence each, without the slide's name.
    """

    slide_id: str
    location: str
    reader: str
    fingerprint: str
    mpp: float
    mpp_source: str
    levels: tuple[Level, ...]
    level0_bounds: Rect | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    objective_power: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """What files made elsewhere may call the slide: its id, and its file's stem."""
        return frozenset({self.slide_id, identify(self.location).slide_id})

    @property
    def is_local_file(self) -> bool:
        """Whether other processes of this machine can open the slide as well."""
        return self.reader in {"tiff", "openslide"} and Path(self.location).is_file()


class Slide(Protocol):
    """An opened whole-slide image; safe to read from several threads at once."""

    @property
    def info(self) -> SlideInfo:
        """Facts about the slide."""
        ...

    def read_tile(self, level: int, col: int, row: int) -> NDArray[np.uint8] | None:
        """Decode one native tile.

        Args:
            level: Index into ``info.levels``.
            col: Tile column on that level.
            row: Tile row on that level.

        Returns:
            RGB pixels, shape ``(tile_height, tile_width, 3)``, white outside the level; ``None``
            where the file stores no tile (sparse slides), which means white as well.

        Raises:
            ReadError: The tile is stored but cannot be decoded.
        """
        ...

    def close(self) -> None:
        """Release file handles; later reads fail."""
        ...


@runtime_checkable
class MemorySlide(Slide, Protocol):
    """A slide that can decode tiles into memory that is used again and again."""

    def read_tile_into(
        self, memory: NDArray[np.uint8], level: int, col: int, row: int, reduction: int
    ) -> NDArray[np.uint8] | None:
        """Decode one native tile, whole or smaller.

        Args:
            memory: Where its pixels may go, shape ``(tile_height / reduction,
                tile_width / reduction, 3)``, contiguous.
            level: Index into ``info.levels``.
            col: Tile column on that level.
            row: Tile row on that level.
            reduction: 1, or one of the level's ``reductions``.

        Returns:
            What ``Slide.read_tile`` or ``ReducingSlide.read_reduced_tile`` returns, in this memory
            or in other.

        Raises:
            ReadError: The tile is stored but cannot be decoded.
        """
        ...


@runtime_checkable
class ReducingSlide(Slide, Protocol):
    """A slide that can decode tiles smaller than they are, where a level offers reductions."""

    def read_reduced_tile(
        self, level: int, col: int, row: int, reduction: int
    ) -> NDArray[np.uint8] | None:
        """Decode one native tile smaller by a whole factor.

        Each pixel is the mean of the pixels it covers to within what the codec makes of it; white
        outside the level takes part in the mean.

        Args:
            level: Index into ``info.levels``.
            col: Tile column on that level.
            row: Tile row on that level.
            reduction: One of the level's ``reductions``.

        Returns:
            RGB pixels, shape ``(tile_height / reduction, tile_width / reduction, 3)``; ``None``
            where the file stores no tile.

        Raises:
            ReadError: The tile is stored but cannot be decoded.
        """
        ...
