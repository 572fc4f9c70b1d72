"""A model on a data set's split: every labelled pixel predicted and counted once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dfaseg.datasets.dataset import Dataset, Example
from dfaseg.datasets.load import Split, load_split
from dfaseg.datasets.resample import at_mpp
from dfaseg.errors import ConfigError
from dfaseg.evaluation.cases import choose_cases
from dfaseg.evaluation.confusion import ConfusionMatrix
from dfaseg.evaluation.results import CaseResult, EvalResult
from dfaseg.evaluation.windows import WindowSpec, predict_masks, run_network
from dfaseg.figures.case_pictures import PanelCase
from dfaseg.model.card import ModelCard
from dfaseg.model.network import Network

SplitName = Literal["train", "val", "test"]


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
    network: Network, data: Dataset, split_name: SplitName, *, batch_size: int = 8, workers: int = 1
) -> ModelEvaluation:
    """Predict a split with a model and compare with its labels.

    Images and labels are brought to the model's resolution first, where that differs.

    Args:
        network: The model.
        data: The data set; its classes must be the model's, in the same order.
        split_name: Which part of it.
        batch_size: Patches per forward pass; has no part in the result.
        workers: Threads that decode.

    Raises:
        ConfigError: Classes differ or the split is empty.
        DatasetError: An image cannot be read.
        CheckpointError: The model's answers are of no use.
    """
    card = network.card
    _require_same_classes(card, data)
    data_at_model = at_mpp(data, card.mpp)
    examples = _examples(data_at_model, split_name)
    if not examples:
        raise ConfigError(f"data set '{data.info.name}': its split '{split_name}' holds no image")
    split = load_split(examples, workers=workers)
    masks = predict_masks(run_network(network), split.images, _windows(network, batch_size))
    cases = tuple(_count(split, index, mask, len(card.classes)) for index, mask in enumerate(masks))
    facts = _facts(network, data, split_name)
    title = f"{card.name} on {data.info.name}, {split_name} split"
    result = EvalResult(title, card.classes, card.mpp, cases, facts)
    return ModelEvaluation(result, _choose_pictures(network, result, split, batch_size))


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


def _windows(network: Network, batch_size: int) -> WindowSpec:
    return WindowSpec(network.card.patch_px, network.logit_stride, batch_size)


def _count(split: Split, index: int, mask: NDArray[np.uint8], num_classes: int) -> CaseResult:
    confusion = ConfusionMatrix(num_classes)
    confusion.update(split.labels[index], mask)
    return CaseResult(split.names[index], split.cases[index], confusion.counts)


def _choose_pictures(
    network: Network, result: EvalResult, split: Split, batch_size: int
) -> tuple[PanelCase, ...]:
    """Predict the chosen images again, rather than hold the masks of all."""
    confusions = [_matrix(case) for case in result.cases]
    in_truth = result.confusion().sum(axis=1)
    shares = network.card.pixel_frequencies or tuple(in_truth / max(in_truth.sum(), 1))
    chosen = choose_cases(confusions, result.class_map, shares)
    images = [split.images[case.index] for case in chosen]
    masks = predict_masks(run_network(network), images, _windows(network, batch_size))
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


def _matrix(case: CaseResult) -> ConfusionMatrix:
    matrix = ConfusionMatrix(len(case.confusion))
    matrix.counts = case.confusion
    return matrix


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
        "limits_of_data": info.limits,
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
