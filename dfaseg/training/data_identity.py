"""Which data a run learns from, so that it does not go on with others."""

from collections.abc import Mapping, Sequence
from hashlib import sha256

from dfaseg.datasets.dataset import Dataset, Example

DataIdentity = Mapping[str, str]
"""What the data are, by what is told of them; equal texts for equal data."""


def identify_data(data: Dataset, patch_px: int, pixel_counts: Sequence[int]) -> DataIdentity:
    """Return what decides the course of a run beside its settings, wherever the data lie.

    Of the images names, cases and splits count, not their pixels: images that are added or taken
    away can move others from the training split into the test split.

    Args:
        data: The data set, at the resolution to train at.
        patch_px: Side of a training patch.
        pixel_counts: Labelled pixels of each class in the training split.
    """
    info = data.info
    return {
        "classes": ", ".join(info.class_map.names),
        "class of glass": str(info.glass_index),
        "µm per pixel": f"{info.mpp:g}",
        "patch size": f"{patch_px} px",
        "training split": _identify(data.train),
        "validation split": _identify(data.val),
        "test split": _identify(data.test),
        "labelled training pixels": ", ".join(map(str, pixel_counts)),
    }


def changed_data(old: DataIdentity, new: DataIdentity) -> list[str]:
    """Return what differs as "what old (now new)"; what is told of one only says nothing."""
    common = [name for name in new if name in old]
    return [f"{name} {old[name]} (now {new[name]})" for name in common if old[name] != new[name]]


def _identify(examples: Sequence[Example]) -> str:
    listed = "\n".join(f"{example.name}\t{example.case}" for example in examples)
    return f"{len(examples)} images #{sha256(listed.encode()).hexdigest()[:8]}"
