"""The job's own limits count, not the host's."""

import os

import pytest

from dfaseg import limits


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with 16 cores, no quota and no SLURM."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    own = tmp_path / "cgroup"
    own.write_text("0::/slurm/job_7\n", encoding="ascii")
    quota = tmp_path / "slurm" / "job_7" / "cpu.max"
    quota.parent.mkdir(parents=True)
    quota.write_text("max 100000\n", encoding="ascii")
    monkeypatch.setattr(limits, "_CGROUP_ROOT", tmp_path)
    monkeypatch.setattr(limits, "_OWN_CGROUP", own)
    return quota


@pytest.mark.usefixtures("machine")
def test_affinity_counts():
    """Without other limits, the cores the process may run on."""
    assert limits.available_cores() == 16


@pytest.mark.parametrize(("quota", "cores"), [("400000 100000", 4), ("50000 100000", 1)])
def test_cgroup_quota_counts(machine, quota, cores):
    """A container's quota is rounded up to whole cores."""
    machine.write_text(quota, encoding="ascii")

    assert limits.available_cores() == cores


def test_quota_of_a_group_above_counts(machine):
    """A limit on the whole job holds for each of its steps."""
    machine.write_text("800000 100000", encoding="ascii")
    (machine.parent.parent / "cpu.max").write_text("300000 100000", encoding="ascii")

    assert limits.available_cores() == 3


@pytest.mark.usefixtures("machine")
def test_slurm_allocation_counts(monkeypatch):
    """A SLURM job uses what it was given."""
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "2")

    assert limits.available_cores() == 2


def test_peak_memory_is_at_least_what_was_just_used():
    """The peak is in bytes and grows with what the process touches."""
    before = limits.peak_memory_bytes()
    block = bytearray(os.urandom(1)) * 300_000_000

    assert limits.peak_memory_bytes() >= max(before, len(block))


def test_waiting_threads_spin_briefly_unless_the_user_says_otherwise(monkeypatch):
    """The bound is set where nobody has set a policy."""
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    limits.share_cores()
    assert "GOMP_SPINCOUNT" not in os.environ

    monkeypatch.delenv("OMP_WAIT_POLICY")
    limits.share_cores()
    assert os.environ.pop("GOMP_SPINCOUNT") == "10000"
