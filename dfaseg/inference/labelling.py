"""Blended logits to mask rows: begun beside the network, awaited where results are written."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from dfaseg.inference.on_device.labels import DeviceLabels
from dfaseg.inference.on_device.lane import pinned
from dfaseg.inference.state import SavedState, State
from dfaseg.stitcher.canvas import ReleasedRows
from dfaseg.stitcher.labels import LabelUpsampler

RELEASES_AHEAD = 1
"""Releases that may be under way before the next one waits, on a host. Each takes up to 25 MB, with
its labels, and the network has two batches to work on meanwhile."""
RELEASES_AHEAD_ON_DEVICE = 4
"""The same on a device, which is done with its batches before a wide slide's rows are labelled."""


class MaskRows(NamedTuple):
    """Finished rows of the mask.

    Attributes:
        y: First row, in mask px.
        labels: Class indices, uint8 ``(n, width)``, 255 where no patch reached; may be changed.
    """

    y: int
    labels: NDArray[np.uint8]


class Labeller(Protocol):
    """Turns released rows into mask rows, in order.

    Attributes:
        releases_ahead: Releases that may be under way before the next one waits.
    """

    releases_ahead: int

    def begin(self, rows: ReleasedRows) -> Callable[[], MaskRows]:
        """Begin with the next rows; the function that is returned waits for what they finish.

        The functions are called in order, each once, from any one thread.
        """
        ...

    def state(self) -> State:
        """Return what a later run needs to go on, when all rows begun have been awaited."""
        ...

    def restore(self, state: SavedState) -> None:
        """Go on from what ``state`` returned.

        Raises:
            ConfigError: The state belongs to another slide or model.
        """
        ...


class HostLabeller:
    """Labels in the thread that waits.

    Args:
        upsampler: Makes mask rows of logits.
    """

    releases_ahead = RELEASES_AHEAD

    def __init__(self, upsampler: LabelUpsampler) -> None:
        self._upsampler = upsampler

    def begin(self, rows: ReleasedRows) -> Callable[[], MaskRows]:
        """Take logits and flags to the host; see ``Labeller``."""
        logits, covered = rows.logits.cpu().numpy(), rows.covered.cpu().numpy()

        def finish() -> MaskRows:
            y = self._upsampler.next_row_px
            return MaskRows(y, self._upsampler.add(logits, covered))

        return finish

    def state(self) -> State:
        """Return the upsampler's state."""
        return self._upsampler.state()

    def restore(self, state: SavedState) -> None:
        """Give the upsampler its state back."""
        self._upsampler.restore(state)


class DeviceLabeller:
    """Labels on the device, so that one byte per pixel comes back and no logits.

    Args:
        labels: Makes mask rows of logits.
    """

    releases_ahead = RELEASES_AHEAD_ON_DEVICE

    def __init__(self, labels: DeviceLabels) -> None:
        self._labels = labels

    def begin(self, rows: ReleasedRows) -> Callable[[], MaskRows]:
        """Start the device's work and the copy of its result; see ``Labeller``."""
        y = self._labels.next_row_px
        labels = self._labels.add(rows)
        on_host = pinned(labels.shape, torch.uint8, labels.device)
        on_host.copy_(labels, non_blocking=True)
        arrived = None
        if labels.device.type == "cuda":
            arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch has no type for it
            arrived.record(torch.cuda.current_stream(labels.device))

        def finish() -> MaskRows:
            if arrived is not None:
                arrived.synchronize()
            return MaskRows(y, on_host.numpy())

        return finish

    def state(self) -> State:
        """Return the state of the labels."""
        return self._labels.state()

    def restore(self, state: SavedState) -> None:
        """Give the labels their state back."""
        self._labels.restore(state)
