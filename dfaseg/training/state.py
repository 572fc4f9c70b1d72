"""The state of a run between two epochs, in one file without pickle."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import AdamW

from dfaseg.errors import CheckpointError, ConfigError, DatasetError
from dfaseg.model.segmenter import DfaSegmenter
from dfaseg.model.tensor_file import write_tensors
from dfaseg.training.config import changed_settings, parse_spec, to_tables
from dfaseg.training.data_identity import DataIdentity, changed_data
from dfaseg.training.runlog import EpochRecord
from dfaseg.training.spec import TrainSpec


@dataclass(slots=True)
class Progress:
    """What a run has reached.

    Attributes:
        finished: Epochs done.
        best_dice: Highest macro Dice on the validation split so far.
        best_epoch: Epoch of it, from 1; 0 before the first.
        history: One record per finished epoch.
    """

    finished: int = 0
    best_dice: float = -1.0
    best_epoch: int = 0
    history: list[EpochRecord] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TrainState:
    """Everything that changes while a run goes on.

    Random numbers are no part of it: each epoch draws its own from (seed, epoch).

    Attributes:
        network: The network being trained.
        average: Its averaged weights; the same object when averaging is off.
        optimiser: AdamW over the network's parameters.
        loss: The loss; some count as they go.
        scaler: Scale of the loss, so that fp16 gradients do not vanish; idle in other formats.
        progress: What the run has reached.
    """

    network: DfaSegmenter
    average: DfaSegmenter
    optimiser: AdamW
    loss: nn.Module
    scaler: GradScaler
    progress: Progress

    @property
    def delta(self) -> list[nn.Parameter]:
        """The learned class biases; empty where none are learned."""
        return list(self.network.class_bias.delta_parameters())


def save_state(path: Path, state: TrainState, spec: TrainSpec, data: DataIdentity) -> None:
    """Write the state to one safetensors file, whole or not at all.

    Args:
        path: The file.
        state: What has been reached.
        spec: Settings of the run.
        data: What it learns from.

    Raises:
        OutputError: The file cannot be written.
    """
    tensors = _named(state.network.state_dict(), "network") | _optimiser_tensors(state.optimiser)
    tensors |= _named(state.loss.state_dict(), "loss")
    if state.average is not state.network:
        tensors |= _named(state.average.state_dict(), "average")
    metadata = {
        "progress": json.dumps(asdict(state.progress)),
        "spec": json.dumps(to_tables(spec)),
        "data": json.dumps(dict(data)),
        "scaler": json.dumps(state.scaler.state_dict()),
    }
    write_tensors(path, tensors, metadata)


def load_state(path: Path, state: TrainState, spec: TrainSpec, data: DataIdentity) -> None:
    """Fill a fresh state from a file, so that the run goes on as if it had never stopped.

    Args:
        path: File that ``save_state`` wrote.
        state: Built from the same spec; changed in place.
        spec: Settings of the run that goes on.
        data: What it would learn from.

    Raises:
        CheckpointError: The file is missing or damaged.
        ConfigError: It was written with other settings.
        DatasetError: It was written with other data.
    """
    metadata, tensors = _read(path)
    try:
        progress: dict[str, Any] = json.loads(metadata["progress"])
        stored = parse_spec(json.loads(metadata["spec"]))
        _check_same_spec(path, stored, spec, int(progress["finished"]))
        # Files of earlier versions do not say what they learned from.
        _check_same_data(path, json.loads(metadata.get("data", "{}")), data)
        history = [EpochRecord(**record) for record in progress.pop("history")]
        state.network.load_state_dict(_under(tensors, "network"))
        state.loss.load_state_dict(_under(tensors, "loss"))
        if state.average is not state.network:
            state.average.load_state_dict(_under(tensors, "average"))
        _load_optimiser(state.optimiser, tensors)
        scaler = json.loads(metadata["scaler"])
    except (KeyError, TypeError, RuntimeError, json.JSONDecodeError) as error:
        raise CheckpointError(
            f"training state '{path}': does not fit this network ({error}); start a new run"
        ) from error
    if scaler:
        state.scaler.load_state_dict(scaler)
    state.progress.history = history
    for name, value in progress.items():
        setattr(state.progress, name, value)


def _read(path: Path) -> tuple[Mapping[str, str], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return file.metadata() or {}, tensors
    except FileNotFoundError as error:
        raise CheckpointError(
            f"training state '{path}': not there; leave out --resume to start a new run"
        ) from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"training state '{path}': damaged ({error}); start a new run"
        ) from error


def _check_same_spec(path: Path, stored: TrainSpec, wanted: TrainSpec, finished: int) -> None:
    changed = changed_settings(stored, wanted)
    if finished <= min(stored.holds_until(), wanted.holds_until()):
        changed.pop("epochs", None)
        changed.pop("optimiser.decay_epochs", None)
    changed.pop("patience", None)  # decides when a run ends, not what its epochs are
    if changed:
        listed = ", ".join(f"{name} {change}" for name, change in changed.items())
        raise ConfigError(
            f"training state '{path}': was written with {listed}; resume with the same settings or"
            " start a new run in another folder"
        )


def _check_same_data(path: Path, stored: DataIdentity, found: DataIdentity) -> None:
    changed = changed_data(stored, found)
    if changed:
        raise DatasetError(
            f"training state '{path}': was written with other data: {'; '.join(changed)}; put the"
            " data back as they were or start a new run in another folder"
        )


def _named(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {name.removeprefix(start): t for name, t in tensors.items() if name.startswith(start)}


def _optimiser_tensors(optimiser: AdamW) -> dict[str, Tensor]:
    return {
        f"optimiser.{index}.{name}": tensor
        for index, moments in optimiser.state_dict()["state"].items()
        for name, tensor in moments.items()
    }


def _load_optimiser(optimiser: AdamW, tensors: Mapping[str, Tensor]) -> None:
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    moments: dict[int, dict[str, Tensor]] = {}
    for key, tensor in _under(tensors, "optimiser").items():
        index, name = key.split(".", 1)
        parameter = parameters[int(index)]
        # Fused AdamW walks through memory: moments must lie as their parameter does.
        is_moment = tensor.shape == parameter.shape
        value = torch.empty_like(parameter).copy_(tensor) if is_moment else tensor
        moments.setdefault(int(index), {})[name] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": moments, "param_groups": groups})


def seed_epoch(seed: int, epoch: int) -> None:
    """Start the network's random numbers (dropped paths) anew, from (seed, epoch) alone."""
    torch.manual_seed((seed << 20) + epoch + 1)
