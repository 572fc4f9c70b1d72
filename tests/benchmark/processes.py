"""What benchmarks share: measures taken in a process of their own, and what a process has used."""

import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Figures = dict[str, float]
"""What one measure found, by name; units are in the names."""


def measure_apart(command: Sequence[str], folder: Path | None = None) -> dict[str, Any]:
    """Run a command that prints its figures as JSON, so that no measure warms or fattens another.

    Args:
        command: Program and arguments; what it writes to stderr is passed on.
        folder: Where it runs; here if not given.

    Returns:
        The last line of its output, parsed.
    """
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=folder)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def this_python(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of this checkout with this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def end_side_processes() -> None:
    """End the processes that made results or cut patches, so that their time is known."""
    from dfaseg.cutting import crew
    from dfaseg.inference.results import process

    crew.processes.close()
    process.processes.close()


def cpu_seconds() -> float:
    """Return the CPU time of this process and of the children it has waited for."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
