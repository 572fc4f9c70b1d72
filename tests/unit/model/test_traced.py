"""Traced networks: the same bits, used only when they are."""

import pytest
import torch
from torch import Tensor, nn

from dfaseg.model import traced
from dfaseg.model.fuse import fold_batch_norms
from dfaseg.model.traced import Outlook, TracedForward
from tests.model_files import tiny_model


class Logits(nn.Module):
    """A tiny segmenter reduced to its logits, which counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        # As a network is loaded: freezing would fold batch norms and change the last bits.
        with torch.no_grad():
            example = torch.zeros(1, 3, 64, 64)
            self.model = fold_batch_norms(tiny_model(), lambda m, x: m(x).logits, example)
        self.num_calls = 0

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images."""
        self.num_calls += 1
        logits: Tensor = self.model(images).logits
        return logits


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trace at the second call, if nothing is said of those to come."""
    monkeypatch.setattr(traced, "WORTH_PASSES", 2)


@pytest.mark.parametrize("is_mixed", [False, True], ids=["fp32", "bf16"])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode], ids=["grad", "inference"])
def test_trace_gives_the_same_bits(mode: type, is_mixed: bool) -> None:
    """Logits do not change when the trace takes over, and the network is not called any more."""
    network = Logits()
    forward = TracedForward(network, Outlook())
    images = [torch.randn(1, 3, 64, 64) for _ in range(5)]

    with mode(), torch.autocast("cpu", torch.bfloat16, enabled=is_mixed):
        logits = [forward(image) for image in images]
        num_calls = network.num_calls
        again = [forward(image) for image in images]
        expected = [network(image) for image in images]

    assert all(torch.equal(one, other) for one, other in zip(logits, expected, strict=True))
    assert all(torch.equal(one, other) for one, other in zip(again, expected, strict=True))
    assert network.num_calls == num_calls + len(images)


def test_another_shape_is_not_given_to_the_trace() -> None:
    """Each shape has a trace of its own."""
    network = Logits()
    forward = TracedForward(network, Outlook())
    with torch.inference_mode():
        for _ in range(3):
            forward(torch.randn(1, 3, 64, 64))
        larger = torch.randn(2, 3, 96, 64)

        assert torch.equal(forward(larger), network(larger))


def test_trace_that_differs_is_not_used() -> None:
    """A network whose answers a trace cannot repeat goes on as it is."""

    class Fickle(nn.Module):
        """Depends on more than its input."""

        def __init__(self) -> None:
            super().__init__()
            self.count = 0

        def forward(self, images: Tensor) -> Tensor:
            """Return something new each time."""
            self.count += 1
            return images + self.count

    network = Fickle()
    forward = TracedForward(network, Outlook())
    images = torch.zeros(1, 3, 8, 8)
    with torch.inference_mode():
        for _ in range(3):
            forward(images)

        before = network.count
        assert float(forward(images).max()) == before + 1


@pytest.mark.parametrize(
    ("announced", "worth", "traced_at"),
    [(5, 5, 1), (4, 5, 5), (0, 3, 3), (9, 5, 1)],
    ids=["as many as it takes", "too few", "nothing is said", "more than it takes"],
)
def test_trace_is_made_at_the_first_pass_of_enough(monkeypatch, announced, worth, traced_at):
    """A trace in the middle of a small slide would take longer than the rest of it."""
    monkeypatch.setattr(traced, "WORTH_PASSES", worth)
    network = Logits()
    forward = TracedForward(network, Outlook(announced))
    image = torch.randn(1, 3, 64, 64)
    is_traced = []
    with torch.inference_mode():
        for _ in range(max(traced_at, announced) + 1):
            before = network.num_calls
            forward(image)
            is_traced.append(network.num_calls == before)

    # The pass at which it is made does not use it yet.
    assert is_traced.index(True) == traced_at
    assert all(is_traced[traced_at:])


def test_small_slides_add_up(monkeypatch) -> None:
    """What one slide is too small for, many are worth together."""
    monkeypatch.setattr(traced, "WORTH_PASSES", 8)
    network, outlook = Logits(), Outlook()
    forward = TracedForward(network, outlook)
    image = torch.randn(1, 3, 64, 64)
    calls = []
    with torch.inference_mode():
        for _ in range(4):
            outlook.num_passes = 3
            before = network.num_calls
            for _ in range(3):
                forward(image)
            calls.append(network.num_calls - before)

    assert calls[0] == calls[1] == 3
    assert calls[3] == 0


def test_one_pass_of_all_makes_the_trace() -> None:
    """Those that run meanwhile, in other threads, go on without it."""

    class Busy(TracedForward):
        """Is called while it makes a trace, as others do from their threads."""

        num_traces = 0

        def _trace(self, images: Tensor, logits: Tensor) -> traced.Forward:
            self.num_traces += 1
            assert self.num_traces == 1
            assert torch.equal(self(images), logits)
            return super()._trace(images, logits)

    forward = Busy(nn.ReLU(), Outlook(100))
    with torch.inference_mode():
        for _ in range(3):
            forward(torch.ones(1, 3, 8, 8))
    assert forward.num_traces == 1
