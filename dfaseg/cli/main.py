"""The ``dfaseg`` command: its group, its log, and errors as one line."""

import importlib
import io
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import click

import dfaseg
from dfaseg.allocator import collect_rarely
from dfaseg.cli.stopping import StopRequest, end_on_signals, leave_signals
from dfaseg.errors import DfasegError, StoppedError
from dfaseg.limits import share_cores

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130
"""Ended at once by a second Ctrl-C (128 + SIGINT, as shells have it)."""
EXIT_STOPPED = 75
"""The run was asked to stop; running it again goes on (EX_TEMPFAIL of sysexits.h)."""
_SECONDS_TO_SAY = 5.0
"""That a process waits for another one to say what is wrong."""

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "predict": "Segment a slide: mask, polygons, overlay, areas.",
        "tile": "Cut slides into tiles: coordinates, grids, patches, labels.",
        "train": "Train a network on annotated images.",
        "eval": "Score predictions, a model or whole runs against the truth.",
        "export": "Write a mask for QuPath, the Digital Slide Archive or Bio-Formats.",
        "status": "Say how a folder of predictions stands.",
    }
)
"""Commands and their short help; the modules are imported only when they run."""
_MODULES: Mapping[str, str] = MappingProxyType({"eval": "evaluate"})
"""Modules, and functions in them, that are not named as their command: eval is Python's own."""

_MEMORY_OPTIONS: Mapping[str, str] = MappingProxyType(
    {"--batch-size": "a smaller --batch-size", "--workers": "fewer --workers"}
)
"""Options that decide how much memory a command takes, and which way."""


class _LazyGroup(click.Group):
    """A group whose commands live in ``dfaseg.cli.<name>`` and are loaded on demand.

    Errors of the package become one line on stderr and an exit code.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        name = _MODULES.get(cmd_name, cmd_name)
        command = getattr(importlib.import_module(f"dfaseg.cli.{name}"), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except DfasegError as error:
            _say(error)
            ctx.exit(EXIT_STOPPED if isinstance(error, StoppedError) else EXIT_FAILED)
        except click.UsageError as error:
            # torchrun gives all processes the same command: one of each node says what is wrong.
            if os.environ.get("LOCAL_RANK", "0") == "0":
                raise
            _let_others_say()
            ctx.exit(error.exit_code)
        except MemoryError:
            click.echo(f"dfaseg: error: no memory left; {self._ways_to_less(ctx)}", err=True)
            ctx.exit(EXIT_FAILED)
        except KeyboardInterrupt:
            click.echo("dfaseg: interrupted", err=True)
            ctx.exit(EXIT_INTERRUPTED)

    def _ways_to_less(self, ctx: click.Context) -> str:
        """Say what helps against a want of memory: options that the command has, or more of it."""
        command = self.get_command(ctx, ctx.invoked_subcommand or "")
        options = {name for one in command.params for name in one.opts} if command else set()
        ways = [words for option, words in _MEMORY_OPTIONS.items() if option in options]
        return f"use {' or '.join(ways)}, or give the job more" if ways else "give the job more"


def _say(error: DfasegError) -> None:
    logging.getLogger("dfaseg").debug("details of the failure", exc_info=True)
    if error.is_said:
        _let_others_say()
    else:
        kind = "" if isinstance(error, StoppedError) else "error: "
        click.echo(f"dfaseg: {kind}{error}", err=True)


def _let_others_say() -> None:
    """Wait, for torchrun ends the process that says what is wrong as soon as this one has ended."""
    leave_signals(signal.SIG_DFL)
    time.sleep(_SECONDS_TO_SAY)


@click.command(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(dfaseg.__version__, prog_name="dfaseg")
@click.option("-v", "--verbose", is_flag=True, help="Say more, with details of failures.")
@click.option("-q", "--quiet", is_flag=True, help="Say only warnings and errors.")
def cli(*, verbose: bool, quiet: bool) -> None:
    """Segment gigapixel histology slides with Dynamic Focal Attention."""
    level = logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO
    log = logging.getLogger("dfaseg")
    log.setLevel(level)
    log.handlers = [_StderrHandler()]
    log.propagate = False
    # They complain, of damaged files and of fonts, in lines of their own; what matters we say.
    for name in ("tifffile", "matplotlib.font_manager"):
        logging.getLogger(name).addHandler(logging.NullHandler())


class _StderrHandler(logging.Handler):
    """Write log lines to whatever stderr is now, warnings marked as such."""

    def emit(self, record: logging.LogRecord) -> None:
        prefix = "warning: " if record.levelno >= logging.WARNING else ""
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        click.echo(f"dfaseg: {prefix}{text}", err=True)


def main() -> None:
    """Run the command line; a closed pipe ends it quietly."""
    end_on_signals()
    collect_rarely()
    share_cores()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of slides may have letters that the terminal's encoding lacks; stderr does the same.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        cli(prog_name="dfaseg")
    except BrokenPipeError:
        # The reader of stdout has gone (e.g. `| head`); keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_FAILED)
    except SystemExit as end:
        # All is saved and said: another Ctrl-C must neither change the exit code nor draw a
        # traceback out of what is left. Only a run that was broken off may still be waited for.
        is_broken_off = end.code == EXIT_INTERRUPTED
        leave_signals(signal.SIG_DFL if is_broken_off else signal.SIG_IGN)
        raise
    except StopRequest:
        # A scheduler may ask twice; a person who presses Ctrl-C again does not want to wait.
        leave_signals(signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        click.echo("dfaseg: stopped; run the same command again", err=True)
        sys.exit(EXIT_STOPPED)
