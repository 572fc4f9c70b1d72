"""A mask as a pyramidal OME-TIFF whose pixel values are class indices."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffWriter

import dfaseg
from dfaseg.classmap import IGNORE_INDEX
from dfaseg.exporting.mask_source import MaskSource
from dfaseg.exporting.spec import ExportSpec
from dfaseg.files import write_aside
from dfaseg.limits import available_cores
from dfaseg.stitcher.ome_xml import label_xml
from dfaseg.stitcher.shards import CHUNK_PX

MAX_CLASSIC_BYTES = 3 << 30
"""Masks of more pixels are written as BigTIFF: 32-bit offsets end at 4 GiB."""
TILE_PX = CHUNK_PX

_BUFFER_BYTES = 16 << 20
"""Tiles that wait for their turn in the file; tifffile would take 16 times as many."""
_DEFLATE_LEVEL = 6
_UM_PER_CM = 1e4


def write_ome_tiff(mask: MaskSource, spec: ExportSpec) -> None:
    """Write all levels of a mask, tiled and compressed with deflate.

    The coarser levels are the mask's own, in SubIFDs of the finest, where Bio-Formats looks for
    them. A strip of tiles is in memory at a time.

    Raises:
        OutputError: The mask cannot be read, or the file not written.
    """
    reader = mask.reader
    shapes = [reader.shape(level) for level in range(reader.num_levels)]
    total = sum(height for height, _ in shapes)
    is_big = sum(height * width for height, width in shapes) > MAX_CLASSIC_BYTES
    xml = label_xml(reader.spec, reader.record)
    done = 0
    with write_aside(spec.out) as aside, TiffWriter(aside, bigtiff=is_big) as tiff:
        for level, (height, width) in enumerate(shapes):
            side_um = (reader.spec.mpp_x * 2**level, reader.spec.mpp_y * 2**level)
            tiff.write(
                _tiles(mask.strips(level, before=done, total=total)),
                shape=(height, width),
                dtype=np.uint8,
                photometric="minisblack",
                tile=(TILE_PX, TILE_PX),
                compression="zlib",
                compressionargs={"level": _DEFLATE_LEVEL},
                resolution=tuple(_UM_PER_CM / side for side in side_um),
                resolutionunit="CENTIMETER",
                subifds=len(shapes) - 1 if level == 0 else None,
                subfiletype=0 if level == 0 else 1,
                description=xml if level == 0 else None,
                software=f"dfaseg {dfaseg.__version__}",
                metadata=None,
                maxworkers=available_cores(),
                buffersize=_BUFFER_BYTES,
            )
            done += height


def _tiles(strips: Iterator[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    """Cut strips of ``TILE_PX`` rows into tiles; what overhangs is 255."""
    for strip in strips:
        height, width = strip.shape
        for left in range(0, width, TILE_PX):
            part = strip[:, left : left + TILE_PX]
            tile = np.full((TILE_PX, TILE_PX), IGNORE_INDEX, np.uint8)
            tile[:height, : part.shape[1]] = part
            yield tile
