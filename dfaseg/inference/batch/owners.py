"""Which process holds something, and whether it still lives as far as one can tell from here."""

import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PID_NAMESPACE = Path("/proc/self/ns/pid")
_STATE_FIELD, _START_FIELD = 0, 19
"""Places in a process's stat file, counted from after its name."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A process that works on slides.

    Attributes:
        host: Name of its machine, for people.
        machine: Equal for processes that see each other's numbers: host, boot and PID namespace.
        pid: Its number.
        born: When the system started it, in the system's own unit; tells it from a later process
            of the same number. Empty where the system does not say.
        job: The scheduler's name for its job; empty where there is none.
        token: Random; tells two holds of the same process apart.
    """

    host: str
    machine: str
    pid: int
    born: str
    job: str
    token: str

    @classmethod
    def of_this_process(cls) -> "Owner":
        """Describe the running process, with a new token."""
        pid = os.getpid()
        return cls(
            host=socket.gethostname(),
            machine=_machine(),
            pid=pid,
            born=_born(pid),
            job=job_name(os.environ),
            token=secrets.token_hex(8),
        )

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Owner":
        """Read what ``to_record`` returned.

        Raises:
            KeyError: A part is missing.
            ValueError: A part is of the wrong kind.
        """
        texts = {name: str(record[name]) for name in ("host", "machine", "born", "job", "token")}
        return cls(pid=int(record["pid"]), **texts)

    def to_record(self) -> dict[str, Any]:
        """Return the parts as plain values."""
        return asdict(self)

    @property
    def is_on_this_machine(self) -> bool:
        """Whether its number means the same process here."""
        return self.machine == _machine()

    @property
    def is_known_dead(self) -> bool:
        """Whether it ran on this machine and does not any more; False where that is not known."""
        if not self.is_on_this_machine:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            pass  # somebody else's process, alive
        return _born(self.pid) != self.born

    def __str__(self) -> str:
        job = f", job {self.job}" if self.job else ""
        return f"process {self.pid} on {self.host}{job}"


def job_name(environment: Mapping[str, str]) -> str:
    """Return the SLURM job, with its task in an array; empty outside of one."""
    array, task = (environment.get(f"SLURM_ARRAY_{name}", "") for name in ("JOB_ID", "TASK_ID"))
    if array and task:
        return f"{array}_{task}"
    return environment.get("SLURM_JOB_ID", "")


def _machine() -> str:
    """Return what tells apart machines, their boots, and containers with own process numbers."""
    return "/".join((socket.gethostname(), *_system_names()))


@cache
def _system_names() -> tuple[str, str]:
    try:
        return _BOOT_ID.read_text("ascii").strip(), str(_PID_NAMESPACE.readlink())
    except OSError:  # not Linux: the host's name has to do
        return "", ""


def _born(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace")
    except OSError:
        return ""
    # The name before may hold spaces and brackets.
    fields = stat.rpartition(")")[2].split()
    # One that has ended and that nobody has asked about yet is still listed.
    return "" if fields[_STATE_FIELD] in "ZX" else fields[_START_FIELD]
