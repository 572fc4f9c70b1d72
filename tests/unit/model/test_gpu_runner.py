"""A network on a GPU: halved where memory ends, recorded where bits agree, watched from afar."""

import logging
import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from dfaseg.errors import CheckpointError, ConfigError
from dfaseg.model import gpu_graph
from dfaseg.model.build import build_segmenter, preset_spec
from dfaseg.model.device import Precision
from dfaseg.model.forward_pass import ForwardPass, PixelScaling
from dfaseg.model.gpu_graph import PASSES_BEFORE, GraphedRun, HostWatch, Run
from dfaseg.model.gpu_runner import FiniteWatch, GpuRunner, MemoryBound, patches_that_fit
from dfaseg.model.network import Network
from tests.model_files import tiny_card

CPU = torch.device("cpu")


class SmallDevice:
    """Runs as many patches as it has memory for, and notes down how many it was given."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.seen: list[int] = []

    def __call__(self, patches: Tensor) -> Tensor:
        """Answer with the patches' own numbers."""
        self.seen.append(len(patches))
        if len(patches) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return patches.permute(0, 3, 1, 2)[:, :2].float()


def numbered(count: int) -> Tensor:
    """Return patches of 4 x 4 px, each full of its own number."""
    return torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 4, 4, 3)


def network_on(device: SmallDevice) -> Network:
    """Return a network that runs as on a GPU."""
    scaling = PixelScaling(torch.ones(3), torch.zeros(3))
    run = ForwardPass(CPU, Precision.FP32, scaling, lambda images: images[:, :2])
    return Network(
        card=tiny_card(2), sha256="0" * 64, run=run, logit_stride=1,
        gpu=GpuRunner(device, is_recorded=False),
    )  # fmt: skip


def test_a_batch_without_memory_is_halved_and_so_are_all_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing is lost, nothing is tried twice, and the user reads of it once per halving."""
    device = SmallDevice(most=3)
    bound = MemoryBound(device)

    with caplog.at_level(logging.WARNING):
        logits = bound(numbered(8))
        again = bound(numbered(8))

    assert logits[:, 0, 0, 0].tolist() == list(range(8))
    assert torch.equal(again, logits)
    assert device.seen == [8, 4, 2, 2, 2, 2, 2, 2, 2, 2]
    assert len(caplog.records) == 2
    assert "no memory for 4 patches at once, going on with 2" in caplog.text


def test_a_library_without_memory_halves_batches_too() -> None:
    """Those that multiply and convolve take some beside torch, and say so in words of their own."""

    class Library(SmallDevice):
        def __call__(self, patches: Tensor) -> Tensor:
            try:
                return super().__call__(patches)
            except torch.OutOfMemoryError:
                raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED") from None

    device = Library(most=2)

    assert len(MemoryBound(device)(numbered(4))) == 4
    assert device.seen == [4, 2, 2]


def test_other_failures_are_not_tried_again() -> None:
    """Less of what is wrong stays wrong."""
    seen = []

    def run(patches: Tensor) -> Tensor:
        seen.append(len(patches))
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal"):
        MemoryBound(run)(numbered(4))
    assert seen == [4]


def test_a_device_without_memory_for_one_patch_is_said_so() -> None:
    """The message names the settings that help."""
    with pytest.raises(ConfigError, match="use a smaller --batch-size or --patch-size"):
        network_on(SmallDevice(most=0)).logits(numbered(2))


def test_logits_that_are_not_finite_are_found_by_the_end() -> None:
    """Nobody waits for a device, and yet no such run ends well."""

    class Broken(SmallDevice):
        def __call__(self, patches: Tensor) -> Tensor:
            logits = super().__call__(patches).clone()
            logits[2] = float("nan")
            return logits

    network = network_on(Broken(most=9))

    def run() -> None:
        network.start(numbered(4))
        network.settle()

    with pytest.raises(CheckpointError, match="logits of 1 of a batch of 4 patches are not finite"):
        run()
    network.settle()  # said once


def test_finite_logits_leave_nothing_behind() -> None:
    """What was looked at is forgotten."""
    watch = FiniteWatch()
    watch.add(torch.zeros(2, 1, 2, 2))

    (flags,) = watch.take(wait=False)

    assert flags.tolist() == [True, True]
    assert watch.take(wait=True) == []


def test_trying_out_leaves_the_batches_of_others_alone() -> None:
    """The next slide is planned beside the one under way, whose recording and flags are its own."""
    device = SmallDevice(most=9)
    network = network_on(device)
    assert network.gpu is not None
    network.gpu.start(numbered(2))

    network.try_out(numbered(1))

    assert device.seen == [2]
    assert [len(flags) for flags in network.gpu.watch.take(wait=True)] == [2]


@pytest.mark.parametrize(("free_gb", "count"), [(80, 64), (8, 30), (0.05, 1)])
def test_a_batch_is_chosen_from_what_is_free(
    monkeypatch: pytest.MonkeyPatch, free_gb: float, count: int
) -> None:
    """As many patches as wanted on a large GPU, fewer on a small one, always one."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (int(free_gb * 1e9), 0))

    assert patches_that_fit(CPU, side=512, wanted=64) == count


