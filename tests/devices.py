"""Devices that tests run on: the CPU, which can play any, and a GPU where there is one."""

import pytest
import torch

on_each_device = pytest.mark.parametrize(
    "device_name", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
)
"""Lets a test run on the CPU and, where there is one, on a GPU."""


def device_or_skip(name: str) -> torch.device:
    """Return a device, or skip the test where there is none of its kind."""
    if name == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return torch.device(name, 0) if name == "cuda" else torch.device(name)
