"""Score a network on a split, at the labels' full resolution."""

import numpy as np
import torch
from torch import nn

from dfaseg.datasets.load import Split
from dfaseg.evaluation.confusion import ConfusionMatrix
from dfaseg.evaluation.metrics import Scores, compute_scores
from dfaseg.training.device import Placement
from dfaseg.training.loss import upsample


@torch.no_grad()
def score_split(
    network: nn.Module, split: Split, num_classes: int, placement: Placement, batch_size: int
) -> Scores:
    """Predict every image of a split and score all pixels in one confusion matrix.

    Args:
        network: Maps normalised patches to logits.
        split: Labelled images, all of one size.
        num_classes: Number of classes.
        placement: Where and in which arithmetic to run.
        batch_size: Images per forward pass; has no part in the result.
    """
    was_training = network.training
    network.eval()
    confusion = ConfusionMatrix(num_classes)
    for start in range(0, len(split), batch_size):
        labels = np.stack(split.labels[start : start + batch_size])
        images = placement.normalise(np.stack(split.images[start : start + batch_size]))
        with placement.autocast():
            logits = network(images).logits
        logits = upsample(logits.float(), *labels.shape[1:])
        masks = logits.argmax(dim=1).to(torch.uint8).cpu().numpy()
        confusion.update(labels, masks)
    network.train(was_training)
    return compute_scores(confusion)
