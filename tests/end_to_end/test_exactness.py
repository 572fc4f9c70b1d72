"""What comes out is what the network says of the slide, whatever the tiling and the batching."""

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.slide.array import ArraySlide
from dfaseg.stitcher.blend import blend_weights
from tests.averaging import exact_mean
from tests.predicting import (
    identity_network,
    mask_of,
    network_of,
    predict,
    use,
    written_bytes,
)

TILINGS = [
    (64, 0, "none"),
    (64, 16, "uniform"),
    (32, 24, "gaussian"),
    (48, 16, "gaussian"),
    (512, 64, "gaussian"),
]


def noisy_image(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Return RGB blobs of all three classes with every kind of border, and noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (height // 7 + 1, width // 5 + 1, 3), np.uint8)
    image = np.kron(coarse, np.ones((7, 5, 1), np.uint8))[:height, :width].copy()
    speckled = rng.random((height, width)) < 0.05
    image[speckled] = rng.integers(0, 255, (int(speckled.sum()), 3), np.uint8)
    return image


def area_resampled(image: np.ndarray, scale: Fraction) -> np.ndarray:
    """Shrink a whole image by exact area means; what lies beyond it is white."""
    height, width = (math.ceil(side / scale) for side in image.shape[:2])
    return exact_mean(image, scale, scale, (height, width))


@pytest.mark.parametrize(("patch_px", "overlap_px", "blend"), TILINGS)
def test_identity_network_gives_the_slide_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patch_px: int, overlap_px: int, blend: str
) -> None:
    """Each mask pixel is the strongest channel of the slide's own pixel."""
    image = noisy_image(203, 141)
    use(monkeypatch, network=identity_network(), slide=ArraySlide(image, tile_px=40))
    out = tmp_path / "m.zarr"

    predict(out, patch_px=patch_px, overlap_px=overlap_px, blend=blend)

    np.testing.assert_array_equal(mask_of(out), image.argmax(axis=2))


@pytest.mark.parametrize(
    ("mpp", "scale"), [(0.25, Fraction(2)), (0.3, Fraction(5, 3)), (0.7, Fraction(5, 7))]
)
@pytest.mark.parametrize(("patch_px", "overlap_px"), [(64, 16), (16, 8)])
def test_slide_is_resampled_by_area(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mpp: float,
    scale: Fraction,
    patch_px: int,
    overlap_px: int,
) -> None:
    """At another resolution the network sees exact means of the slide's pixels."""
    image = noisy_image(203, 141, seed=1)
    use(monkeypatch, network=identity_network(), slide=ArraySlide(image, tile_px=40, mpp=mpp))
    out = tmp_path / "m.zarr"

    predict(out, patch_px=patch_px, overlap_px=overlap_px)

    mask = mask_of(out)
    expected = area_resampled(image, scale).argmax(axis=2)[: mask.shape[0], : mask.shape[1]]
    assert mask.shape == tuple(-(-side // scale) for side in image.shape[:2])
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("stride", [2, 4])
def test_stitched_equals_a_dense_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stride: int
) -> None:
    """Blending in float64 over the whole slide and upsampling it in one go gives the same mask."""
    image = noisy_image(150, 110, seed=2)
    slide, patch, overlap = ArraySlide(image, tile_px=64), 32, 16
    # What a patch is told depends on its content, so neighbours disagree where they overlap.
    network = network_of(
        lambda images: (
            functional.avg_pool2d(images, stride)
            + 30
            * torch.sin(images.mean(dim=(1, 2, 3), keepdim=True) + torch.arange(3)[:, None, None])
        ),
        stride=stride,
    )
    use(monkeypatch, network=network, slide=slide)

    predict(tmp_path / "m.zarr", patch_px=patch, overlap_px=overlap)

    cells = dense_logits(image, network.run.forward, patch, overlap, stride)
    dense = functional.interpolate(cells[None], scale_factor=stride, mode="bilinear")[0]
    best = dense.topk(2, dim=0).values[:, : image.shape[0], : image.shape[1]]
    is_clear = ((best[0] - best[1]) > 1e-4).numpy()  # float32 may break a tie another way
    expected = dense.argmax(dim=0).numpy()[: image.shape[0], : image.shape[1]]
    assert is_clear.mean() > 0.999
    np.testing.assert_array_equal(mask_of(tmp_path / "m.zarr")[is_clear], expected[is_clear])


def dense_logits(
    image: np.ndarray, forward: object, patch: int, overlap: int, stride: int
) -> torch.Tensor:
    """Blend all patches over the whole slide in float64, shape ``(3, rows, columns)`` of cells."""
    step = patch - overlap
    counts = [1 + max(0, -(-(side - patch) // step)) for side in image.shape[:2]]
    rows, cols = ((count - 1) * step + patch for count in counts)
    padded = np.full((rows, cols, 3), 255, np.uint8)
    padded[: image.shape[0], : image.shape[1]] = image
    weights = torch.from_numpy(blend_weights("gaussian", patch // stride, overlap // stride))
    total = torch.zeros(4, rows // stride, cols // stride, dtype=torch.float64)
    for y in range(0, rows - patch + 1, step):
        for x in range(0, cols - patch + 1, step):
            crop = torch.from_numpy(padded[y : y + patch, x : x + patch].copy())
            logits = forward(crop.permute(2, 0, 1)[None].float())[0].double()  # type: ignore[operator]
            place = (
                slice(y // stride, (y + patch) // stride),
                slice(x // stride, (x + patch) // stride),
            )
            total[:3, *place] += logits * weights
            total[3, *place] += weights
    height, width = (-(-side // stride) for side in image.shape[:2])
    return (total[:3] / total[3])[:, :height, :width]


def test_constant_network_fills_the_tissue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One answer everywhere gives one class inside the tissue and 255 outside."""
    answer = torch.tensor([0.0, 0.0, 1.0])[None, :, None, None]
    network = network_of(lambda images: answer.expand(len(images), 3, *images.shape[2:]))
    image = np.full((500, 600, 3), 243, np.uint8)
    image[60:400, 250:560] = (226, 158, 190)
    use(monkeypatch, network=network, slide=ArraySlide(image))

    result = predict(tmp_path / "m.zarr", tissue="auto")

    mask = mask_of(tmp_path / "m.zarr")
    assert set(np.unique(mask)) == {2, IGNORE_INDEX}
    assert (mask[60:400, 250:560] == 2).all()
    assert (mask[:, :150] == IGNORE_INDEX).all()
    assert [area.pixels for area in result.areas.areas] == [0, 0, np.count_nonzero(mask == 2)]


@pytest.mark.parametrize(
    "settings",
    [
        {"batch_size": 1},
        {"batch_size": 3, "workers": 3},
        {"batch_size": 1000},
        {"checkpoint_seconds": 0.0, "batch_size": 5},
    ],
)
def test_results_do_not_depend_on_how_the_work_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, float]
) -> None:
    """Batch size, threads and resumable states change no byte of any file."""
    slide = ArraySlide(noisy_image(260, 330, seed=3), tile_px=64, mpp=0.3)
    use(monkeypatch, network=identity_network(2), slide=slide)
    predict(tmp_path / "a.zarr", patch_px=32, overlap_px=8)

    predict(tmp_path / "b.zarr", patch_px=32, overlap_px=8, **settings)

    first, second = written_bytes(tmp_path / "a.zarr"), written_bytes(tmp_path / "b.zarr")
    assert sorted(first) == sorted(second)
    assert len(first) > 8
    assert all(first[name] == second[name] for name in first)
