"""Which data a run learns from, so that it does not go on with others."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from dfaseg.datasets.dataset import Dataset, Example
from dfaseg.datasets.load import Split
from dfaseg.training.training_split import TrainingSplit

DataIdentity = Mapping[str, str]
"""What the data are, by what is told of them; equal texts for equal data."""


def identify_data(data: Dataset, patch_px: int, train: TrainingSplit, val: Split) -> DataIdentity:
    """Return what decides the course of a run beside its settings, wherever the data lie.

    Of test images names and cases count only: they are not decoded before the end. They must
    count, for images that are added or taken away can move others into the training split.

    Args:
        data: The data set, at the resolution to train at.
        patch_px: Side of a training patch.
        train: Its training split, decoded.
        val: Its validation split, decoded.
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
        "labelled training pixels": ", ".join(map(str, train.pixel_counts)),
        "pixels of training images": _hashed(train.split.checksums),
        "pixels of validation images": _hashed(val.checksums),
    }


def changed_data(old: DataIdentity, new: DataIdentity) -> list[str]:
    """Return what differs as "what old (now new)"; what is told of one only says nothing."""
    common = [name for name in new if name in old]
    return [f"{name} {old[name]} (now {new[name]})" for name in common if old[name] != new[name]]


def _identify(examples: Sequence[Example]) -> str:
    listed = (f"{example.name}\t{example.case}" for example in examples)
    return f"{len(examples)} images {_hashed(listed)}"


def _hashed(lines: Iterable[object]) -> str:
    text = "\n".join(map(str, lines))
    return f"#{sha256(text.encode()).hexdigest()[:8]}"
