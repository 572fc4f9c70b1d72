"""Look into the image -> token attention of a network while it trains, without changing it."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from dfaseg.model.attention import DynamicFocalAttention


class AttentionWatch:
    """Notes, in every training step, the gradient of the loss by the class bias of each layer.

    Works in every bias mode: a zero that asks for its gradient is added to b, which leaves each bit
    of the forward pass as it was. Use it as a context manager around the training.

    Args:
        every: Steps between two looks at the attention weights themselves.
    """

    def __init__(self, every: int = 10) -> None:
        self._every = every
        self._layers: dict[nn.Module, int] = {}
        self._gradients: list[list[NDArray[np.float32]]] = []
        self._shares: list[list[NDArray[np.float32]]] = []
        self._slopes: list[list[NDArray[np.float32]]] = []

    def __enter__(self) -> Self:
        self._handle = register_module_forward_pre_hook(self._before)  # type: ignore[arg-type]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._handle.remove()

    def save(self, path: str) -> None:
        """Write what was noted.

        ``gradients`` is dL/db, ``(steps, layers, k)``. Every so many steps: ``shares``, the mean of
        a[i, c] over pixels and heads, and ``slopes``, the mean of a[i, c] (1 - a[i, c]), which
        bounds how fast b[c] can move anything, ``(looks, layers, k)`` each.
        """
        np.savez_compressed(
            path,
            gradients=_steps_first(self._gradients),
            shares=_steps_first(self._shares),
            slopes=_steps_first(self._slopes),
        )

    def _before(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        is_step = isinstance(module, DynamicFocalAttention) and torch.is_grad_enabled()
        if not is_step or not module.training:
            return None
        assert isinstance(module, DynamicFocalAttention)
        layer = self._layer(module)
        queries, keys, values, bias = inputs
        if len(self._gradients[layer]) % self._every == 0:
            self._look(layer, module, (queries, keys, bias))
        zero = torch.zeros_like(bias).requires_grad_()
        keep = self._gradients[layer].append
        zero.register_hook(lambda g: keep(g.detach().numpy().copy()))  # type: ignore[no-untyped-call]
        return queries, keys, values, bias + zero

    def _layer(self, module: nn.Module) -> int:
        if module not in self._layers:
            self._layers[module] = len(self._layers)
            for notes in (self._gradients, self._shares, self._slopes):
                notes.append([])
        return self._layers[module]

    @torch.no_grad()
    def _look(
        self, layer: int, module: DynamicFocalAttention, asked: tuple[Tensor, Tensor, Tensor]
    ) -> None:
        weights = module.attention_weights(*asked)  # (n, heads, k, hw)
        self._shares[layer].append(weights.mean(dim=(0, 1, 3)).numpy())
        self._slopes[layer].append((weights * (1 - weights)).mean(dim=(0, 1, 3)).numpy())


def _steps_first(layers: Sequence[Sequence[NDArray[np.float32]]]) -> NDArray[np.float32]:
    return np.stack([np.stack(layer) for layer in layers], axis=1)
