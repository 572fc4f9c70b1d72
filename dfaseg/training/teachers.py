"""Networks that are there already, from whose probabilities another one learns besides the labels.

The mean of several networks' probabilities is better than each of them where none is sure, and one
network that learns it keeps most of that at the cost of one (knowledge distillation: Hinton et al.
2015, arXiv:1503.02531). Unlike a mean of weights, the networks may differ in seed and kind.
"""

import math
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.datasets.dataset import DatasetInfo
from dfaseg.errors import ConfigError
from dfaseg.model.card import ModelCard
from dfaseg.model.checkpoint import load_checkpoint
from dfaseg.training.device import Placement

MAX_MPP_ERROR = 0.05
"""Teachers see the student's patches: structures must have the size that they know."""


class Teachers:
    """Frozen networks whose mean probabilities are to be learned.

    Args:
        models: Model files, at least one.
        sha256: Hashes that they must have; none lets them be any.
        info: The data set, at the resolution to train at; its classes must be those of the models.
        placement: Where to run them, and in which arithmetic.

    Raises:
        CheckpointError: A file is no model.
        ConfigError: A model has other classes or another resolution, or is another file.
    """

    def __init__(
        self,
        models: Sequence[Path],
        info: DatasetInfo,
        placement: Placement,
        sha256: Sequence[str] = (),
    ) -> None:
        self._placement = placement
        self._networks: list[nn.Module] = []
        self._scalings = []
        for path, wanted in zip_longest(models, sha256[: len(models)]):
            loaded = load_checkpoint(path)
            if wanted not in {None, loaded.sha256}:
                raise ConfigError(
                    f"teacher '{path}': is not the file that this run began with; bring that one"
                    " back, or start a new run"
                )
            _refuse_misfit(path, loaded.card, info)
            network = loaded.model.to(placement.device).to(memory_format=torch.channels_last)
            self._networks.append(network.requires_grad_(requires_grad=False))
            self._scalings.append(placement.scaling(loaded.card.normalisation))

    @torch.no_grad()
    def probabilities(self, patches: Tensor, size: torch.Size) -> Tensor:
        """Return the mean probability of each class, float32 ``(n, k, *size)``.

        Args:
            patches: RGB on the device, uint8 ``(n, h, w, 3)``.
            size: Rows and columns of the student's logits.
        """
        found = []
        for network, scaling in zip(self._networks, self._scalings, strict=True):
            with self._placement.autocast():
                logits = network(scaling(patches))[0].float()
            if logits.shape[-2:] != size:
                logits = functional.interpolate(logits, size, mode="bilinear")
            found.append(logits.softmax(dim=1))
        return torch.stack(found).mean(dim=0)

    def divergence(self, logits: Tensor, patches: Tensor, labels: Tensor) -> Tensor:
        """Return how far a network's probabilities are from the teachers', scalar.

        It is the Kullback-Leibler divergence KL(teachers || network), the mean over those logits of
        the whole batch whose centre has a label: like all losses it leaves ignored pixels alone.

        Args:
            logits: The network's, ``(n, k, h', w')``.
            patches: What it has seen, RGB on the device, uint8 ``(n, h, w, 3)``.
            labels: Class indices, ``(n, h, w)``, 255 = ignore.
        """
        size = logits.shape[-2:]
        wanted = self.probabilities(patches, size)
        log_found = logits.float().log_softmax(dim=1)
        each = functional.kl_div(log_found, wanted, reduction="none").sum(dim=1)  # (n, h', w')
        counts = (_at_centres(labels, size) != IGNORE_INDEX).float()
        total, count = self._placement.world.sum(torch.stack([(each * counts).sum(), counts.sum()]))
        mean: Tensor = total / count.clamp(min=1)
        return mean


def _at_centres(labels: Tensor, size: torch.Size) -> Tensor:
    """Return the label at the centre of each logit, ``(n, *size)``."""
    height, width = labels.shape[-2:]
    rows = ((torch.arange(size[0], device=labels.device) + 0.5) * height / size[0]).long()
    cols = ((torch.arange(size[1], device=labels.device) + 0.5) * width / size[1]).long()
    return labels[:, rows][:, :, cols]


def _refuse_misfit(path: Path, card: ModelCard, info: DatasetInfo) -> None:
    names = info.class_map.names
    if card.classes.names != names:
        raise ConfigError(
            f"teacher '{path}': its classes ({', '.join(card.classes.names)}) are not those of this"
            f" data set ({', '.join(names)}); give a model of the same data"
        )
    if abs(math.log(card.mpp / info.mpp)) > MAX_MPP_ERROR:
        raise ConfigError(
            f"teacher '{path}': sees {card.mpp:g} µm per pixel, this run {info.mpp:g}; give a model"
            " of the same resolution, or --mpp"
        )
