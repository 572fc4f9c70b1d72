"""Patches and label masks as pictures, and the files they become."""

import os
from functools import lru_cache
from pathlib import Path

import imagecodecs
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from dfaseg.cutting.spec import PatchFormat
from dfaseg.errors import OutputError
from dfaseg.files import explain

JPEG_QUALITY = 92
ENDINGS = {"png": ".png", "jpeg": ".jpg"}


def encode_patch(pixels: NDArray[np.uint8], save: PatchFormat) -> bytes:
    """Encode an RGB patch ``(h, w, 3)`` as PNG or JPEG."""
    if save == "jpeg":
        # Without subsampled colours: haematoxylin and eosin differ in colour above all.
        return bytes(simplejpeg.encode_jpeg(pixels, quality=JPEG_QUALITY, colorsubsampling="444"))
    return _png(pixels)


def encode_label(label: NDArray[np.uint8]) -> bytes:
    """Encode class indices ``(h, w)`` as a grey PNG."""
    lowest = int(label.min())
    return _uniform_png(lowest, *label.shape) if lowest == label.max() else _png(label)


@lru_cache(256)
def _uniform_png(index: int, height: int, width: int) -> bytes:
    """Encode a label of one class only, as many are: all of them are the same few files."""
    return _png(np.full((height, width), index, np.uint8))


def _png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode differences from the row above, and of those only runs of equal ones.

    Looking for more makes files a twentieth smaller in twice the time.
    """
    return bytes(
        imagecodecs.png_encode(
            pixels,
            level=1,
            strategy=imagecodecs.PNG.STRATEGY.RLE,
            filter=imagecodecs.PNG.FILTER.UP,
        )
    )


def write_bytes(folder: Path, name: str, content: bytes) -> None:
    """Write a file of a hidden folder.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        # By the system's own calls: each further one, as a file object makes them, would give up
        # Python's lock, and threads that cut patches would wait for each other. No path is made for
        # each of a hundred thousand files either.
        handle = os.open(f"{folder}{os.sep}{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            left = memoryview(content)
            while left:
                left = left[os.write(handle, left) :]
        finally:
            os.close(handle)
    except OSError as error:
        raise OutputError(f"output '{name}': cannot be written ({explain(error)})") from error
