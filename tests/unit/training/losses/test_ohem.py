"""Hard pixels: the right share of them, and nothing else."""

import pytest
import torch
from torch import Tensor

from dfaseg.training.losses import LossSpec, build_loss
from tests.losses import labelled_example, small_loss, value_and_gradient


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _row(*losses: float) -> tuple[Tensor, Tensor]:
    """Return logits of two classes and labels 0 whose cross-entropies are the numbers given."""
    likelihood = torch.exp(-torch.tensor(losses))
    logits = torch.stack([likelihood.log(), (1 - likelihood).log()])
    return logits.view(1, 2, 1, -1), torch.zeros(1, 1, len(losses), dtype=torch.uint8)


def _loss(share: float, min_pixels: int = 1) -> torch.nn.Module:
    spec = LossSpec("ohem", ohem_share=share, ohem_min_pixels=min_pixels)
    return build_loss(spec, pixel_counts=[1, 1], num_patches=1)


@pytest.mark.parametrize(
    ("share", "min_pixels", "expected"),
    [
        (0.25, 1, 4.0),  # one of four pixels
        (0.5, 1, 3.0),  # two: (4 + 2) / 2
        (0.25, 3, 7 / 3),  # at least three: (4 + 2 + 1) / 3
        (0.25, 100, 1.875),  # all that there are
        (1.0, 1, 1.875),
        (0.375, 1, 10 / 3),  # one and a half: (4 + 2 / 2) / 1.5
    ],
)
def test_hardest_pixels_are_averaged(share: float, min_pixels: int, expected: float) -> None:
    """Numbers worked by hand for losses of 1, 4, 1/2 and 2."""
    logits, labels = _row(1.0, 4.0, 0.5, 2.0)

    value = _loss(share, min_pixels)(logits, None, labels)

    assert value.total.item() == pytest.approx(expected, rel=1e-5)


def test_easy_pixels_get_no_gradient() -> None:
    """They are not learned from at all."""
    logits, labels = _row(1.0, 4.0, 0.5, 2.0)

    _, gradient = value_and_gradient(_loss(0.5), logits, labels)

    assert (gradient[0, 0, 0] != 0).tolist() == [False, True, False, True]


def test_ignored_pixels_are_neither_chosen_nor_counted() -> None:
    """The hardest pixel is ignored: the share is taken of the other three."""
    logits, labels = _row(1.0, 4.0, 0.5, 2.0)
    labels[0, 0, 1] = 255

    value, gradient = value_and_gradient(_loss(1 / 3), logits, labels)

    assert value.total.item() == pytest.approx(2.0, rel=1e-5)
    assert (gradient[0, 0, 0] != 0).tolist() == [False, False, False, True]


def test_level_pixels_are_treated_alike() -> None:
    """No pixel is preferred for its place: of four equal ones, each counts by half."""
    logits, labels = _row(1.0, 1.0, 1.0, 1.0)

    value, gradient = value_and_gradient(_loss(0.5), logits, labels)

    assert value.total.item() == pytest.approx(1.0, rel=1e-5)
    assert torch.all(gradient[0, 0, 0] == gradient[0, 0, 0, 0])


def test_all_pixels_are_plain_cross_entropy() -> None:
    """With a share of 1 nothing is left out."""
    logits, labels = labelled_example()

    value = small_loss("ohem", ohem_share=1.0)(logits, None, labels).total

    assert value.item() == pytest.approx(small_loss("ce")(logits, None, labels).total.item())


def test_share_agrees_with_sorting() -> None:
    """The histogram finds the pixels that sorting finds, but for the width of one bin."""
    logits, labels = labelled_example(num_images=8)
    losses = torch.nn.functional.cross_entropy(
        logits, labels.long(), ignore_index=255, reduction="none"
    )[labels != 255]

    value = small_loss("ohem", ohem_share=0.25)(logits, None, labels).total

    expected = losses.topk(len(losses) // 4).values.mean()
    assert value.item() == pytest.approx(expected.item(), rel=1e-3)