def test_later_slides_get_batches_of_the_same_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first one has run in is not free, but theirs to use."""
    network = network_on(SmallDevice(most=99))
    free = iter([8 * 10**9, 10**9])
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (next(free), 0))

    assert [network.batch_that_fits(512, wanted=64) for _ in range(2)] == [30, 30]


DEVICE = torch.device("meta")
"""A device without numbers: what needs them on the host shows all the same."""
INDICES = torch.tensor([1, 0])
DEVICE_INDICES = INDICES.to(DEVICE)


@pytest.mark.parametrize(
    ("operation", "meets_host"),
    [
        (lambda x: x * 2.0 + torch.tensor(3.0), False),
        (lambda x: x[DEVICE_INDICES], False),
        (lambda x: x.reshape(INDICES.tolist()[0], -1), False),
        (lambda x: x[INDICES], True),
        (lambda x: x + torch.arange(3.0).to(DEVICE), True),
    ],
    ids=["number", "index", "size", "index of the host", "copy"],
)
def test_what_needs_the_host_is_noticed(
    operation: Callable[[Tensor], Tensor], meets_host: bool
) -> None:
    """Numbers and sizes travel with a kernel; indices made on the host are copied, and waited for.

    Only operations beside the device's tensors count: what is computed on the host by itself stays
    there.
    """
    with HostWatch() as watch, torch.inference_mode():
        operation(torch.empty(2, 3, device=DEVICE))

    assert watch.has_seen is meets_host


def test_choosing_by_a_mask_is_noticed() -> None:
    """How much is chosen is only known on the device."""
    x = torch.empty(2, 3, device=DEVICE)

    assert gpu_graph._meets_host(torch.ops.aten.index.Tensor, [x, x > 0], x)
    assert gpu_graph._meets_host(torch.ops.aten.nonzero.default, [x], x)


@pytest.mark.parametrize("preset", ["tiny", "small", "base"])
def test_our_networks_can_be_recorded(preset: str) -> None:
    """None of their operations needs the host."""
    network = build_segmenter(preset_spec(preset, num_classes=3)).eval().to(DEVICE)

    with HostWatch() as watch, torch.inference_mode():
        network(torch.empty(1, 3, 64, 64, device=DEVICE))

    assert not watch.has_seen


@pytest.mark.parametrize("has_seen", [False, True])
def test_what_cannot_be_recorded_is_not_tried(
    monkeypatch: pytest.MonkeyPatch, has_seen: bool
) -> None:
    """A recording that fails leaves torch's memory in disorder."""
    monkeypatch.setattr(gpu_graph, "_meets_host", lambda *_: has_seen)
    recorded: list[int] = []

    class Noting(GraphedRun):
        def _record(self, patches: Tensor, logits: Tensor) -> Run:
            recorded.append(len(patches))
            return lambda _patches: logits

    device = SmallDevice(most=9)
    graphed = Noting(device)

    for _ in range(PASSES_BEFORE + 2):
        assert torch.equal(graphed(numbered(4)), device(numbered(4)))

    assert recorded == ([] if has_seen else [4])


def test_recordings_make_room_for_smaller_batches() -> None:
    """What is recorded holds the memory of its batch, without which half of one does not fit."""
    replays: list[weakref.ref[Run]] = []

    class Full(GraphedRun):
        def _record(self, *_: Tensor) -> Run:
            def replay(_patches: Tensor) -> Tensor:
                raise torch.OutOfMemoryError("CUDA out of memory.")

            replays.append(weakref.ref(replay))
            return replay

    device = SmallDevice(most=9)
    bound = MemoryBound(Full(device))
    for _ in range(PASSES_BEFORE):
        bound(numbered(4))
    device.seen.clear()

    logits = bound(numbered(4))

    assert logits[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert device.seen == [2, 2]
    assert [replay() for replay in replays] == [None]


@pytest.mark.gpu
def test_a_recording_gives_the_same_bits() -> None:
    """What is replayed is what was recorded, for whatever patches; each shape has its own."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU()).cuda()
    calls: list[int] = []

    @torch.inference_mode()
    def run(patches: Tensor) -> Tensor:
        calls.append(len(patches))
        return network(patches.permute(0, 3, 1, 2).float())

    graphed = GraphedRun(run)
    for count in (4, 2):
        for seed in range(PASSES_BEFORE + 4):
            generator = torch.Generator().manual_seed(seed)
            shape = (count, 32, 32, 3)
            patches = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator).cuda()
            assert torch.equal(graphed(patches), run(patches))

    # Once to see whether it can be recorded. Each shape: PASSES_BEFORE by itself, once to record,
    # and those of the comparison.
    assert len(calls) == 1 + 2 * (PASSES_BEFORE + 1 + PASSES_BEFORE + 4)
