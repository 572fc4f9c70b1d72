"""Settings travel through TOML unchanged, and what is wrong in them is named."""

import math
import tomllib
from pathlib import Path
from typing import Any

import pytest

from dfaseg.errors import ConfigError
from dfaseg.training.config import (
    changed_settings,
    override,
    parse_spec,
    read_config,
    to_tables,
    to_toml,
)
from dfaseg.training.losses.spec import LossSpec
from dfaseg.training.spec import AugmentSpec, BiasSpec, NetworkSpec, OptimiserSpec, TrainSpec

FULL = TrainSpec(
    dataset="bcss",
    seed=7,
    epochs=35,
    patch_px=512,
    mpp=0.5,
    network=NetworkSpec(preset="base", encoder="resnet18", freeze_encoder=True),
    bias=BiasSpec(mode="hcfa", baseline_dice=(0.5, 0.75), gamma=1.0),
    loss=LossSpec(name="seesaw", weights=(1.0, 0.5, 0.0)),
    optimiser=OptimiserSpec(lr=1e-4, schedule="steps"),
    augment=AugmentSpec(scale=(1.0, 3.5)),
)


def test_spec_survives_toml() -> None:
    """What is written is read back equal, with the run's own table left out."""
    text = to_toml(FULL, {"root": "/data", "processes": 2})

    tables = tomllib.loads(text)

    assert parse_spec(tables) == FULL
    assert tables["run"] == {"root": "/data", "processes": 2}


def test_undefined_dice_survives_toml_and_comparison() -> None:
    """A class without a Dice stays without one, and does not count as a change."""
    spec = TrainSpec(dataset="ebhi", bias=BiasSpec(baseline_dice=(0.5, math.nan)))

    read = parse_spec(tomllib.loads(to_toml(spec)))

    assert math.isnan(read.bias.baseline_dice[1])
    assert changed_settings(spec, read) == {}


def test_setting_in_place_of_a_table_is_named() -> None:
    """An option cannot be put into it."""
    with pytest.raises(ConfigError, match="setting 'teaching': must be a table"):
        override({"teaching": 3}, {"teaching.share": 0.1})


def test_settings_override_the_file() -> None:
    """Dotted names reach into tables and leave their other entries alone."""
    tables = {"dataset": "crag", "bias": {"mode": "cold", "alpha": 0.1}}

    merged = override(tables, {"bias.mode": "dfa", "epochs": 3, "loss.name": "ce"})

    assert parse_spec(merged) == TrainSpec(
        dataset="crag", epochs=3, bias=BiasSpec(mode="dfa", alpha=0.1), loss=LossSpec(name="ce")
    )
    assert tables["bias"]["mode"] == "cold"


def test_whole_numbers_are_numbers() -> None:
    """A rate written without a point is a rate."""
    spec = parse_spec({"dataset": "ebhi", "optimiser": {"lr": 1}})

    assert isinstance(spec.optimiser.lr, float)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({}, "'dataset': missing"),
        ({"dataset": "ebhi", "epoch": 3}, "did you mean 'epochs'"),
        ({"dataset": "ebhi", "bias": {"mod": "dfa"}}, "did you mean 'bias.mode'"),
        ({"dataset": "ebhi", "zzz": 3}, "known: .*epochs"),
        ({"dataset": "ebhi", "bias": {"mode": "best"}}, "use one of none, cffa"),
        ({"dataset": "ebhi", "bias": 3}, "'bias': must be a table"),
        ({"dataset": "ebhi", "epochs": "ten"}, "'ten' is no whole number"),
        ({"dataset": "ebhi", "epochs": 2.5}, "2.5 is no whole number"),
        ({"dataset": "ebhi", "epochs": True}, "True is no whole number"),
        ({"dataset": "ebhi", "compile": 1}, "1 is no true or false"),
        ({"dataset": "ebhi", "augment": {"scale": [1, 2, 3]}}, "needs 2 numbers, not 3"),
        ({"dataset": "ebhi", "augment": {"scale": 1}}, "1 is no list"),
        ({"dataset": "ebhi", "epochs": 0}, "training.epochs"),
    ],
)
def test_what_is_wrong_is_named(tables: dict[str, Any], message: str) -> None:
    """Unknown keys come with the nearest known one, wrong values with what is wanted."""
    with pytest.raises(ConfigError, match=message):
        parse_spec(tables)


def test_changes_are_listed_by_dotted_name() -> None:
    """Old and new value of each entry that differs, set or not."""
    old = TrainSpec(dataset="ebhi")
    new = TrainSpec(
        dataset="ebhi", bias=BiasSpec(alpha=0.1), network=NetworkSpec(freeze_encoder=True)
    )

    assert changed_settings(old, new) == {
        "bias.alpha": "0.5 (now 0.1)",
        "network.freeze_encoder": "unset (now True)",
    }


def test_tables_leave_out_what_is_not_set() -> None:
    """TOML has no null."""
    assert "freeze_encoder" not in to_tables(TrainSpec(dataset="ebhi"))["network"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read"), (b"a = = 3", "not valid TOML"), (b"\xff", "not valid TOML")],
)
def test_file_that_is_no_toml_is_named(content: bytes | None, message: str, tmp_path: Path) -> None:
    """One line with the file's name."""
    path = tmp_path / "settings.toml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigError, match=rf"settings\.toml.*{message}"):
        read_config(path)
