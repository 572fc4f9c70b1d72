"""What the command line says of failures that no command expects."""

from typing import Any

import pytest
from click.testing import CliRunner

from dfaseg.cli import export, predict, tile
from dfaseg.cli.main import cli


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        (predict.predict, "use a smaller --batch-size or fewer --workers, or give the job more"),
        (tile.tile, "use fewer --workers, or give the job more"),
        (export.export, "give the job more"),
    ],
    ids=["predict", "tile", "export"],
)
def test_want_of_memory_advises_options_that_there_are(
    command: Any, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``tile`` was told to use a smaller batch, which it does not know."""

    def take_all(**_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(command, "callback", take_all)

    result = CliRunner().invoke(cli, [command.name, "sample", "--out", "out"])

    assert result.exit_code == 1
    assert result.stderr == f"dfaseg: error: no memory left; {advice}\n"
