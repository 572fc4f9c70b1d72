"""Losses by name: pixel terms, Dice and IoU, for any bias mode."""

from dfaseg.training.losses.build import build_loss
from dfaseg.training.losses.frequency import logit_shift
from dfaseg.training.losses.segmentation import LossValue, SegmentationLoss, WorldSum
from dfaseg.training.losses.spec import LossName, LossSpec, TermWeights

__all__ = [
    "LossName",
    "LossSpec",
    "LossValue",
    "SegmentationLoss",
    "TermWeights",
    "WorldSum",
    "build_loss",
    "logit_shift",
]
