"""Score a network on a split, at the labels' full resolution, case by case."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfaseg.datasets.load import Split
from dfaseg.evaluation.confusion import ConfusionMatrix
from dfaseg.evaluation.metrics import Scores, compute_scores
from dfaseg.evaluation.windows import WindowSpec, predict_masks
from dfaseg.model.segmenter import DfaSegmenter
from dfaseg.training.device import Placement


@dataclass(frozen=True, slots=True)
class SplitScores:
    """What a network scored on a split.

    Attributes:
        pooled: Scores of all pixels in one confusion matrix.
        images: Counts per image, int64 ``(n, k, k)``: true class (row) by predicted class.
        cases: Case of each image.
        names: Name of each image.
    """

    pooled: Scores
    images: NDArray[np.int64]
    cases: tuple[str, ...]
    names: tuple[str, ...]

    def by_case(self) -> Mapping[str, NDArray[np.int64]]:
        """Return the counts of each case, ``(k, k)``: what scores are resampled from."""
        totals: dict[str, NDArray[np.int64]] = {}
        for case, counts in zip(self.cases, self.images, strict=True):
            totals[case] = totals.get(case, 0) + counts
        return totals

    def to_record(self, class_names: tuple[str, ...]) -> dict[str, Any]:
        """Return a plain table for JSON: pooled scores and the counts of each case."""
        cases = {case: counts.tolist() for case, counts in self.by_case().items()}
        return self.pooled.to_record(class_names) | {"confusion_by_case": cases}


def score_split(
    network: DfaSegmenter, split: Split, patch_px: int, placement: Placement, batch_size: int
) -> SplitScores:
    """Predict every image of a split and count every labelled pixel once.

    Args:
        network: Maps normalised patches to logits.
        split: Labelled images of any size; larger ones than a patch are cut and stitched.
        patch_px: Side of the patches.
        placement: Where and in which arithmetic to run; its processes share the images.
        batch_size: Patches per forward pass; has no part in the result.
    """
    num_classes = network.spec.num_classes
    world = placement.world
    counts = np.zeros((len(split), num_classes, num_classes), np.int64)
    share = range(world.rank, len(split), world.size)
    windows = WindowSpec(patch_px, network.logit_stride, batch_size)
    images = [split.images[index] for index in share]
    masks = predict_masks(LogitsOnDevice(network, placement), images, windows)
    for index, mask in zip(share, masks, strict=True):
        confusion = ConfusionMatrix(num_classes)
        confusion.update(split.labels[index], mask)
        counts[index] = confusion.counts
    counts = world.sum_counts(counts)
    pooled = ConfusionMatrix(num_classes)
    pooled.counts = counts.sum(axis=0)
    return SplitScores(compute_scores(pooled), counts, split.cases, split.names)


class LogitsOnDevice:
    """A network in evaluation mode as a function of uint8 patches.

    Args:
        network: The network; its mode is put back after each call.
        placement: Where and in which arithmetic to run.
    """

    def __init__(self, network: DfaSegmenter, placement: Placement) -> None:
        self._network, self._placement = network, placement
        self._scaling = placement.scaling(network.normalisation)

    @torch.no_grad()
    def __call__(self, patches: NDArray[np.uint8]) -> Tensor:
        """Return logits ``(n, k, h / stride, w / stride)`` of patches ``(n, h, w, 3)``."""
        was_training = self._network.training
        self._network.eval()
        with self._placement.autocast():
            logits: Tensor = self._network(self._scaling(self._placement.to_device(patches))).logits
        self._network.train(was_training)
        return logits.float()
