"""From a loss by name to the module that computes it."""

from collections.abc import Sequence

from torch import Tensor

from dfaseg.errors import ConfigError
from dfaseg.training.losses.frequency import (
    effective_number_weights,
    is_rare,
    log_frequencies,
)
from dfaseg.training.losses.ohem import HardPixelCrossEntropy
from dfaseg.training.losses.pixel import AdjustedCrossEntropy, CrossEntropy, SigmoidFocal
from dfaseg.training.losses.seesaw import Seesaw
from dfaseg.training.losses.segmentation import SegmentationLoss, WorldSum
from dfaseg.training.losses.spec import LossSpec
from dfaseg.training.losses.term import LossTerm
from dfaseg.training.losses.unified import UnifiedFocal


def build_loss(
    spec: LossSpec,
    *,
    pixel_counts: Sequence[int],
    num_patches: int,
    world_sum: WorldSum | None = None,
) -> SegmentationLoss:
    """Build the loss that a spec describes; move it to the network's device.

    Args:
        spec: Name and numbers.
        pixel_counts: Labelled pixels of each class in the training split, ``(k,)``.
        num_patches: How many training patches the split is worth: its images, or the patches they
            are cut into.
        world_sum: Adds a tensor up over all processes that share a batch, differentiably; None
            in a single process.

    Raises:
        ConfigError: There is no class, or the loss needs counts and they are impossible.
    """
    if not pixel_counts:
        raise ConfigError("loss: no class to learn; check the class map")
    pixel = _pixel_term(spec, pixel_counts, num_patches)
    return SegmentationLoss(
        pixel, len(pixel_counts), spec.term_weights, world_sum or _single_process
    )


def _single_process(tensor: Tensor) -> Tensor:
    return tensor


def _pixel_term(spec: LossSpec, pixel_counts: Sequence[int], num_patches: int) -> LossTerm:
    match spec.name:
        case "focal_dice" | "focal":
            return SigmoidFocal(spec.gamma)
        # Post-hoc adjustment learns from plain cross-entropy and shifts the logits afterwards.
        case "ce_dice" | "ce" | "logit_adjusted_posthoc":
            return CrossEntropy()
        case "class_balanced":
            return CrossEntropy(effective_number_weights(pixel_counts, num_patches, spec.beta))
        case "logit_adjusted":
            return AdjustedCrossEntropy(spec.tau * log_frequencies(pixel_counts))
        case "balanced_softmax":
            return AdjustedCrossEntropy(log_frequencies(pixel_counts))
        case _:
            return _reweighting_term(spec, pixel_counts)


def _reweighting_term(spec: LossSpec, pixel_counts: Sequence[int]) -> LossTerm:
    """Build one of the terms that weigh pixels or classes by how the batch is predicted."""
    num_classes = len(pixel_counts)
    if spec.name == "ohem":
        return HardPixelCrossEntropy(spec.ohem_share, spec.ohem_min_pixels)
    if spec.name == "seesaw":
        return Seesaw(num_classes, *spec.seesaw)
    rare = is_rare(pixel_counts) if spec.unified_asymmetric else None
    return UnifiedFocal(num_classes, spec.unified, rare)
