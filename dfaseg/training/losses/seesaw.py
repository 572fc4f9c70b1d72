"""Seesaw loss: a balance between each pair of classes."""

import torch
from torch import Tensor
from torch.nn import functional

from dfaseg.training.losses.labelled import LabelledLogits
from dfaseg.training.losses.term import BatchTotal, MeanTerm


class Seesaw(MeanTerm):
    """Seesaw loss on pixels (Wang et al. 2021, arXiv:2008.10032, eq. 3 to 6).

    Cross-entropy in which class j enters the softmax of a pixel of class i with the weight
    ``S[i, j] = M[i, j] * C[i, j]``:

    * mitigation ``M = min(1, N[j] / N[i]) ** p``: a rare class j is not pushed down by the many
      pixels of a frequent class i;
    * compensation ``C = max(1, s[j] / s[i]) ** q``, s being the softmax: unless it is mistaken
      for i.

    N counts the pixels of each class met so far in training. It is the term's state: save and
    load ``state_dict()`` with the run.

    Args:
        num_classes: Number of classes k.
        p: Strength of the mitigation.
        q: Strength of the compensation.

    Attributes:
        counts: N, int64 ``(k,)``; grows in training mode only.
    """

    def __init__(self, num_classes: int, p: float, q: float) -> None:
        super().__init__()
        self._p, self._q = p, q
        self.register_buffer("counts", torch.zeros(num_classes, dtype=torch.int64))
        self.counts: Tensor

    def prepare(self, total: BatchTotal) -> Tensor:
        """Count the batch's pixels and return log M, row = true class, ``(k, k)``."""
        if self.training:
            self.counts += total(_class_counts).long()
        log_counts = self.counts.clamp(min=1).float().log()
        return self._p * (log_counts[None, :] - log_counts[:, None]).clamp(max=0)

    def sums(self, batch: LabelledLogits, context: Tensor | None) -> Tensor:
        """Return the loss over all pixels and their number."""
        assert context is not None
        log_mitigation = functional.embedding(batch.index.squeeze(1), context).movedim(-1, 1)
        logits = batch.logits.detach()
        # A ratio of two probabilities of one softmax is a difference of logits.
        lead = (logits - logits.gather(1, batch.index)).clamp(min=0)
        log_weights = log_mitigation + self._q * lead  # (n, k, h, w); 0 for the true class
        weighted = batch.logits + log_weights
        log_likelihood = functional.log_softmax(weighted, dim=1).gather(1, batch.index)
        return torch.stack([-(log_likelihood * batch.valid).sum(), batch.valid.sum()])


def _class_counts(batch: LabelledLogits) -> Tensor:
    return batch.one_hot.sum(dim=(0, 2, 3))
