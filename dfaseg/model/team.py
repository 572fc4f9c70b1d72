"""One network on several GPUs of a process, which take batches in turn.

Patches arrive, and logits are wanted, on the first of them: it cuts and stitches for all. What
crosses over is little, a byte per pixel there and a few numbers per square of pixels back.
"""

from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Protocol

import torch
from torch import Tensor


class Member(Protocol):
    """A network on one GPU."""

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        ...

    def start(self, patches: Tensor) -> Callable[[], Tensor]:
        """Begin to run the network on patches that lie on its device."""
        ...

    def settle(self) -> None:
        """Make sure that all logits so far were finite."""
        ...


class Team:
    """Deals batches out to its members.

    Args:
        members: At least one; the first one's device is the team's.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = tuple(members)
        self._turns = cycle(self._members)

    @property
    def devices(self) -> tuple[torch.device, ...]:
        """Where the members run."""
        return tuple(member.device for member in self._members)

    def start(self, patches: Tensor) -> Callable[[], Tensor]:
        """Let the next member begin with a batch.

        Args:
            patches: On the first member's device.

        Returns:
            A function that waits and returns the logits, on that device again.
        """
        home, member = patches.device, next(self._turns)
        finish = member.start(patches.to(member.device, non_blocking=True))
        return lambda: finish().to(home, non_blocking=True)

    def settle(self) -> None:
        """Make sure that all logits of all members were finite so far; waits for them."""
        for member in self._members:
            member.settle()
