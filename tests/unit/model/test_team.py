"""A network on several devices: batches in turn, logits in order and at home."""

from dataclasses import replace

import pytest
import torch

from dfaseg.errors import CheckpointError
from dfaseg.model.network import load_network
from dfaseg.model.team import Team
from tests.devices import device_or_skip
from tests.model_files import write_tiny_model
from tests.unit.model.test_gpu_runner import SmallDevice, network_on, numbered


def team_of(*devices):
    """Return a network whose batches go to some made-up devices in turn."""
    networks = [network_on(device) for device in devices]
    return replace(networks[0], team=Team(networks))


def test_members_take_batches_in_turn():
    """All work, and each batch's logits are its own."""
    devices = SmallDevice(9), SmallDevice(9), SmallDevice(9)
    network = team_of(*devices)

    finishes = [network.start(numbered(count)) for count in (1, 2, 3, 4, 5)]

    assert [len(finish()) for finish in finishes] == [1, 2, 3, 4, 5]
    assert [device.seen for device in devices] == [[1, 4], [2, 5], [3]]


def test_a_member_with_less_memory_halves_its_own_batches_only():
    """GPUs of different size may share a slide."""
    large, small = SmallDevice(9), SmallDevice(2)
    network = team_of(large, small)

    logits = [network.logits(numbered(4)) for _ in range(2)]

    assert torch.equal(*logits)
    assert (large.seen, small.seen) == ([4], [4, 2, 2])


def test_logits_that_are_not_finite_are_found_on_every_member():
    """Settling asks all of them."""

    class Broken(SmallDevice):
        def __call__(self, patches):
            return super().__call__(patches) * float("nan")

    network = team_of(SmallDevice(9), Broken(9))
    network.start(numbered(1))

    def run():
        network.start(numbered(1))
        network.settle()

    with pytest.raises(CheckpointError, match="not finite"):
        run()


@pytest.mark.gpu
def test_a_team_gives_the_bits_of_one(tmp_path):
    """Whoever runs a batch, the logits are the same (here one GPU plays both)."""
    device_or_skip("cuda")
    path = write_tiny_model(tmp_path / "tiny.safetensors")
    networks = [load_network(path, device="cuda", precision="bf16") for _ in range(2)]
    team = replace(networks[0], team=Team(networks))
    patches = torch.randint(0, 256, (6, 64, 64, 3), dtype=torch.uint8, device="cuda")
    expected = load_network(path, device="cuda", precision="bf16").logits(patches)

    found = [team.logits(patches) for _ in range(8)]

    team.settle()
    assert all(torch.equal(logits, expected) for logits in found)
