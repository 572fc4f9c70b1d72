"""Change how a network computes, from outside, while a context lasts."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

from dfaseg.model.attention import DynamicFocalAttention
from dfaseg.model.pixel_decoder import UpsamplingStep


@contextmanager
def without_skips() -> Iterator[None]:
    """Hide the encoder's finer maps, as from an encoder that has none (a plain ViT)."""

    def hide(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor | None, ...] | None:
        return (inputs[0], None) if isinstance(module, UpsamplingStep) else None

    handle = register_module_forward_pre_hook(hide)  # type: ignore[arg-type]  # torch types it wrong
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def loud_answers(factor: float = 10.0) -> Iterator[None]:
    """Multiply what class tokens answer the pixels, and hide the encoder's finer maps.

    The answer is added to the image tokens; as built it is a few per cent of them.
    """

    def amplify(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        return factor * output if isinstance(module, DynamicFocalAttention) else None

    with ExitStack() as stack:
        stack.enter_context(without_skips())
        handle = register_module_forward_hook(amplify)  # type: ignore[arg-type]  # as above
        stack.callback(handle.remove)
        yield
