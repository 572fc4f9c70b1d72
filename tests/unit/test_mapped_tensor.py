"""Tensors in memory of their own."""

import pytest
import torch

from dfaseg.mapped_tensor import held_tensor


@pytest.mark.parametrize("shape", [(2, 3), (8, 7, 128, 128)])
def test_tensor_is_like_any_other(shape: tuple[int, ...]) -> None:
    """It has the shape, can be written to, and stays while a view of it does."""
    tensor = held_tensor(shape, torch.device("cpu"))
    tensor[:] = 1
    view = tensor[1:]
    del tensor

    assert (view.shape, view.dtype) == ((shape[0] - 1, *shape[1:]), torch.float32)
    assert bool((view == 1).all())


def test_other_devices_have_their_own() -> None:
    """A tensor lies where it is asked for."""
    assert held_tensor((2, 3), torch.device("meta")).device.type == "meta"
