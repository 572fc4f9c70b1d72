"""Pillow with our own limits: its settings belong to the whole process."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

PILLOW_ERRORS = (OSError, SyntaxError, ValueError, EOFError, MemoryError)
"""What Pillow raises for a damaged picture; ``SyntaxError`` is its word for a broken PNG."""
_settings = threading.Lock()
"""One picture is opened at a time."""


@contextmanager
def tamed_pillow() -> Iterator[None]:
    """Lift Pillow's own limit of 89 Mpx, ours takes its place, and mute its remarks on metadata."""
    with _settings, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit
