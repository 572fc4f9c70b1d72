"""Devices and number formats are resolved, or refused with what there is."""

import pytest
import torch

from dfaseg.errors import ConfigError
from dfaseg.model import device as device_module
from dfaseg.model.device import (
    Precision,
    refuse_old_gpu,
    resolve_device,
    resolve_devices,
    resolve_precision,
)

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["mps", "cuda:", "cuda:x", "gpu", ""])
def test_unknown_device_is_refused(name: str) -> None:
    """A device outside the documented names is refused by name."""
    with pytest.raises(ConfigError, match="not known; use auto, cpu, cuda or cuda:N"):
        resolve_device(name)


def test_absent_gpu_is_refused_with_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for a GPU that is not there names the devices that are."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)

    with pytest.raises(ConfigError, match="device 'cuda:2': not there; available: cpu, cuda:0, c"):
        resolve_device("cuda:2")
    assert resolve_device("cuda:1") == torch.device("cuda", 1)
    assert resolve_device("auto") == torch.device("cuda", 0)


def test_several_gpus_are_resolved_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list is for GPUs, and names none twice."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)

    assert resolve_devices("cuda:1, cuda:0") == (torch.device("cuda", 1), torch.device("cuda", 0))
    assert resolve_devices("cpu") == (CPU,)
    with pytest.raises(ConfigError, match="names a GPU twice"):
        resolve_devices("cuda,cuda:0")
    with pytest.raises(ConfigError, match="only GPUs share a slide"):
        resolve_devices("cuda:0,cpu")
    with pytest.raises(ConfigError, match="'cuda:2': not there"):
        resolve_devices("cuda:0,cuda:2")


def test_without_gpu_auto_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Auto never fails."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    assert resolve_device("auto") == CPU
    with pytest.raises(ConfigError, match="device 'cuda': not there; available: cpu"):
        resolve_device("cuda")


@pytest.mark.parametrize(
    ("features", "precision"),
    [
        ({"avx512_f": True}, Precision.FP32),
        ({"avx512_bf16": True}, Precision.BF16),
        ({"amx_bf16": True}, Precision.BF16),
    ],
)
def test_cpu_runs_bf16_only_where_it_has_it(
    monkeypatch: pytest.MonkeyPatch, features: dict[str, bool], precision: Precision
) -> None:
    """Emulated bf16 is slower than fp32, so auto leaves it."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features, raising=False)

    assert resolve_precision("auto", CPU) is precision


@pytest.mark.parametrize(("capability", "name"), [((7, 5), "fp16"), ((8, 0), "bf16")])
def test_gpu_precision_follows_its_capability(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], name: str
) -> None:
    """GPUs before Ampere compute in fp16, later ones in bf16."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)

    assert resolve_precision("auto", torch.device("cuda", 0)) == name


def test_bf16_is_refused_on_a_gpu_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the GPU and the formats it has."""
    monkeypatch.setattr(device_module, "_gpu_has_bf16", lambda _: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla T4")

    with pytest.raises(ConfigError, match="'Tesla T4' cannot compute in it; use fp16 or fp32"):
        resolve_precision("bf16", torch.device("cuda", 0))


def test_a_gpu_too_old_for_pytorch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says from which on there are kernels; newer GPUs than those are left to torch."""
    names = ["sm_75", "sm_90a", "sm_120", "compute_120"]
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: names)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla V100")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 0))

    with pytest.raises(
        ConfigError, match=r"'Tesla V100' has compute capability 7\.0, .* from 7\.5"
    ):
        refuse_old_gpu(torch.device("cuda", 0))
    for capability in ((7, 5), (8, 6), (13, 0)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, this=capability: this)
        refuse_old_gpu(torch.device("cuda", 0))
    refuse_old_gpu(CPU)


def test_gpus_of_other_makers_are_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their kernels have names of another kind."""
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["gfx90a", "gfx1100"])
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))

    refuse_old_gpu(torch.device("cuda", 0))


@pytest.mark.parametrize("name", ["fp16", "fp64"])
def test_impossible_cpu_precision_is_refused(name: str) -> None:
    """CPUs do not compute in fp16, and there are only three formats."""
    with pytest.raises(ConfigError, match=f"precision '{name}'"):
        resolve_precision(name, CPU)
