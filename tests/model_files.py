"""Tiny networks and their files, made on the spot."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from dfaseg.classmap import ClassMap
from dfaseg.model.build import build_segmenter, preset_spec
from dfaseg.model.card import ModelCard, default_mpp_range
from dfaseg.model.checkpoint import save_checkpoint
from dfaseg.model.segmenter import DfaSegmenter

TOML_CARD = """
name = "foreign"
mpp = 0.5
patch_px = 32

[normalisation]
mean = [0.5, 0.5, 0.5]
std = [0.25, 0.25, 0.25]

[[class]]
index = 0
name = "other"
colour = "#808080"

[[class]]
index = 1
name = "gland"
colour = "#ff0000"
"""
"""The card of ``foreign_module``."""


def tiny_card(num_classes: int = 3, **changes: Any) -> ModelCard:
    """Return a card that fits ``tiny_model``."""
    classes = [
        {"index": index, "name": f"class {index}", "colour": f"#0000{40 * index:02x}"}
        for index in range(num_classes)
    ]
    card = ModelCard(
        name="tiny",
        architecture=preset_spec("tiny", num_classes=num_classes).to_record(),
        classes=ClassMap.from_records(classes),
        mpp=0.5,
        mpp_range=default_mpp_range(0.5),
        patch_px=64,
        overlap_px=16,
    )
    return replace(card, **changes)


def tiny_model(num_classes: int = 3, seed: int = 0) -> DfaSegmenter:
    """Return a network with random weights and random normalisation statistics."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_segmenter(preset_spec("tiny", num_classes=num_classes))
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1, generator=generator)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 2, generator=generator)
    return model.eval()


def write_tiny_model(path: Path, num_classes: int = 3, **changes: Any) -> Path:
    """Write a tiny network to a model file and return its path."""
    save_checkpoint(path, tiny_model(num_classes), tiny_card(num_classes, **changes))
    return path


def foreign_module(num_classes: int = 2, stride: int = 4) -> torch.nn.Sequential:
    """Return a network that was not made with this package."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        conv = torch.nn.Conv2d(3, num_classes, kernel_size=3, stride=stride, padding=1)
        return torch.nn.Sequential(conv, torch.nn.Tanh()).eval()
