"""Cut images into overlapping windows for a network, and stitch its logits before scoring."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dfaseg.model.network import Network
from dfaseg.stitcher.blend import blend_weights

LogitsOf = Callable[[NDArray[np.uint8]], Tensor]
"""From patches, RGB uint8 ``(n, s, s, 3)``, to logits ``(n, k, s / stride, s / stride)``."""

OVERLAP_SHARE = 4
"""Neighbouring windows share at least a quarter of their side."""

_COPIED_PX = 1 << 24
"""Mask pixels that leave a device at once: it is waited for each time."""


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """How images go through a network.

    Attributes:
        patch_px: Side of a window.
        logit_stride: Pixels per logit; divides ``patch_px``.
        batch_size: Windows per forward pass; has no part in the result.
    """

    patch_px: int
    logit_stride: int
    batch_size: int

    def starts(self, length: int) -> NDArray[np.int64]:
        """Return where windows begin along a side: evenly spread, at whole logits.

        Args:
            length: Side of the image (px). A shorter one than a window gets one window.
        """
        last = max(0, length - self.patch_px)
        step = self.patch_px - self.patch_px // OVERLAP_SHARE
        # Rounded up, so that the last window reaches the end; what lies beyond is padding.
        cells = -(-last // self.logit_stride)
        number = 1 + -(-last // step)
        return np.ceil(np.linspace(0, cells, number)).astype(np.int64) * self.logit_stride


@dataclass(frozen=True, slots=True)
class ImageLogits:
    """What a network says of one image, for those who know no tensors.

    Attributes:
        values: Logits of each class at each pixel, ``(k, h, w)``.
    """

    values: Tensor

    def mask(self) -> NDArray[np.uint8]:
        """Return the class of the highest logit at each pixel, uint8 ``(h, w)``."""
        return self.mask_on_device().cpu().numpy()

    def mask_on_device(self) -> Tensor:
        """Return the mask where the logits lie."""
        return self.values.argmax(dim=0).to(torch.uint8)

    def probabilities(self, top: int, bottom: int) -> NDArray[np.floating[Any]]:
        """Return the probability of each class in some rows, ``(k, bottom - top, w)``."""
        found: NDArray[np.floating[Any]] = self.values[:, top:bottom].softmax(dim=0).cpu().numpy()
        return found


@dataclass(slots=True)
class _OpenImage:
    """An image some of whose windows are still on their way."""

    height: int
    width: int
    waiting: int
    weighted: Tensor | None = None
    weights: Tensor | None = None


@dataclass(slots=True)
class _Stitcher:
    """Sums the logits of an image's windows, each weighted by its distance from the border."""

    spec: WindowSpec
    profile: Tensor = field(init=False)

    def __post_init__(self) -> None:
        cells = self.spec.patch_px // self.spec.logit_stride
        self.profile = torch.from_numpy(blend_weights("gaussian", cells, cells // OVERLAP_SHARE))

    def add(self, image: _OpenImage, x: int, y: int, logits: Tensor) -> None:
        """Add one window's logits ``(k, cells, cells)``."""
        stride, cells = self.spec.logit_stride, logits.shape[-1]
        if image.weighted is None or image.weights is None:
            rows = self._cells(image.height)
            cols = self._cells(image.width)
            image.weighted = logits.new_zeros(len(logits), rows, cols)
            image.weights = logits.new_zeros(rows, cols)
        row, col = y // stride, x // stride
        self.profile = profile = self.profile.to(logits.device)
        image.weighted[:, row : row + cells, col : col + cells] += profile * logits
        image.weights[row : row + cells, col : col + cells] += profile
        image.waiting -= 1

    def finish(self, image: _OpenImage) -> "ImageLogits":
        """Return the logits of an image whose windows are all there."""
        assert image.weighted is not None
        assert image.weights is not None
        logits = (image.weighted / image.weights).unsqueeze(0)
        stride = self.spec.logit_stride
        size = (logits.shape[-2] * stride, logits.shape[-1] * stride)
        full = functional.interpolate(logits, size, mode="bilinear", align_corners=False)
        return ImageLogits(full[0, :, : image.height, : image.width])

    def _cells(self, length: int) -> int:
        last = int(self.spec.starts(length)[-1])
        return (last + self.spec.patch_px) // self.spec.logit_stride


def predict_masks(
    logits_of: LogitsOf, images: Sequence[NDArray[np.uint8]], spec: WindowSpec
) -> Iterator[NDArray[np.uint8]]:
    """Predict the classes of whole images; see ``predict_logits``.

    Yields:
        Masks in the order of the images, uint8 ``(h, w)``.
    """
    masks: list[Tensor] = []
    for logits in predict_logits(logits_of, images, spec):
        masks.append(logits.mask_on_device())
        if sum(mask.numel() for mask in masks) >= _COPIED_PX:
            yield from _copy_masks(masks)
            masks = []
    yield from _copy_masks(masks)


def _copy_masks(masks: Sequence[Tensor]) -> Iterator[NDArray[np.uint8]]:
    """Fetch masks of any size from a device in one copy."""
    if not masks:
        return
    joined = torch.cat([mask.flatten() for mask in masks]).cpu()
    parts = torch.split(joined, [mask.numel() for mask in masks])
    for flat, mask in zip(parts, masks, strict=True):
        yield flat.view(mask.shape).numpy()


@torch.no_grad()
def predict_logits(
    logits_of: LogitsOf, images: Sequence[NDArray[np.uint8]], spec: WindowSpec
) -> Iterator[ImageLogits]:
    """Predict whole images of any size, one after the other.

    Windows of several images share a forward pass. Overlapping windows are blended before any
    pixel is classified, so no pixel counts twice.

    Args:
        logits_of: The network on uint8 patches.
        images: RGB, uint8 ``(h, w, 3)`` each.
        spec: Size and number of windows.

    Yields:
        Logits at each image's own pixels, in the order of the images.
    """
    stitcher = _Stitcher(spec)
    opened: dict[int, _OpenImage] = {}
    pending: list[tuple[int, int, int]] = []
    finished = 0
    for index, image in enumerate(images):
        places = [(index, int(x), int(y)) for y in spec.starts(image.shape[0])
                  for x in spec.starts(image.shape[1])]  # fmt: skip
        opened[index] = _OpenImage(image.shape[0], image.shape[1], len(places))
        pending += places
        is_last = index == len(images) - 1
        while len(pending) >= spec.batch_size or (is_last and pending):
            batch, pending = pending[: spec.batch_size], pending[spec.batch_size :]
            patches = np.stack([_cut(images[i], x, y, spec.patch_px) for i, x, y in batch])
            for (i, x, y), logits in zip(batch, logits_of(patches).float(), strict=True):
                stitcher.add(opened[i], x, y, logits)
        while finished in opened and opened[finished].waiting == 0:
            yield stitcher.finish(opened.pop(finished))
            finished += 1


def _cut(image: NDArray[np.uint8], x: int, y: int, side: int) -> NDArray[np.uint8]:
    """Return one window; beyond the image there is its mirror image, more of the same tissue."""
    window = image[y : y + side, x : x + side]
    missing = (side - window.shape[0], side - window.shape[1])
    if not any(missing):
        return window
    return np.pad(window, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric")


def run_network(network: Network) -> LogitsOf:
    """Return a loaded model as a function of patches in ordinary memory."""

    def logits_of(patches: NDArray[np.uint8]) -> Tensor:
        return network.logits(torch.from_numpy(patches).to(network.device))

    return logits_of
