"""A loaded network made fast: normalisations folded, Python kept out of long runs."""

import torch
from torch import Tensor, nn

from dfaseg.model.checkpoint import LoadedModel
from dfaseg.model.fuse import fold_batch_norms
from dfaseg.model.streams import ForwardStreams
from dfaseg.model.traced import Forward, Outlook, TracedForward


def prepare_forward(
    loaded: LoadedModel, device: torch.device, streams: ForwardStreams | None, outlook: Outlook
) -> Forward:
    """Return the forward pass of a network.

    Where there are streams it is made ready on one of them, beside whatever comes next; the first
    passes wait for it.

    Args:
        loaded: The network and its card.
        device: Where it will run.
        streams: Run its passes side by side.
        outlook: Passes to come.
    """

    def prepare(loaded: LoadedModel) -> Forward:
        return _forward_on(_folded(loaded).to(device), device, outlook)

    if streams is None:
        return prepare(loaded)
    (preparing,) = streams.submit(prepare, [loaded])

    def forward(images: Tensor) -> Tensor:
        return preparing.result()(images)

    return forward


def _folded(loaded: LoadedModel) -> nn.Module:
    """Fold a network in the layout in which it will run, which is also the faster one for it."""
    side = loaded.card.patch_px
    model = loaded.model.to(memory_format=torch.channels_last)
    example = torch.zeros(1, 3, side, side).to(memory_format=torch.channels_last)
    with torch.no_grad():
        return fold_batch_norms(model, _logits_of, example)


def _forward_on(model: nn.Module, device: torch.device, outlook: Outlook) -> Forward:
    """Return the forward pass; traced where Python would hold it up and bits can be compared."""
    if device.type == "cpu":
        return TracedForward(_Logits(model), outlook)
    return lambda images: _logits_of(model, images)


class _Logits(nn.Module):
    """A network reduced to its logits."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images."""
        return _logits_of(self.model, images)


def _logits_of(model: nn.Module, images: Tensor) -> Tensor:
    logits: Tensor = model(images).logits
    return logits
