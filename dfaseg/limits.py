"""What this job may use: its own cores, never the host's."""

import os
import resource
import sys
from pathlib import Path

_CGROUP_ROOT = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")


def available_cores() -> int:
    """Count the cores this process may use.

    The smallest of the process's affinity, the cgroup's quota (containers, systemd) and
    ``SLURM_CPUS_PER_TASK`` counts; at least 1.
    """
    if hasattr(os, "sched_getaffinity"):
        limits = [len(os.sched_getaffinity(0))]
    else:  # macOS and Windows have no affinity to read
        limits = [os.cpu_count() or 1]
    quota = _cgroup_quota()
    if quota is not None:
        limits.append(quota)
    allocated = os.environ.get("SLURM_CPUS_PER_TASK", "")
    if allocated.isdigit():
        limits.append(int(allocated))
    return max(1, min(limits))


def share_cores() -> None:
    """Bound how long waiting compute threads spin; call before torch is imported.

    OpenMP's threads spin at the end of every parallel loop, by default so long that next to the
    threads that decode and write, or to other jobs on the node, they take the cores from the very
    work they wait for. Not spinning at all makes them slow where nobody else wants the cores.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")


def peak_memory_bytes() -> int:
    """Return the largest resident size this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _cgroup_quota() -> int | None:
    """Cores of the tightest CPU quota on the way to the job's cgroup, rounded up; None for none."""
    quotas = [quota for folder in _cgroup_folders() if (quota := _quota_of(folder)) is not None]
    return min(quotas, default=None)


def _cgroup_folders() -> list[Path]:
    """Return the folder of the job's own cgroup (version 2) and those above it."""
    try:
        entries = _OWN_CGROUP.read_text(encoding="utf-8").splitlines()
    except OSError:
        return [_CGROUP_ROOT]
    own = next((entry[3:] for entry in entries if entry.startswith("0::")), "/")
    folder = _CGROUP_ROOT / own.lstrip("/")
    return [folder, *(above for above in folder.parents if above.is_relative_to(_CGROUP_ROOT))]


def _quota_of(folder: Path) -> int | None:
    try:
        quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else max(1, -(-int(quota) // int(period)))
