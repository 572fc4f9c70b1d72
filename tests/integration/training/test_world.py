"""Several processes train one network: the result is that of one process, within rounding."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import distributed

from dfaseg.model.device import own_device
from dfaseg.training.runlog import read_log
from dfaseg.training.world import World, _is_first_to_say, join_world
from tests.labelled import write_ebhi_tree

COMMON = (
    # A network without batch statistics, which are those of each process's own patches.
    "--preset", "tiny", "--encoder", "test_efficientnet_ln", "--dataset", "ebhi",
    "--epochs", "2", "--batch-size", "4", "--device", "cpu", "--workers", "1", "--no-plots",
)  # fmt: skip


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _launcher(processes: int) -> list[str]:
    # Port 0: torchrun takes one that is free. One that we look up may be another test's by then.
    return [
        "-m", "torch.distributed.run", "--nproc-per-node", str(processes),
        "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "--local-addr", "127.0.0.1",
    ]  # fmt: skip


def _train(root: Path, run_dir: Path, processes: int, *options: str) -> None:
    launcher = _launcher(processes)
    command = [sys.executable, *(launcher if processes > 1 else []), "-m", "dfaseg", "train"]
    done = subprocess.run(
        [*command, *COMMON, "--root", str(root), "--out", str(run_dir), *options],
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=300,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--loss", "focal_dice"], id="focal_dice"),
        pytest.param(["--loss", "seesaw"], id="seesaw"),
        pytest.param(["--loss", "ce", "--teacher", "default"], id="teacher"),
    ],
)
def test_two_processes_learn_what_one_learns(options: list[str], tmp_path: Path) -> None:
    """Losses, scores and weights agree, though each process saw half of every batch."""
    write_ebhi_tree(tmp_path / "data", images_per_split=5)

    for processes in (1, 2):
        _train(tmp_path / "data", tmp_path / str(processes), processes, *options)

    alone, shared = (read_log(tmp_path / str(n) / "log.csv").history for n in (1, 2))
    assert [e.loss for e in shared] == pytest.approx([e.loss for e in alone], rel=1e-4)
    assert shared[-1].delta == pytest.approx(alone[-1].delta, abs=1e-4)
    weights, others = (load_file(tmp_path / str(n) / "model.safetensors") for n in (1, 2))
    for name, tensor in weights.items():
        torch.testing.assert_close(others[name], tensor, rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--device", "cpu"], "dfaseg: error: data set"),
        (["--device", "cuda:99"], "dfaseg: error: device 'cuda:99'"),
        (["--no-such-option"], "Error: No such option"),
    ],
)
def test_error_of_all_processes_is_said_once(options: list[str], said: str, tmp_path: Path) -> None:
    """As many lines as there are GPUs hid what torchrun says below them."""
    command = [sys.executable, *_launcher(2), "-m", "dfaseg", "train", "--dataset", "ebhi"]
    command += ["--root", str(tmp_path), "--out", str(tmp_path / "run"), *options]

    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    assert run.returncode == 1
    assert run.stderr.count(said) == 1


def test_errors_that_differ_are_all_said() -> None:
    """One process may fail at what the others find in order."""
    store = distributed.HashStore()

    first = [_is_first_to_say(text, store) for text in ("no disk", "no disk", "no GPU")]

    assert first == [True, False, True]


def test_one_process_is_a_world_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without torchrun nothing is joined, and sums are what they are summed from."""
    for name in ("WORLD_SIZE", "MASTER_ADDR", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    values = torch.ones(2, requires_grad=True)
    counts = np.array([1, 2])

    with join_world("cpu") as world:
        assert world == World()
        assert world.is_main
        assert world.sum(values) is values
        assert world.sum_counts(counts) is counts
        assert world.any(is_true=True)
        assert own_device("auto") == "auto"


def test_sum_crosses_processes_with_its_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Joined by what torchrun sets, a process sums values and, backwards, gradients."""
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "RANK": "0"}
    # A world of one, but through the very calls that several processes make.
    for name, value in (address | {"WORLD_SIZE": "1"}).items():
        monkeypatch.setenv(name, value)
    values = torch.tensor([1.0, 2.0], requires_grad=True)

    torch.distributed.init_process_group("gloo")
    try:
        total = World(0, 2).sum(values * 3)
        total.sum().backward()  # type: ignore[no-untyped-call]
        counts = World(0, 2).sum_counts(np.array([4, 5]))
    finally:
        torch.distributed.destroy_process_group()

    assert total.tolist() == [3.0, 6.0]
    assert values.grad is not None
    assert values.grad.tolist() == [3.0, 3.0]
    assert counts.tolist() == [4, 5]
