"""What a data set is: its facts, and annotated images whose pixels are read when asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import ClassMap


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What a model trained on a data set must say about it.

    Attributes:
        name: Name of the data set as its authors write it.
        class_map: Its classes.
        mpp: Resolution of its images in µm per pixel.
        mpp_note: How the resolution is known.
        source: Official address.
        licence: Licence of the data.
        attribution: Whom to name.
        glass_index: Class of empty glass, or None if the data set has no such class.
        weights_licence: Licence under which weights trained on it may be passed on.
        intended_use: What such weights are good for.
        limits: What they are not good for.
        patch_px: Side of a training patch that suits it.
    """

    name: str
    class_map: ClassMap
    mpp: float
    mpp_note: str
    source: str
    licence: str
    attribution: str
    glass_index: int | None
    weights_licence: str
    intended_use: str
    limits: str
    patch_px: int


class LabelledImage(NamedTuple):
    """The pixels of one annotated image.

    Attributes:
        image: RGB, uint8 ``(h, w, 3)``.
        label: Class indices, uint8 ``(h, w)``, 255 = ignore.
    """

    image: NDArray[np.uint8]
    label: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Example:
    """One annotated image, not read yet.

    Attributes:
        name: Unique in its data set.
        case: Patient or slide it comes from; a case lies in one split only, and scores are
            resampled by case.
        read: Decodes it; raises ``DatasetError`` naming the file if that fails. Called from
            several threads.
    """

    name: str
    case: str
    read: Callable[[], LabelledImage]


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set with its three splits.

    Training and validation share no case, nor does the test split share one with them, unless
    ``info.limits`` says that the authors' own test split does.
    """

    info: DatasetInfo
    train: tuple[Example, ...]
    val: tuple[Example, ...]
    test: tuple[Example, ...]
