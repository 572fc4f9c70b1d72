"""A model on a data set's split: every labelled pixel predicted and counted once."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dfaseg.datasets.dataset import Dataset, Example
from dfaseg.datasets.load import Split, load_split
from dfaseg.datasets.resample import at_mpp
from dfaseg.errors import ConfigError
from dfaseg.evaluation.boundary import measure_surfaces
from dfaseg.evaluation.cases import choose_cases
from dfaseg.evaluation.confidence import count_confidence
from dfaseg.evaluation.confusion import ConfusionMatrix
from dfaseg.evaluation.coverage import notes_on_objects
from dfaseg.evaluation.objects import score_objects
from dfaseg.evaluation.results import CaseResult, EvalResult
from dfaseg.evaluation.windows import (
    ImageLogits,
    WindowSpec,
    predict_logits,
    predict_masks,
    run_network,
)
from dfaseg.figures.case_pictures import PanelCase
from dfaseg.model.card import ModelCard
from dfaseg.model.network import Network

SplitName = Literal["train", "val", "test"]


@dataclass(frozen=True, slots=True)
class ModelEvalSpec:
    """How a model is evaluated on a data set.

    Attributes:
        split_name: Which part of the data set.
        tolerance_um: Distance up to which two outlines count as the same.
        object_class: Class whose connected parts are also counted one by one; None for none.
        batch_size: Patches per forward pass; has no part in the result.
        workers: Threads that decode.
    """

    split_name: SplitName = "test"
    tolerance_um: float = 5.0
    object_class: str | None = None
    batch_size: int = 8
    workers: int = 1


@dataclass(frozen=True, slots=True)
class ModelEvaluation:
    """What a model did on a split.

    Attributes:
        result: What was counted.
        shown: Images worth looking at, with truth and prediction.
    """

    result: EvalResult
    shown: tuple[PanelCase, ...]


def evaluate_model(
    network: Network,
    data: Dataset,
    spec: ModelEvalSpec,
    *,
    settings: Mapping[str, Any] | None = None,
) -> ModelEvaluation:
    """Predict a split with a model and compare with its labels.

    Images and labels are brought to the model's resolution first, where that differs.

    Args:
        network: The model.
        data: The data set; its classes must be the model's, in the same order.
        spec: Which split, and what is measured.
        settings: What makes the method that trained the model, by dotted name, where known.

    Raises:
        ConfigError: Classes differ, the split is empty or the class of objects is unknown.
        DatasetError: An image cannot be read.
        CheckpointError: The model's answers are of no use.
    """
    card = network.card
    _require_same_classes(card, data)
    object_index = _object_index(card, spec.object_class)
    examples = _examples(at_mpp(data, card.mpp), spec.split_name)
    if not examples:
        raise ConfigError(f"data set '{data.info.name}': its split '{spec.split_name}' is empty")
    split = load_split(examples, workers=spec.workers)
    windows = WindowSpec(card.patch_px, network.logit_stride, spec.batch_size)
    predicted = predict_logits(run_network(network), split.images, windows)
    cases = tuple(
        _measure(split, index, logits, card, spec, object_index)
        for index, logits in enumerate(predicted)
    )
    facts = _facts(network, data, spec.split_name)
    if spec.object_class is not None:
        facts["object_class"] = spec.object_class
    if settings:
        facts["settings"] = dict(settings)
    title = f"{card.name} on {data.info.name}, {spec.split_name} split"
    result = EvalResult(title, card.classes, card.mpp, cases, facts)
    return ModelEvaluation(result, _choose_pictures(network, result, split, windows))


def notes_on_data(result: EvalResult) -> tuple[str, ...]:
    """Return what a reader must know of the data set a model was evaluated on."""
    facts, notes = result.facts, notes_on_objects(result)
    if result.mpp is not None and not math.isclose(facts["mpp_of_data"], result.mpp, rel_tol=1e-3):
        notes.append(
            f"Images and truth were resampled from {facts['mpp_of_data']:g} to {result.mpp:g} µm"
            " per pixel, the model's own resolution, and scored there."
        )
    if facts["split"] != "test":
        notes.append(
            f"This is the {facts['split']} split: training has seen it, or chose its best epoch by"
            " it. Scores on new cases are lower."
        )
    if facts["limits"]:
        notes.append(f"The model's card says: {facts['limits']}")
    return tuple(notes)


def _examples(data: Dataset, split_name: SplitName) -> Sequence[Example]:
    return {"train": data.train, "val": data.val, "test": data.test}[split_name]


def _require_same_classes(card: ModelCard, data: Dataset) -> None:
    names = data.info.class_map.names
    if card.classes.names != names:
        raise ConfigError(
            f"model '{card.name}': its classes ({', '.join(card.classes.names)}) are not those of"
            f" data set '{data.info.name}' ({', '.join(names)}); evaluate a model that was trained"
            " on the same classes"
        )


def _object_index(card: ModelCard, name: str | None) -> int | None:
    if name is None:
        return None
    if name not in card.classes.names:
        raise ConfigError(
            f"objects '{name}': no class of model '{card.name}'; use one of"
            f" {', '.join(card.classes.names)}"
        )
    return card.classes.names.index(name)


def _measure(
    split: Split,
    index: int,
    logits: ImageLogits,
    card: ModelCard,
    spec: ModelEvalSpec,
    object_index: int | None,
) -> CaseResult:
    """Count and measure one image, of which only the counts are kept."""
    label, num_classes = np.asarray(split.labels[index]), len(card.classes)
    mask = logits.mask()
    confusion = ConfusionMatrix(num_classes)
    confusion.update(label, mask)
    return CaseResult(
        split.names[index],
        split.cases[index],
        confusion.counts,
        surface=measure_surfaces(
            label, mask, num_classes, mpp=(card.mpp, card.mpp), tolerance_um=spec.tolerance_um
        ),
        objects=None if object_index is None else score_objects(label, mask, object_index),
        calibration=count_confidence(logits, label),
    )


def _choose_pictures(
    network: Network, result: EvalResult, split: Split, windows: WindowSpec
) -> tuple[PanelCase, ...]:
    """Predict the chosen images again, rather than hold the masks of all."""
    confusions = [case.matrix() for case in result.cases]
    in_truth = result.confusion().sum(axis=1)
    shares = network.card.pixel_frequencies or tuple(in_truth / max(in_truth.sum(), 1))
    chosen = choose_cases(confusions, result.class_map, shares)
    images = [split.images[case.index] for case in chosen]
    masks = predict_masks(run_network(network), images, windows)
    return tuple(
        PanelCase(
            split.names[case.index],
            np.asarray(split.images[case.index]),
            np.asarray(split.labels[case.index]),
            mask,
            case.caption,
        )
        for case, mask in zip(chosen, masks, strict=True)
    )


def _facts(network: Network, data: Dataset, split_name: SplitName) -> dict[str, Any]:
    """Return what a reader of the scores must know of model and data."""
    card, info = network.card, data.info
    facts: dict[str, Any] = {
        "model": card.name,
        "model_sha256": network.sha256,
        "data_set": info.name,
        "split": split_name,
        "licence_of_data": info.licence,
        "mpp_of_data": info.mpp,
        "limits": card.limits,
        "precision": network.precision.value,
    }
    return facts | {key: value for key, value in card_facts(card).items() if value is not None}


def card_facts(card: ModelCard) -> Mapping[str, Any]:
    """Return what a card says of how its model was trained, as JSON can hold it."""
    return {
        "trained_on": card.training_data.name,
        "seed": card.seed,
        "bias_mode": card.bias.mode,
        "delta": list(card.bias.delta) or None,
        "frequencies": list(card.pixel_frequencies) or None,
    }
