"""The card of a trained model: what it is, what it was trained on, how well it does."""

from collections.abc import Mapping

from dfaseg import __version__
from dfaseg.datasets.dataset import DatasetInfo
from dfaseg.evaluation.metrics import Scores
from dfaseg.model.card import BiasRecord, ModelCard, TrainingData, default_mpp_range
from dfaseg.model.segmenter import DfaSegmenter
from dfaseg.training.spec import TrainSpec

PREDICT_SIDES = 2
"""Side of a patch in prediction, in sides of a training patch. A larger patch has fewer borders and
overlaps for its area; on pictures composed of many validation images it scored higher as well."""
PREDICT_OVERLAP_SHARE = 7
"""A seventh of the patch overlaps: 64 px of 448."""
LARGEST_WIDENED_PX = 512
"""A patch is widened to this side at most; trained on larger ones, a network keeps its own side."""


def write_card(
    network: DfaSegmenter,
    spec: TrainSpec,
    info: DatasetInfo,
    frequencies: tuple[float, ...],
    patch_px: int,
    scores: Mapping[str, Scores],
    epoch: int,
) -> ModelCard:
    """Return the complete card of a trained network.

    Args:
        network: The network whose weights the card will accompany.
        spec: Settings of the run.
        info: The data set.
        frequencies: Measured share of each class in the training pixels.
        patch_px: Side of the training patches.
        scores: Scores by name of the split.
        epoch: Epoch of the weights, from 1.
    """
    names = info.class_map.names
    predict_px = max(patch_px, min(PREDICT_SIDES * patch_px, LARGEST_WIDENED_PX))
    metrics = {split: split_scores.to_record(names) for split, split_scores in scores.items()}
    num_teachers = len(spec.teaching.teachers)
    taught = (
        f", taught by {num_teachers} other model{'s' * (num_teachers > 1)}" if num_teachers else ""
    )
    return ModelCard(
        name=f"{spec.dataset}-{spec.network.preset}",
        description=(
            f"{spec.network.preset} network with class bias '{spec.bias.mode}', trained on"
            f" {info.name} ({info.mpp:g} µm/px, {info.mpp_note}){taught}."
        ),
        architecture=network.spec.to_record(),
        classes=info.class_map,
        mpp=info.mpp,
        mpp_range=default_mpp_range(info.mpp),
        patch_px=predict_px,
        overlap_px=_overlap_px(predict_px, network.logit_stride),
        logit_stride=network.logit_stride,
        normalisation=network.normalisation,
        pixel_frequencies=frequencies,
        bias=bias_record(network),
        training_data=TrainingData(
            name=info.name, licence=info.licence, attribution=info.attribution, url=info.source
        ),
        licence=info.weights_licence,
        intended_use=info.intended_use,
        limits=info.limits,
        metrics={"epoch": epoch, "patch_px": patch_px, **metrics},
        tool_version=__version__,
        seed=spec.seed,
    )


def _overlap_px(patch_px: int, logit_stride: int) -> int:
    """Return the advised overlap, in whole logits."""
    return patch_px // PREDICT_OVERLAP_SHARE // logit_stride * logit_stride


def bias_record(network: DfaSegmenter) -> BiasRecord:
    """Return the class bias of a network as its card states it."""
    class_bias = network.class_bias
    learned = [value for p in class_bias.delta_parameters() for value in p.detach().flatten()]
    return BiasRecord(
        mode=network.spec.bias_mode,
        b=tuple(float(value) for value in class_bias.bias().detach().flatten()),
        delta=tuple(float(value) for value in learned),
        b_centred=tuple(float(value) for value in class_bias.centred().flatten()),
    )
