"""A slide held in memory, for pictures, tests and examples."""

import hashlib
from collections.abc import Collection, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from dfaseg.errors import ConfigError, ReadError
from dfaseg.geometry import Rect
from dfaseg.slide.levels import StoredLevel, make_levels
from dfaseg.slide.padding import padded_white
from dfaseg.slide.slide import SlideInfo

TileAddress = tuple[int, int, int]
"""Level, column and row of a native tile."""


class ArraySlide:
    """A slide whose pixels are an array; behaves as a file would, bad tiles included."""

    def __init__(  # noqa: PLR0913  # each option is one thing that a test may want to vary
        self,
        pixels: NDArray[np.uint8],
        *,
        mpp: float = 0.5,
        mpp_source: str = "array",
        slide_id: str = "array",
        tile_px: int = 256,
        downsamples: Sequence[int] = (1,),
        level0_bounds: Rect | None = None,
        missing: Collection[TileAddress] = (),
        failing: Collection[TileAddress] = (),
    ) -> None:
        """Cut ``pixels`` into levels and tiles.

        Args:
            pixels: RGB, shape ``(h, w, 3)``; not copied, so it must not change afterwards.
            mpp: µm per level-0 pixel.
            mpp_source: Where that comes from.
            slide_id: Name in messages and outputs.
            tile_px: Side of a native tile on each level.
            downsamples: Whole factors of the levels, the first one 1.
            level0_bounds: Scanned part in level-0 px.
            missing: Tiles that are not stored: reading gives ``None``.
            failing: Tiles that are corrupt: reading raises ``ReadError``.

        Raises:
            ConfigError: ``pixels`` is not 8-bit RGB or the first downsample is not 1.
        """
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
            raise ConfigError(f"slide '{slide_id}': pixels must be 8-bit RGB, shape (h, w, 3)")
        if not downsamples or downsamples[0] != 1:
            raise ConfigError(f"slide '{slide_id}': the first downsample must be 1")
        self._levels = [_shrunk(pixels, factor) for factor in downsamples]
        self._missing = frozenset(missing)
        self._failing = frozenset(failing)
        sizes = [StoredLevel(p.shape[1], p.shape[0], tile_px, tile_px) for p in self._levels]
        self._info = SlideInfo(
            slide_id=slide_id,
            location=f"memory:{slide_id}",
            reader="array",
            fingerprint=_fingerprint(pixels),
            mpp=mpp,
            mpp_source=mpp_source,
            levels=make_levels(sizes),
            level0_bounds=level0_bounds,
        )

    @property
    def info(self) -> SlideInfo:
        """Facts about the slide."""
        return self._info

    def read_tile(self, level: int, col: int, row: int) -> NDArray[np.uint8] | None:
        """Copy one tile out of the array; see ``Slide.read_tile``."""
        if (level, col, row) in self._missing:
            return None
        if (level, col, row) in self._failing:
            raise ReadError(
                self._info.slide_id,
                f"tile (level {level}, column {col}, row {row}) cannot be decoded (set to fail)",
            )
        place = self._info.levels[level]
        x, y = col * place.tile_width, row * place.tile_height
        part = self._levels[level][y : y + place.tile_height, x : x + place.tile_width]
        return padded_white(part, place.tile_width, place.tile_height)

    def close(self) -> None:
        """Do nothing: there is no file to release."""


def _shrunk(pixels: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Average blocks of ``factor`` × ``factor`` pixels; sizes are rounded up."""
    if factor == 1:
        return pixels
    height, width = (-(-length // factor) for length in pixels.shape[:2])
    padding = ((0, height * factor - pixels.shape[0]), (0, width * factor - pixels.shape[1]))
    whole = np.pad(pixels, (*padding, (0, 0)), mode="edge")
    shrunk = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk, np.uint8)


def _fingerprint(pixels: NDArray[np.uint8]) -> str:
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()[:16]
