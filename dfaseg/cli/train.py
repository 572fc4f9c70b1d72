"""``dfaseg train``: train a network on annotated images."""

from pathlib import Path

import click

from dfaseg.cli.options import device_option, workers_option


@click.command(short_help="Train a network on annotated images.")
@click.option(
    "--dataset",
    type=click.Choice(["ebhi"]),
    required=True,
    help="Data set; the documentation shows its layout.",
)
@click.option(
    "--root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help="Folder of the data set.",
)
@click.option(
    "--out", "run_dir", type=click.Path(path_type=Path), required=True, help="Folder of the run."
)
@click.option("--preset", default="small", show_default=True, help="Size of the network.")
@click.option(
    "--bias",
    "bias_mode",
    type=click.Choice(["none", "cffa", "dfa", "dfa_anchored", "frozen_init", "cold"]),
    default="dfa",
    show_default=True,
    help="What the class bias of the attention is made of.",
)
@click.option("--alpha", type=float, help="Strength of delta's warm start.  [default: 0.5]")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the images.  [default: 60]")
@click.option("--batch-size", type=click.IntRange(1), help="Patches per step.  [default: 24]")
@click.option(
    "--lr",
    type=click.FloatRange(0, min_open=True),
    help="Highest learning rate of the network.  [default: 0.001]",
)
@click.option("--weight-decay", type=float, help="Decay of AdamW.  [default: 0.01]")
@click.option(
    "--delta-lr-factor",
    type=float,
    help="Learning rate of delta as a multiple of --lr.  [default: 20]",
)
@click.option(
    "--loss",
    type=click.Choice(["focal_dice", "ce_dice"]),
    help="Terms of the loss.  [default: focal_dice]",
)
@click.option(
    "--schedule",
    type=click.Choice(["cosine", "steps", "hold"]),
    help="Course of the learning rate; a run that holds may be resumed with other --epochs."
    "  [default: cosine]",
)
@click.option(
    "--decay-epochs",
    type=click.IntRange(1),
    help="Length of the fall that ends the schedule 'hold'.  [default: 10]",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Same seed, same run."
)
@device_option
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16"]),
    default="fp32",
    show_default=True,
    help="Number format of the forward pass.",
)
@workers_option
@click.option("--resume", is_flag=True, help="Go on with the run in --out.")
def train(
    dataset: str,
    root: Path,
    run_dir: Path,
    device: str,
    workers: int | None,
    resume: bool,
    **settings: object,
) -> None:
    """Train a network on annotated images and write RUN/model.safetensors.

    The run's folder also holds log.csv (one line per epoch), config.json and the state that
    --resume goes on from.
    """
    from dfaseg.limits import share_cores

    share_cores()
    from dfaseg.datasets.readers import read_dataset
    from dfaseg.training.device import choose_placement
    from dfaseg.training.loop import Trainer
    from dfaseg.training.memory import keep_freed_memory
    from dfaseg.training.spec import TrainSpec

    keep_freed_memory()
    given = {name: value for name, value in settings.items() if value is not None}
    spec = TrainSpec(dataset=dataset, **given)  # type: ignore[arg-type]  # Click has checked them
    placement = choose_placement(device, spec.precision)
    data = read_dataset(dataset, root)
    trainer = Trainer(spec, data, run_dir, placement, workers=workers)
    result = trainer.run(resume=resume)
    click.echo(f"model: {result.model_path} (epoch {result.best_epoch})")
    click.echo(f"macro Dice: val {result.val.macro_dice:.4f}, test {result.test.macro_dice:.4f}")
    for entry, dice in zip(data.info.class_map, result.test.dice, strict=True):
        click.echo(f"  {entry.name}: test Dice {dice:.4f}")
