"""The options of ``dfaseg train`` and the settings they stand for say the same."""

import re
from typing import Any, get_args, get_type_hints

import click
import pytest

from dfaseg.cli.train import train
from dfaseg.cli.train_options import BIAS_MODES, DATASETS, LOSSES, given_settings
from dfaseg.datasets.readers import MAKERS, READERS
from dfaseg.model.class_bias import BiasMode
from dfaseg.training.config import override, parse_spec, to_tables
from dfaseg.training.losses.spec import LossName
from dfaseg.training.spec import TrainSpec

DEFAULTS = to_tables(TrainSpec(dataset="ebhi"))
OPTIONS = [option for option in train.params if isinstance(option, click.Option)]
NOT_SETTINGS = {
    "dataset", "root", "run_dir", "config_path", "baseline", "device", "workers", "tensorboard",
    "draws", "resume",
}  # fmt: skip
SETTINGS = [option for option in OPTIONS if option.name not in NOT_SETTINGS]
LEFT_TO_OTHERS = {"the preset's", "the data set's", "the loss's"}


def _default(dotted: str) -> Any:
    table, _, name = dotted.rpartition(".")
    return (DEFAULTS[table] if table else DEFAULTS).get(name)


@pytest.mark.parametrize("option", SETTINGS, ids=lambda option: option.opts[0])
def test_help_states_the_true_default(option: click.Option) -> None:
    """A number or name in the help is the one that the settings have."""
    dotted = str(option.name).replace("__", ".")
    stated = re.search(r"\[default: (.*)\]", str(option.help))
    default = _default(dotted)

    if not default and (stated is None or stated[1] in LEFT_TO_OTHERS | {"random"}):
        return  # nothing is set: the preset, the data set or the loss decides
    assert stated, "no default is stated"
    if isinstance(default, bool):
        assert stated[1] == ("" if default else "no-") + dotted
    else:
        assert stated[1] == str(default)


@pytest.mark.parametrize("option", SETTINGS, ids=lambda option: option.opts[0])
def test_option_is_a_setting(option: click.Option) -> None:
    """Its parameter names an entry of the TOML file, of a kind that takes its values."""
    table, _, name = str(option.name).rpartition("__")
    spec = type(getattr(TrainSpec(dataset="ebhi"), table)) if table else TrainSpec

    assert name in get_type_hints(spec)


def test_choices_are_those_of_the_settings() -> None:
    """Names stand in the command line for speed; they are the same names."""
    assert set(BIAS_MODES) == set(get_args(BiasMode))
    assert set(LOSSES) == set(get_args(LossName))
    assert set(DATASETS) == {*READERS, *MAKERS}


def test_options_not_given_leave_the_file_alone() -> None:
    """Only what was given overrides."""
    given = given_settings({"bias__alpha": 0.1, "bias__gamma": None, "compile": False})

    spec = parse_spec(override({"dataset": "crag", "bias": {"gamma": 1.0}}, given))

    assert (spec.bias.alpha, spec.bias.gamma, spec.compile) == (0.1, 1.0, False)


def test_numbers_are_parsed() -> None:
    """Three weights, parted by commas."""
    context = train.make_context("train", ["--out", "x", "--loss-weights", "0.5,1,0"])

    assert context.params["loss__weights"] == (0.5, 1.0, 0.0)


def test_what_is_no_list_of_numbers_is_refused() -> None:
    """It says what was wanted."""
    with pytest.raises(click.BadParameter, match="no list of numbers"):
        train.make_context("train", ["--out", "x", "--loss-weights", "a,b"])
