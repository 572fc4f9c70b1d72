"""Decoded splits, held where training can cut patches from them at once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfaseg.datasets.dataset import Example


@dataclass(frozen=True, slots=True)
class Split:
    """Images and labels of one split, decoded.

    Attributes:
        names: One name per image.
        cases: Case of each image.
        images: RGB, uint8 ``(h, w, 3)`` each.
        labels: Class indices, uint8 ``(h, w)`` each, 255 = ignore.
    """

    names: tuple[str, ...]
    cases: tuple[str, ...]
    images: Sequence[NDArray[np.uint8]]
    labels: Sequence[NDArray[np.uint8]]

    def __len__(self) -> int:
        return len(self.names)


def load_split(examples: Sequence[Example], *, workers: int = 1) -> Split:
    """Decode all images of a split.

    Args:
        examples: The split's images.
        workers: Threads that decode.

    Raises:
        DatasetError: A file cannot be read.
    """
    with ThreadPoolExecutor(workers, "decode") as pool:
        decoded = list(pool.map(lambda example: example.read(), examples))
    return Split(
        names=tuple(example.name for example in examples),
        cases=tuple(example.case for example in examples),
        images=[pixels.image for pixels in decoded],
        labels=[pixels.label for pixels in decoded],
    )
