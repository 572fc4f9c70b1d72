"""What this job may use: its own cores and memory, never the host's."""

import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

_CGROUP_ROOT = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")
_MEMINFO = Path("/proc/meminfo")
_STATM, _STATUS = Path("/proc/self/statm"), Path("/proc/self/status")


def available_cores() -> int:
    """Count the cores this process may use.

    The smallest of the process's affinity, the cgroup's quota (containers, systemd) and what
    SLURM has allocated to the task or, where it does not say, to the job on this node counts.
    Processes that torchrun has started here share them; each has at least 1.
    """
    if hasattr(os, "sched_getaffinity"):
        limits = [len(os.sched_getaffinity(0))]
    else:  # macOS and Windows have no affinity to read
        limits = [os.cpu_count() or 1]
    quota = _cgroup_quota()
    if quota is not None:
        limits.append(quota)
    # The first is only there if the job asked for it; the second counts for all of its tasks.
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        allocated = _number_of(name)
        if allocated is not None:
            limits.append(allocated)
    return max(1, min(limits) // (_number_of("LOCAL_WORLD_SIZE") or 1))


def share_cores() -> None:
    """Bound how long waiting compute threads spin; call before torch or NumPy is imported.

    OpenMP's threads spin at the end of every parallel loop, by default so long that next to the
    threads that decode and write, or to other jobs on the node, they take the cores from the very
    work they wait for. Not spinning at all makes them slow where nobody else wants the cores.

    OpenBLAS's spin as soon as it is loaded: a tenth of a second on every core, once for NumPy and
    once for SciPy. What we ask of it is too small for more than one thread.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")  # 2**4 cycles, its least


def peak_memory_bytes() -> int:
    """Return the largest resident size this process has had.

    Where the system tells it, that of this program alone: what ``getrusage`` says begins with the
    size of the process that started it.
    """
    with suppress(OSError, ValueError, StopIteration):
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def cpu_seconds() -> float:
    """Return the core-seconds that this process has taken."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident_memory_bytes() -> int:
    """Return the resident size of this process; its largest so far where only that is known."""
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return peak_memory_bytes()
    return pages * os.sysconf("SC_PAGE_SIZE")


def available_memory_bytes() -> int:
    """Return the memory this job may still take without being stopped for it.

    The smallest of what the machine has free, what the cgroups on the way to the job (version 1
    or 2) leave of their limits, and what SLURM has allocated less what this process holds.
    """
    rooms = [_machine_memory(), *_cgroup_rooms()]
    allocated = _slurm_memory()
    if allocated is not None:
        rooms.append(allocated - peak_memory_bytes())
    return max(0, min(rooms))


def _slurm_memory() -> int | None:
    """Bytes that a SLURM job may use on this node; None if it may use all."""
    megabytes = _number_of("SLURM_MEM_PER_NODE")
    if megabytes is None:  # a job states either its memory or that of each of its cores
        per_core = _number_of("SLURM_MEM_PER_CPU") or 0
        megabytes = per_core * (_number_of("SLURM_CPUS_ON_NODE") or 1)
    return megabytes * 1024**2 or None  # 0 stands for all of the node


def _number_of(name: str) -> int | None:
    """Read a number that SLURM or torchrun tells the processes it starts."""
    text = os.environ.get(name, "")
    return int(text) if text.isdigit() else None


def _machine_memory() -> int:
    """Bytes the machine can give without swapping; where only the total is known, half of it."""
    try:
        entries = _MEMINFO.read_text(encoding="ascii").splitlines()
    except OSError:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    sizes = {name: int(rest.split()[0]) for name, rest in (line.split(":") for line in entries)}
    return sizes["MemAvailable"] * 1024


def _cgroup_rooms() -> list[int]:
    """Bytes that each memory limit on the way to the job's cgroups leaves."""
    version_2 = [
        _room(folder, "memory.max", "memory.current", "inactive_file")
        for folder in _cgroup_folders()
    ]
    version_1 = [
        _room(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        for folder in _cgroup_folders("memory")
    ]
    return [room for room in (*version_2, *version_1) if room is not None]


def _room(folder: Path, limit_file: str, usage_file: str, cache_name: str) -> int | None:
    """Limit less usage; cached file pages count as free, the system drops them when asked."""
    try:
        limit = int((folder / limit_file).read_text(encoding="ascii"))
        usage = int((folder / usage_file).read_text(encoding="ascii"))
        lines = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):  # no such file, or the word "max"
        return None
    cached = [int(line.split()[1]) for line in lines if line.split()[0] == cache_name]
    return limit - usage + sum(cached)


def _cgroup_quota() -> int | None:
    """Cores of the tightest CPU quota on the way to the job's cgroup, rounded up; None for none."""
    quotas = [quota for folder in _cgroup_folders() if (quota := _quota_of(folder)) is not None]
    return min(quotas, default=None)


def _cgroup_folders(controller: str = "") -> list[Path]:
    """Return the folder of the job's own cgroup and those above it.

    Args:
        controller: Controller of version 1; empty for the one tree of version 2.
    """
    root = _CGROUP_ROOT / controller
    try:
        entries = _OWN_CGROUP.read_text(encoding="utf-8").splitlines()
    except OSError:
        return [root]
    parts = [entry.split(":", 2) for entry in entries]
    own = next((path for _, names, path in parts if controller in names.split(",")), "/")
    folder = root / own.lstrip("/")
    return [folder, *(above for above in folder.parents if above.is_relative_to(root))]


def _quota_of(folder: Path) -> int | None:
    try:
        quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else max(1, -(-int(quota) // int(period)))
