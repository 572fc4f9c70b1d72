"""Batch normalisation disappears where that changes nothing."""

import torch
from torch import Tensor

from dfaseg.model.fuse import fold_batch_norms
from tests.model_files import tiny_model


def test_batch_norms_are_folded_without_touching_the_original() -> None:
    """Every normalisation behind a convolution disappears from the copy only."""
    model = tiny_model()

    with torch.no_grad():
        folded = fold_batch_norms(model, lambda net, x: net(x).logits, torch.rand(1, 3, 64, 64))

    def count(net: torch.nn.Module) -> int:
        return sum(isinstance(module, torch.nn.BatchNorm2d) for module in net.modules())

    assert count(model) > 0
    assert count(folded) == 0


class Branching(torch.nn.Module):
    """A convolution whose output is used both with and without its normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 3, 1)
        self.norm = torch.nn.BatchNorm2d(3)
        self.norm.eps = 8.0

    def forward(self, images: Tensor) -> Tensor:
        """Add raw and normalised maps."""
        maps: Tensor = self.conv(images)
        normalised: Tensor = self.norm(maps)
        return maps + normalised


def test_folding_that_would_change_the_result_is_undone() -> None:
    """A convolution that something else reads too must stay as it is."""
    model = Branching().eval()

    with torch.no_grad():
        assert fold_batch_norms(model, lambda net, x: net(x), torch.rand(1, 3, 8, 8)) is model
