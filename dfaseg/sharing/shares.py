"""Shares of many slides: what one of several jobs does, the same whoever works it out."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dfaseg.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Share:
    """One of several equal parts of the work.

    Attributes:
        index: Which part, from 0.
        count: How many parts there are.
        source: Where the numbers come from, for messages.
    """

    index: int
    count: int
    source: str = "--shard"

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ConfigError(
                f"{self.source}: part {self.index + 1} of {self.count} does not exist; parts go "
                "from 1/N to N/N"
            )

    def __str__(self) -> str:
        return f"{self.index + 1}/{self.count}"


def parse_share(text: str) -> Share:
    """Parse ``I/N``, I from 1 to N.

    Raises:
        ConfigError: It is something else.
    """
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal()):
        raise ConfigError(f"--shard '{text}': not of the form I/N; give e.g. 1/4")
    return Share(int(index) - 1, int(count))


def share_of_job(environment: Mapping[str, str]) -> Share | None:
    """Return the share that a scheduler gives this process; None where it gives none.

    A SLURM array (``SLURM_ARRAY_TASK_ID``, ``_COUNT``, ``_MIN``, ``_STEP``) and the processes that
    torchrun starts (``RANK``, ``WORLD_SIZE``) multiply where both are set.

    Args:
        environment: The variables of the process.

    Raises:
        ConfigError: The array has gaps, or a variable is no number.
    """
    array = _array_task(environment)
    rank = _torchrun_process(environment)
    if array is None or rank is None:
        return array or rank
    return Share(
        array.index * rank.count + rank.index,
        array.count * rank.count,
        f"{array.source} and {rank.source}",
    )


def deal_out(areas: Mapping[str, int], count: int) -> list[list[str]]:
    """Divide slides into shares of about equal area.

    The largest slide comes first, and each goes to the share that has least so far. No share
    exceeds another by more than its own smallest slide, and equal arguments give equal shares.

    Args:
        areas: Pixels of each slide; 0 where they are not known.
        count: Number of shares.

    Returns:
        The ids of each share, largest first. Each id is in exactly one; shares beyond the last
        that has any are left out.
    """
    # Slides of unknown area are spread by number, and no share is given one while others have none.
    count = min(count, len(areas))
    loads = [(0, 0, index) for index in range(count)]
    shares: list[list[str]] = [[] for _ in range(count)]
    for slide_id in sorted(areas, key=lambda name: (-areas[name], name)):
        area, number, index = loads[0]
        shares[index].append(slide_id)
        heapq.heapreplace(loads, (area + areas[slide_id], number + 1, index))
    return shares


def _array_task(environment: Mapping[str, str]) -> Share | None:
    names = ("TASK_ID", "TASK_COUNT", "TASK_MIN", "TASK_STEP")
    task, count, first, step = _numbers(environment, [f"SLURM_ARRAY_{name}" for name in names])
    if task is None or count is None:
        return None
    index, remainder = divmod(task - (first or 0), max(step or 1, 1))
    if remainder or not 0 <= index < count:
        raise ConfigError(
            f"SLURM_ARRAY_TASK_ID {task}: the array's {count} numbers are not evenly spaced, so "
            "that parts cannot be told from them; number it without gaps, e.g. --array=0-9, or "
            "pass --shard I/N"
        )
    return Share(index, count, "the SLURM array")


def _torchrun_process(environment: Mapping[str, str]) -> Share | None:
    rank, world_size = _numbers(environment, ["RANK", "WORLD_SIZE"])
    if rank is None or world_size is None:
        return None
    return Share(rank, world_size, "RANK/WORLD_SIZE")


def _numbers(environment: Mapping[str, str], names: Sequence[str]) -> list[int | None]:
    """Return variables as numbers; None for those that are not set."""
    values = [environment.get(name, "").strip() for name in names]
    for name, value in zip(names, values, strict=True):
        if value and not value.isdecimal():
            raise ConfigError(f"{name} '{value}': not a number; unset it or pass --shard I/N")
    return [int(value) if value else None for value in values]
