"""Host memory that a device copies from, where the system allows that and where it does not."""

from types import SimpleNamespace

import pytest
import torch

from dfaseg.inference.on_device import lane
from dfaseg.inference.on_device.lane import registered

GPU = torch.device("cuda")
NOT_SUPPORTED = 801


class Runtime:
    """CUDA as far as it is needed here: an error is kept until the next kernel of the thread."""

    def __init__(self, answer: int) -> None:
        self.answer = self.last_error = answer
        self.unregistered: list[int] = []

    def cudaHostRegister(self, _address: int, _size: int, _flags: int) -> int:  # noqa: N802
        """Return what became of it."""
        return self.answer

    def cudaHostUnregister(self, address: int) -> None:  # noqa: N802
        """Note it down."""
        self.unregistered.append(address)

    def start_kernel(self, *_: object, **__: object) -> None:
        """Do as torch does: blame whatever was kept on this kernel."""
        error, self.last_error = self.last_error, 0
        if error:
            raise RuntimeError(f"CUDA error {error}")


@pytest.mark.parametrize("answer", [0, NOT_SUPPORTED], ids=["allowed", "refused"])
def test_memory_serves_whether_it_can_be_registered_or_not(
    monkeypatch: pytest.MonkeyPatch, answer: int
) -> None:
    """Where it cannot, nothing that comes later fails for it."""
    runtime = Runtime(answer)
    cuda = SimpleNamespace(cudart=lambda: runtime, synchronize=lambda _device: None)
    monkeypatch.setattr(lane, "torch", SimpleNamespace(cuda=cuda, ones=runtime.start_kernel))
    memory = torch.zeros(4)

    with registered(memory, GPU) as given:
        runtime.start_kernel()

    assert given is memory
    assert runtime.unregistered == ([] if answer else [memory.data_ptr()])
