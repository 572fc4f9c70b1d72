"""Small synthetic slides, made on the spot: deterministic and without a download."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

from dfaseg.geometry import Rect
from dfaseg.slide import Slide

Compression = Literal["jpeg", "jpeg2000", "webp", "lzw", "deflate", "zstd", "none"]
TileAddress = tuple[int, int, int]
"""Level, column and row of a native tile."""

_GLASS = 243
_EOSIN = np.array((226, 158, 190), np.float32)
_HAEMATOXYLIN = np.array((112, 72, 148), np.float32)


def tissue_like_image(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return glass with pink blobs of tissue, about half of the area, sprinkled with nuclei.

    The result is RGB, shape ``(height, width, 3)``; glass is near 243 grey.
    """
    rng = np.random.default_rng(seed)
    outline = _smooth_noise(rng, width, height, cells=4)
    is_tissue = outline > np.median(outline)
    is_nucleus = is_tissue & (_smooth_noise(rng, width, height, cells=max(8, width // 6)) > 0.75)
    image = np.full((height, width, 3), float(_GLASS), np.float32)
    image[is_tissue] = _EOSIN
    image[is_nucleus] = _HAEMATOXYLIN
    texture = rng.normal(0, 1, (height, width, 1)) * np.where(is_tissue, 9, 1)[..., None]
    return np.clip(image + texture, 0, 255).round().astype(np.uint8)


def write_tiff_slide(
    path: Path,
    image: NDArray[np.uint8],
    *,
    tile_px: int = 256,
    compression: Compression = "jpeg",
    quality: int = 90,
    downsamples: Sequence[int] = (1, 4),
    mpp: float | None = 0.5,
    missing: Collection[TileAddress] = (),
    aperio: bool = False,
    appmag: float | None = 20,
    subifds: bool = False,
    photometric: str = "rgb",
    **options: Any,
) -> Path:
    """Write a tiled pyramidal TIFF and return its path.

    Args:
        path: File to write.
        image: Level 0, shape ``(h, w, 3)``, ``(h, w, 4)`` or ``(h, w)``.
        tile_px: Side of the tiles; a multiple of 16.
        compression: How tiles are stored.
        quality: JPEG or WebP quality; 100 makes WebP and JPEG 2000 lossless.
        downsamples: Whole factors of the levels, the first one 1; sizes are rounded down.
        mpp: µm per level-0 pixel to state, ``None`` for no statement.
        missing: Tiles to leave out of the file (offset and length 0).
        aperio: Whether to look like an Aperio SVS, with thumbnail, label and macro.
        appmag: Objective power that an Aperio description states.
        subifds: Whether smaller levels are sub-directories, as in OME-TIFF.
        photometric: ``rgb``, ``ycbcr`` (JPEG only), ``minisblack`` or ``miniswhite``.
        options: Passed on to tifffile, e.g. ``predictor=True``, ``description="..."``.
    """
    levels = [_shrunk(image, factor) for factor in downsamples]
    layout = _Layout(tile_px, compression, quality, photometric, options)
    writer_options = {key: options.pop(key) for key in ("bigtiff", "byteorder") if key in options}
    with tifffile.TiffWriter(path, **writer_options) as writer:
        if aperio:
            _write_aperio(writer, levels, layout, mpp, appmag)
        else:
            _write_generic(writer, levels, layout, mpp, subifds=subifds)
    for address in missing:
        _patch_tile(path, address, offset=0, byte_count=0)
    return path


def write_scn_slide(
    path: Path,
    image: NDArray[np.uint8],
    *,
    level0_bounds: Rect,
    canvas: tuple[int, int],
    mpp: float | None = 0.5,
    **options: Any,
) -> Path:
    """Write a Leica SCN: one scanned area on a larger canvas, which only OpenSlide lays out.

    Args:
        path: File to write; ends in ``.scn``.
        image: Pixels of the scanned area, as large as ``level0_bounds``.
        level0_bounds: Where on the canvas the area lies, in level-0 px.
        canvas: Width and height of the whole slide in level-0 px.
        mpp: µm per pixel to state.
        options: Passed on to ``write_tiff_slide``.
    """
    description = _scn_description(level0_bounds, canvas)
    return write_tiff_slide(path, image, mpp=mpp, bigtiff=True, description=description, **options)


def read_level(slide: Slide, level: int = 0) -> NDArray[np.uint8]:
    """Assemble a whole level from its tiles; missing tiles are white."""
    place = slide.info.levels[level]
    canvas = np.full(
        (place.num_tile_rows * place.tile_height, place.num_tile_cols * place.tile_width, 3),
        255,
        np.uint8,
    )
    for row in range(place.num_tile_rows):
        for col in range(place.num_tile_cols):
            patch = slide.read_tile(level, col, row)
            if patch is not None:
                x, y = col * place.tile_width, row * place.tile_height
                canvas[y : y + place.tile_height, x : x + place.tile_width] = patch
    return canvas[: place.height, : place.width]


def corrupt_tile(path: Path, level: int, col: int, row: int) -> None:
    """Overwrite the stored bytes of one tile with nonsense of the same length."""
    offset, byte_count = stored_tile(path, level, col, row)
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\x5a" * byte_count)


def truncate(path: Path, num_bytes: int) -> None:
    """Cut a file short."""
    with path.open("r+b") as file:
        file.truncate(num_bytes)


def stored_tile(path: Path, level: int, col: int, row: int) -> tuple[int, int]:
    """Return where in the file a tile's bytes begin, and how many there are."""
    with tifffile.TiffFile(path) as tiff:
        page, index = _find_tile(tiff, (level, col, row))
        return page.dataoffsets[index], page.databytecounts[index]


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the tiles of a slide are written."""

    tile_px: int
    compression: Compression
    quality: int
    photometric: str
    options: dict[str, Any]

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of ``TiffWriter.write`` that all levels share."""
        names = {"none": None, "deflate": "adobe_deflate"}
        by_quality = {
            "jpeg": {"level": self.quality},
            "webp": {"level": self.quality, "lossless": self.quality == 100},
            "jpeg2000": {"level": 0 if self.quality == 100 else 40},
        }
        return {
            "tile": (self.tile_px, self.tile_px),
            "compression": names.get(self.compression, self.compression),
            "compressionargs": by_quality.get(self.compression),
            "photometric": self.photometric,
            "metadata": None,
            **self.options,
        }


def _write_generic(
    writer: tifffile.TiffWriter,
    levels: list[NDArray[np.uint8]],
    layout: _Layout,
    mpp: float | None,
    *,
    subifds: bool,
) -> None:
    resolution = {} if mpp is None else _resolution(mpp)
    first = layout.arguments() | resolution
    writer.write(levels[0], subifds=len(levels) - 1 if subifds else None, **first)
    for level in levels[1:]:
        writer.write(level, subfiletype=1, **(layout.arguments() | {"description": None}))


def _write_aperio(
    writer: tifffile.TiffWriter,
    levels: list[NDArray[np.uint8]],
    layout: _Layout,
    mpp: float | None,
    appmag: float | None,
) -> None:
    """Write levels in Aperio's order: level 0, thumbnail, smaller levels, label, macro."""
    height, width = levels[0].shape[:2]
    side = layout.tile_px
    head = f"Aperio Image Library v11.2.1 \r\n{width}x{height} ({side}x{side}) JPEG/RGB Q=90"
    fields = {"AppMag": appmag, "MPP": mpp}
    text = "|".join([head, *(f"{key} = {v:g}" for key, v in fields.items() if v is not None)])
    writer.write(levels[0], **(layout.arguments() | {"description": text}))
    striped: dict[str, Any] = {"photometric": "rgb", "metadata": None, "rowsperstrip": 16}
    writer.write(_shrunk(levels[0], 8), description=head + " thumbnail", **striped)
    for level in levels[1:]:
        writer.write(level, **(layout.arguments() | {"description": head}))
    label = np.full((40, 40, 3), 200, np.uint8)
    writer.write(label, subfiletype=1, description="Aperio\r\nlabel 40x40", **striped)
    writer.write(label[:20], subfiletype=9, description="Aperio\r\nmacro 40x20", **striped)


def _scn_description(bounds: Rect, canvas: tuple[int, int]) -> str:
    """Return the XML by which Leica states its layout; lengths are in nm, at 500 nm per pixel."""
    width, height = bounds.width, bounds.height
    levels = "".join(
        f'<dimension sizeX="{width // factor}" sizeY="{height // factor}" r="{i}" ifd="{i}"/>'
        for i, factor in enumerate((1, 4))
    )
    return (
        '<scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">'
        f'<collection name="c" sizeX="{canvas[0] * 500}" sizeY="{canvas[1] * 500}"><barcode/>'
        '<image name="i"><device model="Leica SCN400" version="1"/>'
        "<creationDate>2020-01-01</creationDate>"
        f'<pixels sizeX="{width}" sizeY="{height}">{levels}</pixels>'
        f'<view sizeX="{width * 500}" sizeY="{height * 500}" offsetX="{bounds.x * 500}" '
        f'offsetY="{bounds.y * 500}" spacingZ="1"/>'
        "<scanSettings><objectiveSettings><objective>20</objective></objectiveSettings>"
        "<illuminationSettings><numericalAperture>0.4</numericalAperture>"
        "<illuminationSource>brightfield</illuminationSource></illuminationSettings>"
        "</scanSettings></image></collection></scn>"
    )


def _resolution(mpp: float) -> dict[str, Any]:
    return {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"}


def _patch_tile(path: Path, address: TileAddress, *, offset: int, byte_count: int) -> None:
    """Rewrite where the directory says that a tile lies."""
    with tifffile.TiffFile(path, mode="r+") as tiff:
        page, index = _find_tile(tiff, address)
        for name, value in (("TileOffsets", offset), ("TileByteCounts", byte_count)):
            tag = page.tags[name]
            values = list(tag.value)
            values[index] = value
            tag.overwrite(values)


def _find_tile(tiff: tifffile.TiffFile, address: TileAddress) -> tuple[tifffile.TiffPage, int]:
    level, col, row = address
    pages = [page for page in tiff.pages if isinstance(page, tifffile.TiffPage) and page.is_tiled]
    for index, offset in enumerate(pages[0].subifds or ()):
        tiff.filehandle.seek(offset)
        pages.append(tifffile.TiffPage(tiff, (0, index)))
    page = pages[level]
    return page, row * -(-page.imagewidth // page.tilewidth) + col


def _smooth_noise(
    rng: np.random.Generator, width: int, height: int, cells: int
) -> NDArray[np.float32]:
    """Return noise in 0..1 with about ``cells`` bumps across, shape ``(height, width)``."""
    rows = max(2, round(cells * height / width))
    coarse = rng.random((rows, cells)).astype(np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(smooth, np.float32)


def _shrunk(image: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Average whole blocks of ``factor`` × ``factor`` pixels; what is left over is dropped."""
    if factor == 1:
        return image
    height, width = image.shape[0] // factor, image.shape[1] // factor
    whole = image[: height * factor, : width * factor]
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
