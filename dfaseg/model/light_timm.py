"""timm without torch's compiler, which loads for a second and keeps 0.2 GB, used or not.

Every module here that needs timm imports it from here. While timm and torchvision are imported for
the first time, the two doors through which they fetch the compiler are held shut:

* torchvision asks it whether it could compile an operation that we never call;
* timm marks functions that it is not to compile, of networks for pictures of any shape.

Both can be answered when they are called, if ever. ``torch.compile`` loads it as always. A third
door leads to the library of the Hugging Face hub, a third of a second: timm loads it to know
whether it is there, and is told when it wants to fetch. We fetch weights ourselves (``hub``).
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import reload
from types import ModuleType
from typing import Any, TypeVar

import torch

Function = TypeVar("Function", bound=Callable[..., Any])

_COMPILER = "torch._dynamo"
_ASKED_BY_TORCHVISION = "torch._dynamo.utils"
_HUB = "huggingface_hub"
_FETCHES_FOR_TIMM = "timm.models._hub"
"""Module of timm that asks whether the hub's library is there, and fetches with it."""


@contextmanager
def compiler_left_out() -> Iterator[None]:
    """Keep imports from loading torch's compiler; does nothing where it is loaded already."""
    if _COMPILER in sys.modules:
        yield
        return
    disable = torch.compiler.disable
    sys.modules[_ASKED_BY_TORCHVISION] = _Postponed(_ASKED_BY_TORCHVISION)
    torch.compiler.disable = _left_as_it_is  # type: ignore[assignment]  # wider than the original
    try:
        yield
    finally:
        torch.compiler.disable = disable
        _forget_stand_in()


class _Postponed(ModuleType):
    """Stands in for the compiler's module until something else of it is wanted."""

    @staticmethod
    def is_compile_supported(device_type: str) -> bool:
        """Ask the compiler itself, when it comes to that."""
        from torch._dynamo.utils import is_compile_supported  # noqa: PLC0415 - the point of it

        return bool(is_compile_supported(device_type))

    def __getattr__(self, name: str) -> Any:
        """Load the module after all, where a version of torchvision wants more of it."""
        if name.startswith("__"):
            raise AttributeError(name)
        _forget_stand_in()
        from torch._dynamo import utils  # noqa: PLC0415

        return getattr(utils, name)


def _left_as_it_is(
    function: Function | None = None, *_: object, **__: object
) -> Function | Callable[[Function], Function]:
    """Take the place of ``torch.compiler.disable``."""
    return (lambda later: later) if function is None else function


def _forget_stand_in() -> None:
    if isinstance(sys.modules.get(_ASKED_BY_TORCHVISION), _Postponed):
        del sys.modules[_ASKED_BY_TORCHVISION]


@contextmanager
def hub_left_out() -> Iterator[None]:
    """Keep an import of timm from loading what fetches weights, unless it is loaded already."""
    if _HUB in sys.modules or "timm" in sys.modules:
        yield
        return
    sys.modules[_HUB] = None  # type: ignore[assignment]  # so that importing it fails
    try:
        yield
    finally:
        del sys.modules[_HUB]
    if _FETCHES_FOR_TIMM in sys.modules:
        sys.modules[_FETCHES_FOR_TIMM]._has_hf_hub = _HubWhenAsked()  # type: ignore[attr-defined]


class _HubWhenAsked:
    """Stands in for timm's knowledge of whether the hub's library is there."""

    def __bool__(self) -> bool:
        """Let timm look for it after all; its functions are the same, and know it from now on."""
        return bool(reload(sys.modules[_FETCHES_FOR_TIMM])._has_hf_hub)


with compiler_left_out(), hub_left_out():
    import timm
    from timm.layers.format import Format
    from timm.layers.mlp import SwiGLUPacked
    from timm.models import FeatureInfo, get_pretrained_cfg
    from timm.models._features import FeatureGetterNet

__all__ = [
    "FeatureGetterNet",
    "FeatureInfo",
    "Format",
    "SwiGLUPacked",
    "compiler_left_out",
    "get_pretrained_cfg",
    "timm",
]
