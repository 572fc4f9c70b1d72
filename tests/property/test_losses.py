"""Laws of the losses, for any batch."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor

from dfaseg.training.losses import LossName
from tests.losses import ALL_LOSSES, small_loss

names = st.sampled_from(ALL_LOSSES)
softmax_names = st.sampled_from([name for name in ALL_LOSSES if not name.startswith("focal")])


@st.composite
def batches(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Draw logits ``(n, 3, h, w)`` and labels ``(n, h, w)``, some or all of them ignored."""
    shape = draw(st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)))
    numbers = st.integers(-80, 80).map(lambda tenths: tenths / 10)
    logits = draw(hnp.arrays(np.float32, (shape[0], 3, *shape[1:]), elements=numbers))
    labels = draw(hnp.arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, 255])))
    return torch.from_numpy(logits), torch.from_numpy(labels)


def _total(name: LossName, logits: Tensor, labels: Tensor) -> Tensor:
    torch.set_num_threads(1)
    total: Tensor = small_loss(name, weights=(0.6, 0.4, 0.0))(logits, None, labels).total
    return total


@given(names, batches(), st.floats(-50, 50, width=32))
@settings(max_examples=60)
def test_logits_of_ignored_pixels_do_not_matter(
    name: LossName, batch: tuple[Tensor, Tensor], other: float
) -> None:
    """Whatever the network says there, the loss is bit for bit the same."""
    logits, labels = batch
    is_ignored = (labels == 255).unsqueeze(1)
    changed = torch.where(is_ignored, other * torch.arange(3)[:, None, None], logits)

    assert torch.equal(_total(name, logits, labels), _total(name, changed, labels))


@given(names, batches(), st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_pixels_have_no_order(name: LossName, batch: tuple[Tensor, Tensor], seed: int) -> None:
    """The loss is one of sums: where in the batch a pixel lies does not matter."""
    logits, labels = batch
    order = torch.randperm(labels.numel(), generator=torch.Generator().manual_seed(seed))
    moved = logits.movedim(1, 0).reshape(3, -1)[:, order].view(1, 3, 1, -1)

    torch.testing.assert_close(
        _total(name, moved, labels.flatten()[order].view(1, 1, -1)),
        _total(name, logits, labels),
        rtol=1e-4,
        atol=1e-5,
    )


@given(softmax_names, batches(), st.integers(-30, 30))
@settings(max_examples=60)
def test_common_shift_of_all_logits_does_not_matter(
    name: LossName, batch: tuple[Tensor, Tensor], shift: int
) -> None:
    """Losses of the softmax know only differences between classes."""
    logits, labels = batch

    torch.testing.assert_close(
        _total(name, logits + shift, labels), _total(name, logits, labels), rtol=1e-3, atol=1e-4
    )


@given(names, batches())
@settings(max_examples=60)
def test_loss_is_a_number_of_at_least_zero(name: LossName, batch: tuple[Tensor, Tensor]) -> None:
    """Labelled a lot, a little or not at all."""
    total = _total(name, *batch)

    assert torch.isfinite(total)
    assert total >= 0
