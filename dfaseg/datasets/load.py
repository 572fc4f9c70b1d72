"""Decoded splits, held where training can cut patches from them at once."""

import logging
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from tempfile import gettempdir

import numpy as np
from numpy.typing import NDArray

from dfaseg.datasets.dataset import Example
from dfaseg.datasets.scratch import Array, ArrayStore, StoredArray
from dfaseg.errors import DatasetError
from dfaseg.limits import available_memory_bytes

logger = logging.getLogger(__name__)

MEMORY_SHARE = 0.5
"""Part of the job's free memory that the images of one split may take."""


@dataclass(frozen=True, slots=True)
class Split:
    """Images and labels of one split, decoded.

    Attributes:
        names: One name per image.
        cases: Case of each image.
        images: RGB, uint8 ``(h, w, 3)`` each; not to be written to.
        labels: Class indices, uint8 ``(h, w)`` each, 255 = ignore; not to be written to.
        checksums: One number per image, another if a pixel of it or of its label is.
    """

    names: tuple[str, ...]
    cases: tuple[str, ...]
    images: Sequence[NDArray[np.uint8]]
    labels: Sequence[NDArray[np.uint8]]
    checksums: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.names)


def load_split(
    examples: Sequence[Example], *, workers: int = 1, memory_bytes: int | None = None
) -> Split:
    """Decode all images of a split, once.

    Images are held in memory as long as they fit; the rest lies uncompressed in a scratch file
    (in ``TMPDIR``) that vanishes with the process, and is read from there when touched.

    Args:
        examples: The split's images.
        workers: Threads that decode.
        memory_bytes: Memory the images may take; by default half of what the job has free.

    Raises:
        DatasetError: A file cannot be read.
        OutputError: The scratch disk is full.
    """
    if memory_bytes is None:
        memory_bytes = int(MEMORY_SHARE * available_memory_bytes())
    with closing(ArrayStore(memory_bytes)) as store:
        with ThreadPoolExecutor(max(1, workers), "decode") as pool:
            kept = list(pool.map(lambda example: _keep(example, store), examples))
        images = store.open_arrays([image for image, _, _ in kept])
        labels = store.open_arrays([label for _, label, _ in kept])
        if store.file_bytes:
            total = sum(array.nbytes for array in (*images, *labels))
            logger.info(
                "%.1f of %.1f GB of images do not fit in memory and lie in '%s' for the run",
                store.file_bytes / 1e9,
                total / 1e9,
                gettempdir(),
            )
    return Split(
        names=tuple(example.name for example in examples),
        cases=tuple(example.case for example in examples),
        images=images,
        labels=labels,
        checksums=tuple(checksum for _, _, checksum in kept),
    )


def _keep(
    example: Example, store: ArrayStore
) -> tuple[Array | StoredArray, Array | StoredArray, int]:
    """Return image and label where they are kept, and their checksum."""
    try:
        pixels = example.read()
    except MemoryError as error:
        raise DatasetError(
            f"image '{example.name}': not enough memory to decode it; use fewer --workers"
        ) from error
    checksum = 0
    for array in (pixels.image, pixels.label):
        checksum = zlib.crc32(np.ascontiguousarray(array).data, checksum)
    return store.keep(pixels.image), store.keep(pixels.label), checksum
