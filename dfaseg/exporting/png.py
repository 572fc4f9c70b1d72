"""A small mask as one PNG whose palette indices are class indices."""

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import dfaseg
from dfaseg.classmap import ClassMap
from dfaseg.errors import ConfigError
from dfaseg.exporting.mask_source import MaskSource
from dfaseg.exporting.spec import ExportSpec
from dfaseg.files import write_aside

MAX_PX = 250_000_000
"""A PNG is made and opened as a whole."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MARK = b"tEXtSoftware\0dfaseg "
"""Stands before the palette, within the first hundred bytes."""


def write_png(mask: MaskSource, spec: ExportSpec) -> None:
    """Write the finest level of a mask; 255 is white.

    Raises:
        ConfigError: The mask is too large for a picture without tiles.
        OutputError: The mask cannot be read, or the file not written.
    """
    height, width = mask.reader.shape()
    if height * width > MAX_PX:
        raise ConfigError(
            f"mask '{mask.path}': {width} × {height} px are too many for a PNG, which has no"
            " tiles; export it as .ome.tif"
        )
    codes = np.concatenate(list(mask.strips()))
    picture = Image.fromarray(codes).convert("L")
    picture.putpalette(_palette(mask.reader.spec.classes))
    mark = PngInfo()
    mark.add_text("Software", f"dfaseg {dfaseg.__version__}")
    with write_aside(spec.out) as aside:
        picture.save(aside, format="PNG", pnginfo=mark)


def is_own_png(head: bytes) -> bool:
    """Tell by its first bytes whether dfaseg wrote a file."""
    return head.startswith(_SIGNATURE) and _MARK in head


def _palette(classes: ClassMap) -> bytes:
    """Return red, green and blue of all 256 indices; those of no class are white."""
    colours = np.full((256, 3), 255, np.uint8)
    for entry in classes:
        colours[entry.index] = entry.colour
    return colours.tobytes()
