"""Pictures made and written on all cores while a slide is read, without piling up."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

import cv2
import numpy as np
import simplejpeg
from cv2.typing import MatLike
from numpy.typing import NDArray

from dfaseg.cutting.spec import PatchFormat
from dfaseg.errors import OutputError
from dfaseg.files import explain

JPEG_QUALITY = 92
_PNG_OPTIONS = (cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE)
"""Runs of equal bytes only: looking for more makes files a twentieth smaller in twice the time."""

ENDINGS = {"png": ".png", "jpeg": ".jpg"}

Result = TypeVar("Result")


class OrderedPool(Generic[Result]):
    """Threads that do jobs side by side and hand their results over in order.

    At most a few jobs per thread wait, so that memory does not depend on how many there are.
    """

    def __init__(self, num_workers: int, take: Callable[[Result], None]) -> None:
        """Start the threads.

        Args:
            num_workers: How many.
            take: Called with each result, in the order of the jobs, in the caller's thread.
        """
        self._executor = ThreadPoolExecutor(num_workers, thread_name_prefix="encode")
        self._take = take
        self._most = 3 * num_workers
        self._pending: deque[Future[Result]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)

    def submit(self, job: Callable[[], Result]) -> None:
        """Add a job; waits for the oldest one where too many are under way."""
        while len(self._pending) >= self._most:
            self._take(self._pending.popleft().result())
        self._pending.append(self._executor.submit(job))

    def drain(self) -> None:
        """Wait for all jobs."""
        while self._pending:
            self._take(self._pending.popleft().result())


def encode_patch(pixels: NDArray[np.uint8], save: PatchFormat) -> bytes:
    """Encode an RGB patch ``(h, w, 3)`` as PNG or JPEG."""
    if save == "jpeg":
        # Without subsampled colours: haematoxylin and eosin differ in colour above all.
        return bytes(
            simplejpeg.encode_jpeg(
                np.ascontiguousarray(pixels), quality=JPEG_QUALITY, colorsubsampling="444"
            )
        )
    return _png(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))


def encode_label(label: NDArray[np.uint8]) -> bytes:
    """Encode class indices ``(h, w)`` as a grey PNG."""
    return _png(label)


def _png(pixels: MatLike) -> bytes:
    _, content = cv2.imencode(".png", pixels, _PNG_OPTIONS)
    return content.tobytes()


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file of a hidden folder.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        with path.open("wb") as file:
            file.write(content)
    except OSError as error:
        raise OutputError(f"output '{path.name}': cannot be written ({explain(error)})") from error
