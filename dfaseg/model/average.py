"""The mean of several networks' weights: one network that errs less on what none has seen.

Networks that were trained on from the same weights lie in one valley of the loss, so that their
mean is as good as any of them (Wortsman et al. 2022, arXiv:2203.05482); the mean of a network and
what it became with other data keeps most of what both can do (arXiv:2109.01903).
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from dfaseg.errors import CheckpointError
from dfaseg.model.checkpoint import LoadedModel, load_checkpoint
from dfaseg.model.encoder_weights import refuse_misfit
from dfaseg.model.segmenter import DfaSegmenter


def average_models(paths: Sequence[Path]) -> DfaSegmenter:
    """Return a network whose weights are the means of the models' weights.

    Args:
        paths: Model files of one architecture; a file named twice counts twice.

    Raises:
        CheckpointError: None is given, one cannot be read, or they are of several architectures.
    """
    if not paths:
        raise CheckpointError("mean of models: none is given; name at least one")
    models = [load_checkpoint(path) for path in paths]
    for path, model in zip(paths, models, strict=True):
        _refuse_other_network(path, model, models[0])
    states = [model.model.state_dict() for model in models]
    network = models[0].model
    network.load_state_dict({name: _mean([state[name] for state in states]) for name in states[0]})
    return network


def _refuse_other_network(path: Path, model: LoadedModel, first: LoadedModel) -> None:
    if model.card.classes != first.card.classes:
        raise CheckpointError(
            f"mean of models: the classes of '{path}' are not those of the first model; "
            "average models of one data set"
        )
    wanted, found = first.model.state_dict(), model.model.state_dict()
    refuse_misfit("mean of models", path, wanted=wanted, found=found)


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    """Return the mean, taken in doubles; counters are those of the first."""
    first = tensors[0]
    if not first.is_floating_point():
        return first
    return torch.stack([tensor.double() for tensor in tensors]).mean(dim=0).to(first.dtype)
