"""Optional position encoding of image tokens."""

import math

import torch
from torch import Tensor, nn


class RandomFourierPositions(nn.Module):
    """Sines and cosines of random projections of ``(x, y)``, as in Segment Anything.

    Coordinates are relative to the patch, from -1 to 1. A slide's patches have no privileged
    frame: with this encoding the logits of a place depend on where the tile grid happens to fall,
    so that overlapping tiles disagree. It exists to reproduce SAM-based models; presets made for
    slides leave it out.

    Args:
        embed_dim: Width d of the encoding; even.
        seed: Fixes the projection without touching torch's global random state.
    """

    projection: Tensor

    def __init__(self, *, embed_dim: int, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        projection = torch.randn(2, embed_dim // 2, generator=generator)
        self.register_buffer("projection", projection)

    def forward(self, height: int, width: int) -> Tensor:
        """Return the encoding of a ``height`` × ``width`` grid, ``(1, hw, d)``."""
        rows = self._centres(height)[:, None].expand(height, width)
        cols = self._centres(width)[None, :].expand(height, width)
        phases = 2 * math.pi * torch.stack((cols, rows), dim=-1) @ self.projection
        return torch.cat((phases.sin(), phases.cos()), dim=-1).flatten(0, 1).unsqueeze(0)

    def _centres(self, size: int) -> Tensor:
        steps = torch.arange(size, device=self.projection.device, dtype=self.projection.dtype)
        return (steps + 0.5) * (2 / size) - 1
