"""Which device and which number format a network runs in, checked before anything is loaded."""

import os
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import torch

from dfaseg.errors import ConfigError
from dfaseg.model.device_names import gpu_index, parse_devices


class Precision(StrEnum):
    """Number format of the network's arithmetic; logits come back as float32 in any case."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"

    @property
    def dtype(self) -> torch.dtype:
        """The torch type of the format."""
        return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[self.value]


_FIRST_CAPABILITY_WITH_BF16 = (8, 0)
_CPU_BF16_FEATURES = ("avx512_bf16", "amx_bf16")
"""Without one of these, bf16 on an x86 CPU is emulated and slower than fp32."""


def resolve_device(name: str) -> torch.device:
    """Return the device a user asked for: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        ConfigError: There is no such device; the message names those there are.
    """
    index = gpu_index(name)
    num_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda:0" if num_gpus else "cpu")
    if index is None:
        return torch.device("cpu")
    if index >= num_gpus:
        raise ConfigError(f"device '{name}': not there; available: {_list_devices(num_gpus)}")
    return torch.device("cuda", index)


def resolve_devices(names: str) -> tuple[torch.device, ...]:
    """Return the devices a user asked for: one, or several GPUs as in ``cuda:0,cuda:1``.

    Raises:
        ConfigError: One of them is not there, is no GPU though there are others, or comes twice.
    """
    return tuple(resolve_device(name) for name in parse_devices(names))


def refuse_old_gpu(device: torch.device) -> None:
    """Refuse a GPU for which the installed PyTorch has no kernels any more.

    Raises:
        ConfigError: It is older than all that PyTorch was built for.
    """
    if device.type != "cuda":
        return
    names = [re.match(r"(?:sm|compute)_(\d+)(\d)", name) for name in torch.cuda.get_arch_list()]
    oldest = min(((int(name[1]), int(name[2])) for name in names if name), default=(0, 0))
    capability = torch.cuda.get_device_capability(device)
    if capability < oldest:
        raise ConfigError(
            f"device '{device}': '{torch.cuda.get_device_name(device)}' has compute capability "
            f"{capability[0]}.{capability[1]}, and the installed PyTorch has kernels from "
            f"{oldest[0]}.{oldest[1]} on; use --device cpu or install a PyTorch built for it"
        )


def own_device(name: str) -> str:
    """Return the device of this process: with torchrun, each takes the GPU of its local rank."""
    local_rank = os.environ.get("LOCAL_RANK")
    if local_rank is None or name not in {"auto", "cuda"} or not torch.cuda.is_available():
        return name
    return f"cuda:{local_rank}"


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether memory ran out; on the CPU torch says so in words only, as do GPU libraries."""
    return isinstance(error, MemoryError) or any(
        words in str(error)
        for words in ("out of memory", "can't allocate memory", "STATUS_ALLOC_FAILED")
    )


def resolve_precision(name: str, device: torch.device) -> Precision:
    """Return the number format a user asked for, or with ``auto`` the device's fastest safe one.

    Raises:
        ConfigError: The name is not known or the device cannot compute in it.
    """
    if name == "auto":
        return _fastest_precision(device)
    if name not in set(Precision):
        raise ConfigError(f"precision '{name}': not known; use auto, fp32, bf16 or fp16")
    precision = Precision(name)
    if precision is Precision.FP16 and device.type == "cpu":
        raise ConfigError("precision 'fp16': only GPUs compute in it; use fp32 or bf16 on the CPU")
    if precision is Precision.BF16 and device.type == "cuda" and not _gpu_has_bf16(device):
        gpu = torch.cuda.get_device_name(device)
        raise ConfigError(f"precision 'bf16': '{gpu}' cannot compute in it; use fp16 or fp32")
    return precision


def _fastest_precision(device: torch.device) -> Precision:
    if device.type == "cuda":
        return Precision.BF16 if _gpu_has_bf16(device) else Precision.FP16
    return Precision.BF16 if _cpu_has_bf16() else Precision.FP32


def _gpu_has_bf16(device: torch.device) -> bool:
    return torch.cuda.get_device_capability(device) >= _FIRST_CAPABILITY_WITH_BF16


def _cpu_has_bf16() -> bool:
    """Tell whether the CPU computes in bf16 itself; a torch that cannot tell counts as no."""
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(feature, False) for feature in _CPU_BF16_FEATURES)


def _list_devices(num_gpus: int) -> str:
    return ", ".join(["cpu", *(f"cuda:{index}" for index in range(num_gpus))])
