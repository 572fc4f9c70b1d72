"""What other networks teach: their mean probabilities, where there is a label."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.datasets.dataset import DatasetInfo
from dfaseg.errors import ConfigError
from dfaseg.training.device import choose_placement
from dfaseg.training.teachers import Teachers
from tests.labelled import make_info
from tests.model_files import tiny_card, write_tiny_model

CARD = tiny_card()
INFO: DatasetInfo = replace(make_info(), class_map=CARD.classes, mpp=CARD.mpp)
PATCHES = torch.zeros((1, 8, 8, 3), dtype=torch.uint8)
LABELS = torch.zeros((1, 8, 8), dtype=torch.uint8)
SIZE = torch.Size((2, 2))


def taught_by(monkeypatch: pytest.MonkeyPatch, *answers: Tensor) -> Teachers:
    """Return teachers that give these logits, ``(n, k, h, w)``, whatever they see."""
    teachers = Teachers([], INFO, choose_placement("cpu", "fp32"))
    networks = [lambda _pixels, answer=answer: (answer, None) for answer in answers]
    monkeypatch.setattr(teachers, "_networks", networks)
    monkeypatch.setattr(teachers, "_scalings", [lambda pixels: pixels] * len(answers))
    return teachers


def logits_of(*probabilities: float) -> Tensor:
    """Return logits of 2 × 2 cells that all have these probabilities."""
    return torch.tensor(probabilities).log()[None, :, None, None].expand(1, -1, 2, 2)


def test_probabilities_are_averaged_not_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is sure outweighs one that is not."""
    teachers = taught_by(monkeypatch, logits_of(0.9, 0.1), logits_of(0.5, 0.5))

    found = teachers.probabilities(PATCHES, SIZE)

    assert torch.allclose(found[0, :, 1, 1], torch.tensor([0.7, 0.3]))


def test_divergence_is_that_of_kullback_and_leibler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worked out by hand; nothing where the network says what its teachers say."""
    teachers = taught_by(monkeypatch, logits_of(0.75, 0.25))

    found = teachers.divergence(logits_of(0.5, 0.5), PATCHES, LABELS)

    assert float(found) == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert float(teachers.divergence(logits_of(0.75, 0.25), PATCHES, LABELS)) == pytest.approx(
        0, abs=1e-6
    )


def test_gradient_is_the_difference_of_probabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of a cross-entropy with soft labels: (q - p) / number of cells; teachers get none."""
    wanted = logits_of(0.75, 0.25).clone().requires_grad_()
    logits = logits_of(0.5, 0.5).clone().requires_grad_()

    taught_by(monkeypatch, wanted).divergence(logits, PATCHES, LABELS).backward()

    assert logits.grad is not None
    assert torch.allclose(logits.grad[0, :, 0, 0], torch.tensor([-0.25, 0.25]) / 4)
    assert wanted.grad is None


def test_ignored_pixels_teach_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor do they count in the mean; a batch of nothing else costs 0."""
    labels = LABELS.clone()
    labels[:, :4] = IGNORE_INDEX
    logits = logits_of(0.5, 0.5).clone().requires_grad_()
    teachers = taught_by(monkeypatch, logits_of(0.75, 0.25))

    teachers.divergence(logits, PATCHES, labels).backward()

    assert logits.grad is not None
    assert not logits.grad[0, :, 0].any()
    assert torch.allclose(logits.grad[0, :, 1, 0], torch.tensor([-0.25, 0.25]) / 2)
    nothing = torch.full_like(LABELS, IGNORE_INDEX)
    assert float(teachers.divergence(logits.detach(), PATCHES, nothing)) == 0


def test_teacher_of_another_stride_is_resampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its coarser answer is spread over the student's cells."""
    teachers = taught_by(monkeypatch, logits_of(0.75, 0.25)[..., :1, :1])

    found = teachers.probabilities(PATCHES, SIZE)

    assert torch.allclose(found, logits_of(0.75, 0.25).exp())


def test_teachers_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """Other classes, or another size of structures."""
    model, placement = write_tiny_model(tmp_path / "m.safetensors"), choose_placement("cpu", "fp32")

    with pytest.raises(ConfigError, match=r"teacher '.*m\.safetensors': its classes .* are not"):
        Teachers([model], make_info(), placement)
    with pytest.raises(ConfigError, match=r"sees .* µm per pixel, this run 9;.*--mpp"):
        Teachers([model], replace(INFO, mpp=9.0), placement)
    assert Teachers([model], replace(INFO, mpp=INFO.mpp * 1.01), placement)
