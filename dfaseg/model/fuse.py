"""Batch normalisation folded into the convolution before it, for inference only.

Which normalisation follows which convolution is watched during one forward pass, not guessed from
module names, so that it holds for any encoder; the folded network must then agree with the
original or is thrown away.
"""

import copy
from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Run = Callable[[nn.Module, Tensor], Tensor]
"""Runs a network on a batch and returns its logits."""

_RELATIVE_TOLERANCE = 1e-3
"""Folding changes the order of float32 operations; more than this is a mistake."""


def fold_batch_norms(model: nn.Module, run: Run, example: Tensor) -> nn.Module:
    """Return a copy of the network with its batch normalisations folded where that is exact.

    Args:
        model: Network in evaluation mode, float32, on the CPU; it stays as it is.
        run: Runs a network on a batch and returns its logits.
        example: A batch to run, shape ``(n, 3, h, w)``.

    Returns:
        The folded copy, or ``model`` itself where nothing could be folded.
    """
    if not any(isinstance(module, nn.BatchNorm2d) for module in model.modules()):
        return model
    watch = _Watch(model)
    logits = watch.run(run, example)
    pairs = watch.pairs()
    if not pairs:
        return model
    folded = copy.deepcopy(model)
    for conv_name, norm_name in pairs:
        _fold(folded, conv_name, norm_name)
    return folded if _agree(logits, run(folded, example)) else model


class _Watch:
    """Notes which convolution's output each batch normalisation receives."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._names = {module: name for name, module in model.named_modules()}
        self._calls: Counter[nn.Module] = Counter()
        self._outputs: list[tuple[Tensor, nn.Module]] = []  # kept alive: identities stay unique
        self._pairs: list[tuple[nn.Module, nn.Module]] = []

    def run(self, run: Run, example: Tensor) -> Tensor:
        """Run the network once under watch."""
        modules = list(self._names)
        handles = [
            module.register_forward_hook(self._after_convolution)
            for module in modules
            if isinstance(module, nn.Conv2d)
        ] + [
            module.register_forward_pre_hook(self._before_norm)
            for module in modules
            if isinstance(module, nn.BatchNorm2d) and module.track_running_stats
        ]
        try:
            return run(self._model, example)
        finally:
            self._outputs.clear()
            for handle in handles:
                handle.remove()

    def pairs(self) -> list[tuple[str, str]]:
        """Return the names of (convolution, normalisation) where both ran just once."""
        return [
            (self._names[conv], self._names[norm])
            for conv, norm in self._pairs
            if self._calls[conv] == self._calls[norm] == 1
        ]

    def _after_convolution(self, conv: nn.Module, _inputs: object, output: Tensor) -> None:
        self._calls[conv] += 1
        self._outputs.append((output, conv))

    def _before_norm(self, norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._calls[norm] += 1
        self._pairs.extend((conv, norm) for output, conv in self._outputs if output is inputs[0])


def _fold(model: nn.Module, conv_name: str, norm_name: str) -> None:
    conv, norm = model.get_submodule(conv_name), model.get_submodule(norm_name)
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    model.set_submodule(conv_name, fuse_conv_bn_eval(conv, norm))
    # timm's normalisation layers carry their activation with them.
    model.set_submodule(norm_name, getattr(norm, "act", nn.Identity()))


def _agree(wanted: Tensor, found: Tensor) -> bool:
    tolerance = _RELATIVE_TOLERANCE * float(wanted.abs().max())
    return torch.allclose(wanted, found, rtol=0.0, atol=tolerance)
