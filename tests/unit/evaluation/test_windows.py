"""Images of any size are predicted as a whole, whatever they are cut into."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from dfaseg.evaluation.windows import WindowSpec, predict_masks

STRIDE = 4


def _brightness_logits(patches: NDArray[np.uint8]) -> Tensor:
    """Say class 1 where the mean of a cell is bright, class 0 where it is dark."""
    grey = torch.from_numpy(patches[..., 0].astype(np.float32))
    cells = torch.nn.functional.avg_pool2d(grey[:, None], STRIDE)
    return torch.cat([127.5 - cells, cells - 127.5], dim=1)


def _halves(height: int, width: int) -> NDArray[np.uint8]:
    image = np.zeros((height, width, 3), np.uint8)
    image[:, width // 2 // STRIDE * STRIDE :] = 255
    return image


@given(
    sizes=st.lists(st.tuples(st.integers(3, 90), st.integers(16, 90)), min_size=1, max_size=4),
    batch_size=st.integers(1, 5),
)
@settings(max_examples=40, deadline=None)
def test_every_pixel_is_predicted_from_its_own_place(
    sizes: list[tuple[int, int]], batch_size: int
) -> None:
    """Masks have the images' sizes and order, and show what the images show."""
    images = [_halves(height, width) for height, width in sizes]

    masks = list(predict_masks(_brightness_logits, images, WindowSpec(32, STRIDE, batch_size)))

    for image, mask in zip(images, masks, strict=True):
        assert mask.shape == image.shape[:2]
        assert np.array_equal(mask, image[..., 0] // 255)


@given(length=st.integers(1, 500))
@settings(max_examples=60, deadline=None)
def test_windows_cover_a_side_and_overlap(length: int) -> None:
    """They begin at 0 and at whole logits, end at or after the side, and share about a quarter."""
    starts = WindowSpec(32, STRIDE, 1).starts(length)

    assert starts[0] == 0
    assert (starts % STRIDE == 0).all()
    assert starts[-1] + 32 >= length
    assert (np.diff(starts) <= 32 - 8 + STRIDE).all()


def test_image_of_one_window_is_not_blended() -> None:
    """An image as large as a window has the network's own mask."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (32, 32, 3), np.uint8)

    (mask,) = predict_masks(_brightness_logits, [image], WindowSpec(32, STRIDE, 1))

    logits = torch.nn.functional.interpolate(
        _brightness_logits(image[None]), (32, 32), mode="bilinear", align_corners=False
    )
    assert np.array_equal(mask, logits[0].argmax(dim=0).numpy())


@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_batch_size_has_no_part_in_the_masks(batch_size: int) -> None:
    """Windows of several images share a forward pass without meeting."""
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, (50, 40 + 9 * n, 3), np.uint8) for n in range(3)]

    masks = list(predict_masks(_brightness_logits, images, WindowSpec(32, STRIDE, batch_size)))

    alone = [
        next(predict_masks(_brightness_logits, [i], WindowSpec(32, STRIDE, 1))) for i in images
    ]
    assert all(np.array_equal(a, b) for a, b in zip(masks, alone, strict=True))
