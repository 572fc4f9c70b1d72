"""Build what a run starts from: the network with its class bias, its loss, its optimiser."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch.amp import GradScaler
from torch.nn import SyncBatchNorm

from dfaseg.errors import ConfigError
from dfaseg.model.build import WeightSources, build_segmenter, preset_spec
from dfaseg.model.device import Precision
from dfaseg.model.encoder_weights import EncoderWeights
from dfaseg.model.segmenter import DfaSegmenter
from dfaseg.training.device import Placement
from dfaseg.training.losses.build import build_loss
from dfaseg.training.losses.frequency import logit_shift
from dfaseg.training.optimiser import build_optimiser
from dfaseg.training.spec import TrainSpec
from dfaseg.training.state import Progress, TrainState
from dfaseg.wording import counted


def build_state(
    spec: TrainSpec, pixel_counts: Sequence[int], num_patches: int, placement: Placement
) -> TrainState:
    """Build the state of a run before its first step; equal seeds give equal weights.

    Args:
        spec: Settings of the run.
        pixel_counts: Pixels of each class in the training split, ``k`` numbers.
        num_patches: Patches of one pass over the training split.
        placement: Where it will run.

    Raises:
        ConfigError: A setting is impossible.
        CheckpointError: The encoder's weights cannot be had or do not fit.
    """
    torch.manual_seed(spec.seed)
    network = _build_network(spec, pixel_counts)
    network.to(placement.device).to(memory_format=torch.channels_last)
    if placement.world.size > 1 and placement.device.type == "cuda":
        # On CPUs torch has no such layer: there each process normalises its own patches.
        network = SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    loss = build_loss(
        spec.loss,
        pixel_counts=pixel_counts,
        num_patches=num_patches,
        world_sum=placement.world.sum,
    )
    return TrainState(
        network=network,
        average=_build_average(spec, network, pixel_counts),
        optimiser=build_optimiser(network, network.class_bias.delta_parameters(), spec),
        loss=loss.to(placement.device),
        scaler=GradScaler(placement.device.type, enabled=placement.precision is Precision.FP16),
        progress=Progress(),
    )


def _build_network(spec: TrainSpec, pixel_counts: Sequence[int]) -> DfaSegmenter:
    chosen, total = spec.network, sum(pixel_counts)
    model_spec = preset_spec(
        chosen.preset,
        num_classes=len(pixel_counts),
        bias_mode=spec.bias.mode,
        bias_scope=spec.bias.scope,
        encoder=chosen.encoder or None,
        second_encoder=chosen.second_encoder or None,
        freeze_encoder=chosen.freeze_encoder,
    )
    return build_segmenter(
        model_spec,
        pixel_frequencies=[count / total for count in pixel_counts],
        baseline_dice=spec.bias.baseline_dice or None,
        prior=spec.bias.prior,
        alpha=spec.bias.alpha,
        gamma=spec.bias.gamma,
        weights=WeightSources(
            encoder=_source(chosen.encoder_weights),
            second_encoder=_source(chosen.second_encoder_weights),
            decoder=Path(chosen.decoder_weights) if chosen.decoder_weights else None,
        ),
    )


def _source(weights: str) -> EncoderWeights:
    match weights:
        case "random":
            return None
        case "hub":
            return "hub"
        case _:
            return Path(weights)


def _build_average(
    spec: TrainSpec, network: DfaSegmenter, pixel_counts: Sequence[int]
) -> DfaSegmenter:
    """Return the network that is scored and written: a copy unless it is the network itself."""
    shift = logit_shift(spec.loss, pixel_counts=pixel_counts)
    if spec.optimiser.ema_decay == 0 and shift is None:
        return network
    average = network.copy()
    if shift is not None:
        average.shift_logits(-shift)  # the network subtracts
    return average


def check_patch(spec: TrainSpec, network: DfaSegmenter, patch_px: int, processes: int) -> None:
    """Refuse a patch that does not fit the network, or a batch that cannot be shared out.

    Raises:
        ConfigError: One of them.
    """
    if patch_px % network.size_multiple:
        raise ConfigError(
            f"patch of {patch_px} px: its side must be a multiple of {network.size_multiple} px"
            " for this network; change --patch-size"
        )
    if spec.batch_size % (spec.accumulate * processes):
        raise ConfigError(
            f"batch of {counted(spec.batch_size, 'patch', 'patches')}: cannot be shared by"
            f" {counted(processes, 'process', 'processes')} in {counted(spec.accumulate, 'part')}"
            " each; change --batch-size"
        )
