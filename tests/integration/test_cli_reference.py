"""The command-line reference says what the commands say."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

from dfaseg.cli.main import cli

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "reference" / "cli.md"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """Return the script that writes the page."""
    path = REPOSITORY / "assets" / "make_cli_reference.py"
    spec = importlib.util.spec_from_file_location("make_cli_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(cli, info_name="dfaseg")
    yield "dfaseg", cli
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        yield f"dfaseg {name}", command


def test_page_is_what_the_script_writes(script: ModuleType) -> None:
    """A changed option changes the page in the same commit."""
    assert PAGE.read_text(encoding="utf-8") == script.render_reference(), (
        "docs/reference/cli.md is out of date; run: python assets/make_cli_reference.py"
    )


@pytest.mark.parametrize(("path", "command"), list(_commands()), ids=str)
def test_every_option_is_in_its_commands_section(path: str, command: click.Command) -> None:
    """No option is hidden from the page, whatever the script does."""
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(f"\n## {path}\n")
    section = rest.partition("\n## ")[0]

    missing = [
        name
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for name in parameter.opts
        if name not in section.replace(",", " ").replace("`", " ").split()
    ]

    assert section, f"docs/reference/cli.md has no section '{path}'"
    assert missing == []
