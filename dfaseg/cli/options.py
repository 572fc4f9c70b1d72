"""Every option that more than one command has or that needs parsing, once."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from dfaseg.errors import ConfigError
from dfaseg.model.device_names import gpu_index, parse_devices
from dfaseg.sharing.shares import parse_share
from dfaseg.storage.store_path import parse_place

Value = TypeVar("Value")


class AutoInt(click.ParamType[int | None]):
    """A whole number of at least ``minimum``, or ``auto`` (passed on as ``None``)."""

    name = "auto|N"

    def __init__(self, minimum: int) -> None:
        self._minimum = minimum

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        """Parse one value."""
        if value is None or value == "auto":
            return None
        try:
            number = int(value)
        except ValueError:
            self.fail(f"{value!r} is neither 'auto' nor a whole number", param, ctx)
        if number < self._minimum:
            self.fail(f"{number} is below {self._minimum}", param, ctx)
        return number


class FiniteRange(click.FloatRange):
    """A number within limits, neither infinite nor "nan", which Click lets through."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Parse one value."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number


class Parsed(click.ParamType[Value]):
    """What a function of the package makes of a text. What it refuses is a mistake in the command.

    Args:
        name: What the value is.
        parse: Raises ``ConfigError``, whose message names the option or the text.
    """

    def __init__(self, name: str, parse: Callable[[str], Value]) -> None:
        self.name = name
        self._parse = parse

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,  # noqa: ARG002 - Click's signature
        ctx: click.Context | None,
    ) -> Value:
        """Parse one value."""
        try:
            return self._parse(value)
        except ConfigError as error:
            raise click.UsageError(str(error), ctx) from error


def _device(name: str) -> str:
    gpu_index(name)
    return name


def _devices(names: str) -> str:
    parse_devices(names)
    return names


device_option = click.option(
    "--device",
    type=Parsed("device", _device),
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda|cuda:N",
    help="Where the network runs; auto takes a GPU if there is one.",
)
devices_option = click.option(
    "--device",
    type=Parsed("devices", _devices),
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda|cuda:N[,cuda:M...]",
    help="Where the network runs; auto takes a GPU if there is one, several GPUs share each slide.",
)
precision_option = click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
    default="auto",
    show_default=True,
    help="Number format of the network; auto takes what the device is fastest at.",
)
workers_option = click.option(
    "--workers",
    type=AutoInt(1),
    default="auto",
    show_default=True,
    help="Threads or processes that read; auto takes the job's own cores.",
)
overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Replace results that are already there."
)
shard_option = click.option(
    "--shard",
    type=Parsed("share", parse_share),
    metavar="I/N",
    help="Do the I-th of N parts of the slides, about equal in area. Default: as a SLURM array or "
    "torchrun says, else all; 1/1 is all.",
)


class LocalPath(click.Path):
    """A path on this machine. A URL would be taken for a folder named after its protocol."""

    def __init__(self, **checks: bool) -> None:
        super().__init__(path_type=Path, **checks)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse one value."""
        if "://" in str(value):
            self.fail(
                f"'{value}' is not on this machine; give a path here, and copy what lies "
                "elsewhere first",
                param,
                ctx,
            )
        return super().convert(value, param, ctx)


local_path = LocalPath()
place = Parsed("place", parse_place)
