"""The job's own limits count, not the host's."""

import os
import subprocess
import sys

import pytest

from dfaseg import limits


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with 16 cores, no quota and no SLURM."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    for name in ("CPUS_PER_TASK", "CPUS_ON_NODE", "MEM_PER_NODE", "MEM_PER_CPU"):
        monkeypatch.delenv(f"SLURM_{name}", raising=False)
    own = tmp_path / "cgroup"
    own.write_text("0::/slurm/job_7\n", encoding="ascii")
    quota = tmp_path / "slurm" / "job_7" / "cpu.max"
    quota.parent.mkdir(parents=True)
    quota.write_text("max 100000\n", encoding="ascii")
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9000000 kB\nMemAvailable:    8000 kB\n", encoding="ascii")
    monkeypatch.setattr(limits, "_MEMINFO", meminfo)
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
@pytest.mark.parametrize(("processes", "cores"), [("1", 16), ("3", 5), ("32", 1)])
def test_processes_of_torchrun_share_the_cores(monkeypatch, processes, cores):
    """One per GPU: each would start as many processes that decode as there are cores."""
    monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)

    assert limits.available_cores() == cores


@pytest.mark.usefixtures("machine")
def test_slurm_allocation_counts(monkeypatch):
    """A SLURM job uses what it was given."""
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "2")

    assert limits.available_cores() == 2


@pytest.mark.usefixtures("machine")
def test_slurm_job_that_asked_for_no_cores_uses_what_it_got(monkeypatch):
    """SLURM then says only how many the job has on this node."""
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "1")

    assert limits.available_cores() == 1


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("allocation", "megabytes"),
    [
        ({"MEM_PER_NODE": "6"}, 6),
        ({"MEM_PER_CPU": "3", "CPUS_ON_NODE": "2"}, 6),
        ({"MEM_PER_NODE": "0"}, 8000 / 1024),
    ],
)
def test_slurm_memory_counts(monkeypatch, allocation, megabytes):
    """Whether it is stated for the node or for each core; 0 stands for all of the node."""
    monkeypatch.setattr(limits, "peak_memory_bytes", lambda: 0)
    for name, value in allocation.items():
        monkeypatch.setenv(f"SLURM_{name}", value)

    assert limits.available_memory_bytes() == megabytes * 1024**2


def _write_memory(folder, names, sizes):
    """Write a cgroup's limit, usage and cached pages."""
    folder.mkdir(parents=True, exist_ok=True)
    limit, usage, cache = names
    (folder / limit).write_text(f"{sizes[0]}\n", encoding="ascii")
    (folder / usage).write_text(f"{sizes[1]}\n", encoding="ascii")
    (folder / "memory.stat").write_text(f"anon 7\n{cache} {sizes[2]}\n", encoding="ascii")


VERSION_2 = ("memory.max", "memory.current", "inactive_file")
VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def test_free_memory_of_the_machine_counts(machine):
    """Without a limit, what the machine can give; a cgroup's word "max" is no limit."""
    _write_memory(machine.parent, VERSION_2, ("max", 5000, 0))

    assert limits.available_memory_bytes() == 8000 * 1024


def test_memory_limit_of_a_group_above_counts(machine):
    """What the tightest limit leaves, cached file pages counting as free."""
    _write_memory(machine.parent, VERSION_2, (7_000_000, 1_000_000, 0))
    _write_memory(machine.parent.parent, VERSION_2, (4_000_000, 2_000_000, 500_000))

    assert limits.available_memory_bytes() == 2_500_000


@pytest.mark.usefixtures("machine")
def test_memory_limit_of_version_1_counts(tmp_path):
    """Older systems keep the memory's groups in a tree of their own."""
    (tmp_path / "cgroup").write_text("9:cpu:/\n4:memory:/job\n0::/\n", encoding="ascii")
    _write_memory(tmp_path / "memory" / "job", VERSION_1, (3_000_000, 1_000_000, 200_000))

    assert limits.available_memory_bytes() == 2_200_000


@pytest.mark.usefixtures("machine")
def test_memory_used_up_is_zero(monkeypatch):
    """A job above its allocation has none left, not less than none."""
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "1")

    assert limits.available_memory_bytes() == 0


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


@pytest.mark.parametrize(("users", "used"), [(None, "4"), ("20", "20")])
def test_openblas_threads_hardly_spin(monkeypatch, users, used) -> None:
    """Unless the user says otherwise."""
    monkeypatch.setenv("OPENBLAS_THREAD_TIMEOUT", users or "")
    if users is None:
        del os.environ["OPENBLAS_THREAD_TIMEOUT"]  # what is set below is undone by monkeypatch
    limits.share_cores()
    assert os.environ["OPENBLAS_THREAD_TIMEOUT"] == used


def test_command_line_says_so_before_numpy_is_there() -> None:
    """Its threads are made when it is imported."""
    program = "import sys; import dfaseg.cli.main; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"False"


def test_peak_is_this_program_s_and_not_that_of_who_started_it() -> None:
    """A small program that a large one starts has been small all its life."""
    code = (
        "from dfaseg.limits import peak_memory_bytes as peak, resident_memory_bytes as now\n"
        "print(peak(), now())"
    )
    ballast = bytearray(200 * 2**20)
    ballast[::4096] = b"x" * len(ballast[::4096])

    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )

    peak, resident = map(int, result.stdout.split())
    assert 0.9 * resident < peak < len(ballast)
