"""JPEG codecs that sleep instead: ``python -m tests.benchmark.sleeping_codecs SOCKET``.

As that program a process that cuts, see ``dfaseg.cutting.crew_worker``, with such codecs.
"""

import time
from typing import Any

import numpy as np
import simplejpeg

DECODING = 140e-6
"""Seconds for a tile of 256 px, about what a core takes."""
ENCODING = 900e-6
"""Seconds for a patch of 512 px."""
_TILE = np.zeros((256, 256, 3), np.uint8)
_FILE = bytes(100_000)


def put_to_sleep() -> None:
    """Let codecs give up Python's lock for as long as ever, and take no core meanwhile."""

    def decode(*_arguments: Any, **_options: Any) -> Any:
        time.sleep(DECODING)
        return _TILE

    def encode(*_arguments: Any, **_options: Any) -> bytes:
        time.sleep(ENCODING)
        return _FILE

    simplejpeg.decode_jpeg, simplejpeg.encode_jpeg = decode, encode


if __name__ == "__main__":
    from dfaseg.cutting.crew_worker import main

    put_to_sleep()
    main()
