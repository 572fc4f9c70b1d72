"""From what a user asked for to a trainer that is ready to run."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dfaseg.datasets.dataset import Dataset
from dfaseg.datasets.readers import read_dataset
from dfaseg.datasets.resample import at_mpp
from dfaseg.errors import ConfigError, DatasetError
from dfaseg.model.checkpoint import hash_file
from dfaseg.model.device import own_device
from dfaseg.model.resolve import resolve_model
from dfaseg.training.baseline import read_baseline_dice
from dfaseg.training.config import Tables, override, parse_spec, read_config
from dfaseg.training.device import choose_placement
from dfaseg.training.idle_settings import idle_settings
from dfaseg.training.loop import Trainer
from dfaseg.training.run_folder import RUN_TABLE, RunFolder
from dfaseg.training.spec import NetworkSpec, TeachingSpec, TrainSpec
from dfaseg.training.world import World

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """What a user asked for.

    Attributes:
        run_dir: Folder of the run.
        settings: Entries of the TOML file by dotted name; they override the file's.
        config_path: TOML file to start from; None starts from the defaults, or with ``resume``
            from the settings of the run in ``run_dir``.
        root: Folder of the data set; None takes the one recorded in the file.
        baseline: Earlier run whose Dice is wanted.
        device: auto, cpu, cuda or cuda:N.
        workers: Threads that compose patches; None takes what suits the device.
        resume: Whether to go on with the run in ``run_dir``.
        draws: Whether pictures are drawn at the end.
    """

    run_dir: Path
    settings: Mapping[str, Any]
    config_path: Path | None = None
    root: Path | None = None
    baseline: Path | None = None
    device: str = "auto"
    workers: int | None = None
    resume: bool = False
    draws: bool = True


@dataclass(frozen=True, slots=True)
class PreparedTraining:
    """A run whose settings are parsed and whose data set is found, before anything is decoded.

    Attributes:
        spec: All settings.
        data: The data set, at the resolution to train at.
        request: What was asked for.
        world: The processes that train together.
        run_facts: What is recorded beside the settings.
    """

    spec: TrainSpec
    data: Dataset
    request: TrainRequest
    world: World
    run_facts: Mapping[str, Any]

    def build_trainer(self) -> Trainer:
        """Decode the data and build the network.

        Raises:
            ConfigError: A setting is impossible.
            DatasetError: An image cannot be read.
        """
        device = own_device(self.request.device)
        return Trainer(
            self.spec,
            self.data,
            self.request.run_dir,
            choose_placement(device, self.spec.precision, self.world),
            workers=self.request.workers,
            run_facts=self.run_facts,
            draws=self.request.draws,
        )


def prepare_training(request: TrainRequest, world: World) -> PreparedTraining:
    """Gather settings from file and options, and find the data set.

    Raises:
        ConfigError: A setting is unknown or impossible, or one that is needed is missing.
        DatasetError: The folder is not that data set, or not all of it.
        CheckpointError: The baseline is no model, or there is no run to resume.
        OutputExistsError: The folder of a new run holds another.
    """
    tables = _gather_tables(request)
    spec = parse_spec(tables)
    _require_teachers(spec.teaching, request)
    spec = replace(spec, network=_with_whole_paths(spec.network, request))
    root = request.root or _recorded_root(tables)
    data = read_dataset(spec.dataset, root)
    _require_images(data)
    if spec.mpp:
        data = at_mpp(data, spec.mpp)
    if request.baseline is not None:
        dice = read_baseline_dice(request.baseline, data.info.class_map.names)
        spec = replace(spec, bias=replace(spec.bias, baseline_dice=dice))
    is_named_anew = "teaching.teachers" in request.settings
    spec = replace(spec, teaching=_identified(spec.teaching, is_named_anew=is_named_anew))
    if spec.bias.mode == "hcfa" and not spec.bias.baseline_dice:
        raise ConfigError(
            "bias mode 'hcfa': needs the Dice of an earlier run; train one with --bias none and"
            " give its folder with --baseline"
        )
    if world.is_main:
        _warn_of_idle_settings(spec, request)
    facts = {"device": request.device, "processes": world.size}
    if root is not None:
        facts["root"] = str(root.resolve())
    return PreparedTraining(spec, data, request, world, facts)


def _require_images(data: Dataset) -> None:
    """Refuse a data set that is made for testing only."""
    splits = {"train": data.train, "val": data.val, "test": data.test}
    empty = [split for split, examples in splits.items() if not examples]
    if empty:
        raise DatasetError(
            f"data set '{data.info.name}': no image in the split '{empty[0]}'; training needs some"
            " in each of train, val and test"
        )


def _require_teachers(teaching: TeachingSpec, request: TrainRequest) -> None:
    """Refuse to be told how much teachers count where there are none.

    Only of what was asked for: a recorded file states each setting, with teachers or without.
    """
    if "teaching.share" in request.settings and not teaching.teachers:
        raise ConfigError(
            "--teacher-share has no effect without teachers; name them with --teacher, or leave"
            " it out"
        )


def _warn_of_idle_settings(spec: TrainSpec, request: TrainRequest) -> None:
    """Say which options do nothing; no error, for the runs of a study share theirs.

    Not of settings in a file: a recorded one states all.
    """
    named = [*request.settings, *([] if request.baseline is None else ["bias.baseline_dice"])]
    idle = idle_settings(spec, named)
    if idle:
        logger.warning("without effect in this run: %s", "; ".join(idle))


def _identified(teaching: TeachingSpec, *, is_named_anew: bool) -> TeachingSpec:
    """Return the teachers as files that are found from everywhere, with their hashes.

    Raises:
        CheckpointError: One is not to be had.
    """
    names = tuple(_whole_path(name) for name in teaching.teachers)
    if teaching.sha256 and not is_named_anew:
        return replace(teaching, teachers=names)
    hashes = tuple(hash_file(resolve_model(name)) for name in names)
    return replace(teaching, teachers=names, sha256=hashes)


def _with_whole_paths(network: NetworkSpec, request: TrainRequest) -> NetworkSpec:
    """Return weights as files that are found from everywhere.

    On resuming, what the run has recorded stays as it is, for settings must not differ.
    """

    def whole(name: str) -> str:
        value: str = getattr(network, name)
        is_recorded = request.resume and f"network.{name}" not in request.settings
        return value if is_recorded or value in {"random", "hub"} else _whole_path(value)

    return replace(
        network,
        encoder_weights=whole("encoder_weights"),
        second_encoder_weights=whole("second_encoder_weights"),
        decoder_weights=whole("decoder_weights"),
    )


def _whole_path(name: str) -> str:
    return str(Path(name).resolve()) if Path(name).is_file() else name


def _recorded_root(tables: Tables) -> Path | None:
    """Return where the data lay, by the table that a run writes and people may have changed."""
    recorded = tables.get(RUN_TABLE, {})
    if not isinstance(recorded, dict):
        raise ConfigError(f"setting '{RUN_TABLE}': must be a table")
    root = recorded.get("root", "")
    if not isinstance(root, str):
        raise ConfigError(f"setting '{RUN_TABLE}.root': {root!r} is no text")
    return Path(root) if root else None


def _gather_tables(request: TrainRequest) -> Tables:
    path, folder = request.config_path, RunFolder(request.run_dir)
    if request.resume:
        folder.require_state()
        path = path or folder.config
    else:
        folder.require_free()  # said before the data are decoded, which may take long
    return override(read_config(path) if path else {}, request.settings)
