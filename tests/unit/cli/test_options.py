"""Options that several commands have."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from dfaseg.cli.main import cli
from dfaseg.cli.options import local_path


@pytest.mark.parametrize(
    "arguments",
    [
        ["tile", "sample", "--out", "s3://bucket/tiles"],
        ["train", "--dataset", "synthetic", "--out", "s3://bucket/run"],
        ["eval", "s3://bucket/mask.zarr", "--truth", "truth.geojson", "--out", "scores"],
        ["export", "mask.zarr", "--out", "s3://bucket/mask.geojson"],
        ["predict", "sample", "--out", "mask.zarr", "--scratch", "s3://bucket/scratch"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_address_is_no_path_on_this_machine(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results went to a folder named ``s3:``, and nobody was told."""
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(cli, arguments)

    assert result.exit_code == 2
    assert "is not on this machine; give a path here" in result.stderr
    assert not list(tmp_path.iterdir())


def test_path_with_a_colon_is_a_path() -> None:
    """Disks may have such names."""
    context = click.Context(click.Command("any"))

    assert local_path.convert("a:/b", None, context) == Path("a:/b")


@pytest.mark.parametrize("command", ["predict", "tile"])
@pytest.mark.parametrize("shard", ["x", "2", "3/2", "0/0"])
def test_impossible_share_is_a_mistake_in_the_command(
    command: str, shard: str, tmp_path: Path
) -> None:
    """As any other impossible value is, and told before the slides are looked for."""
    slide, out = tmp_path / "missing.svs", tmp_path / "out"

    result = CliRunner().invoke(cli, [command, str(slide), "--out", str(out), "--shard", shard])

    assert result.exit_code == 2
    assert "Error: --shard" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "missing.svs", "--out", "mask.zarr", "--device", "abacus"],
        ["predict", "missing.svs", "--out", "mask.zarr", "--device", "cuda:0,cpu"],
        ["predict", "missing.svs", "--out", "mask.zarr", "--device", "cuda,cuda:0"],
        ["train", "--dataset", "synthetic", "--out", "run", "--device", "cuda:x"],
        ["eval", "--model", "default", "--dataset", "glas", "--out", "scores", "--device", "cuda,"],
    ],
    ids=lambda arguments: f"{arguments[0]} {arguments[-1]}",
)
def test_what_is_no_device_is_a_mistake_in_the_command(arguments: list[str]) -> None:
    """As any other impossible value is; a GPU that this machine lacks is none."""
    result = CliRunner().invoke(cli, arguments)

    assert result.exit_code == 2
    assert f"Error: device '{arguments[-1]}': " in result.stderr


@pytest.mark.parametrize("out", ["s3://", "memory://a/b.zarr"])
def test_place_that_cannot_be_written_to_is_a_mistake_in_the_command(out: str) -> None:
    """Told before the slides are looked for."""
    result = CliRunner().invoke(cli, ["predict", "missing.svs", "--out", out])

    assert result.exit_code == 2
    assert f"Error: output '{out}': cannot be written to" in result.stderr
