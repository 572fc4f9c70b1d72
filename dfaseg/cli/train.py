"""``dfaseg train``: train a network on annotated images."""

import logging
import math
import os
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dfaseg.cli.options import LocalPath, device_option, local_path, workers_option
from dfaseg.cli.train_options import DATASETS, given_settings, setting_options

if TYPE_CHECKING:
    from dfaseg.training.loop import Trainer, TrainResult
    from dfaseg.training.observer import TrainObserver
    from dfaseg.training.prepare import PreparedTraining

_REQUEST = ("root", "config_path", "baseline", "device", "workers", "draws")
"""Options that are no settings of the run: they say where and with what it is done."""


@click.command(short_help="Train a network on annotated images.")
@click.option(
    "--dataset",
    type=click.Choice(DATASETS),
    help="Data set; the documentation shows the layout of each.",
)
@click.option(
    "--root",
    type=LocalPath(exists=True, file_okay=False),
    help="Folder of the data set.",
)
@click.option("--out", "run_dir", type=local_path, required=True, help="Folder of the run.")
@click.option(
    "--config",
    "config_path",
    type=LocalPath(exists=True, dir_okay=False),
    help="TOML file with settings, such as the config.toml of another run; options override it.",
)
@setting_options
@click.option(
    "--baseline",
    type=LocalPath(exists=True),
    help="Earlier run of the same classes: its Dice is the prior of --bias hcfa, and delta is"
    " plotted against it.",
)
@device_option
@workers_option
@click.option("--tensorboard", is_flag=True, help="Write event files for TensorBoard as well.")
@click.option("--plots/--no-plots", "draws", default=True, help="Draw pictures at the end.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out, with its settings.")
def train(run_dir: Path, *, tensorboard: bool, resume: bool, **options: Any) -> None:
    """Train a network on annotated images and write RUN/model.safetensors.

    The run's folder also holds config.toml (every setting), log.csv (one line per epoch),
    scores.json, plots, and the state that --resume goes on from. Under torchrun all processes
    train one network together.
    """
    from dfaseg.allocator import keep_freed_memory
    from dfaseg.cli.progress import stop_on_signals
    from dfaseg.training.device import make_deterministic
    from dfaseg.training.prepare import TrainRequest, prepare_training
    from dfaseg.training.world import join_world

    if "WORLD_SIZE" in os.environ:
        # A process that waits for another one, in native code, hears no handler of Python's.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    keep_freed_memory()
    make_deterministic()
    chosen = {name: options.pop(name) for name in _REQUEST}
    request = TrainRequest(run_dir, given_settings(options), resume=resume, **chosen)
    with ExitStack() as stack:
        world = stack.enter_context(join_world(request.device))
        if not world.is_main:
            logging.getLogger("dfaseg").setLevel(logging.WARNING)
        prepared = prepare_training(request, world)
        trainer = prepared.build_trainer()
        observers = _observers(stack, prepared, trainer, tensorboard=tensorboard)
        stop = stack.enter_context(stop_on_signals("this step"))
        result = trainer.run(resume=resume, stop=stop, observers=observers)
    if world.is_main:
        _say_scores(result, prepared.data.info.class_map.names)


def _observers(
    stack: ExitStack, prepared: "PreparedTraining", trainer: "Trainer", *, tensorboard: bool
) -> "list[TrainObserver]":
    """Return who watches the run: nobody but in the main process."""
    from dfaseg.cli.train_display import show_training
    from dfaseg.training.run_folder import RunFolder
    from dfaseg.training.tensorboard_log import TensorBoardLog

    if not prepared.world.is_main:
        return []
    folder, class_map = RunFolder(prepared.request.run_dir), prepared.data.info.class_map
    observers: list[TrainObserver] = []
    if tensorboard:
        log = TensorBoardLog(folder.tensorboard, class_map.names)
        observers.append(stack.enter_context(log))
    batch_size = prepared.spec.batch_size
    display = show_training(class_map, trainer.frequencies, batch_size)
    return [*observers, stack.enter_context(display)]


def _say_scores(result: "TrainResult", class_names: tuple[str, ...]) -> None:
    click.echo(f"model: {result.model_path} (epoch {result.best_epoch})")
    click.echo(f"macro Dice: val {result.val.macro_dice:.4f}, test {result.test.macro_dice:.4f}")
    for name, dice in zip(class_names, result.test.dice, strict=True):
        score = "absent" if math.isnan(dice) else f"{dice:.4f}"
        click.echo(f"  {name}: test Dice {score}")
