"""Write docs/reference/cli.md from the commands: ``python assets/make_cli_reference.py``.

A test compares the file with what this script would write, so that the page cannot fall behind.
"""

import inspect
import sys
from pathlib import Path

import click

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "reference" / "cli.md"

_HEAD = """\
# Command line

<!-- Written by assets/make_cli_reference.py; change the commands, then run it again. -->

Results go to stdout; progress, warnings and errors go to stderr. Exit codes are listed in
[errors](errors.md). Every command answers `-h` and `--help`.
"""


def render_reference() -> str:
    """Return the page."""
    from dfaseg.cli.main import cli  # noqa: PLC0415 - found through the path that main() sets

    parts = [_HEAD, _render_command(cli, "dfaseg", None)]
    with click.Context(cli, info_name="dfaseg") as parent:
        for name in cli.list_commands(parent):
            command = cli.get_command(parent, name)
            assert command is not None
            parts.append(_render_command(command, name, parent))
    return "\n".join(parts)


def _render_command(command: click.Command, name: str, parent: click.Context | None) -> str:
    """Return the section of one command: usage, what it does, options."""
    context = click.Context(command, info_name=name, parent=parent)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    text = inspect.cleandoc(command.help or "")
    options = [_render_option(entry) for entry in command.params if isinstance(entry, click.Option)]
    return "\n".join([f"## {context.command_path}", "", f"`{usage}`", "", text, "", *options, ""])


def _render_option(option: click.Option) -> str:
    """Return one line; made here and not by Click, whose wording changes with its version."""
    names = ", ".join([*option.opts, *option.secondary_opts])
    facts = []
    if option.required:
        facts.append("Required.")
    if option.show_default and not option.is_flag:
        facts.append(f"Default: `{option.default}`.")
    return f"- `{f'{names} {_value_of(option)}'.strip()}`: {' '.join([option.help or '', *facts])}"


def _value_of(option: click.Option) -> str:
    if option.is_flag:
        return ""
    if isinstance(option.type, click.Choice):
        return "|".join(str(choice) for choice in option.type.choices)
    kind = option.type.name.removesuffix(" range")
    return option.metavar or (kind if "|" in kind else kind.upper())


def main() -> None:
    """Write the page."""
    sys.path.insert(0, str(REPOSITORY))
    PAGE.write_text(render_reference(), encoding="utf-8")


if __name__ == "__main__":
    main()
