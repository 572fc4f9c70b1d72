"""The script that averages models: how far it goes, and what an offset does."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """Return the script."""
    path = REPOSITORY / "assets" / "average_models.py"
    spec = importlib.util.spec_from_file_location("average_models", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ([0.70, 0.71, 0.698, 0.69], 2),
        ([0.70, 0.69, 0.70], 0),  # what comes after a place that costs too much is out of reach
        ([0.70, 0.70], 1),
        ([0.70], 0),
    ],
)
def test_goes_as_far_as_it_may_cost(script: ModuleType, values: list[float], place: int) -> None:
    """The last place before a value that is too low."""
    assert script.last_affordable(values, 0.005) == place


def test_offset_turns_pixels_into_background_alone(script: ModuleType) -> None:
    """An offset is what a network shifted by it says, and no pixel goes from gland to gland."""
    logits = torch.randn(4, 9, 11, generator=torch.Generator().manual_seed(0))
    offsets = [0.0, 0.5, 2.0]

    for offset, mask in zip(offsets, script.masks_at(logits, offsets), strict=True):
        shift = torch.tensor([offset, 0, 0, 0]).view(-1, 1, 1)
        assert torch.equal(mask, (logits + shift).argmax(dim=0).to(torch.uint8))
