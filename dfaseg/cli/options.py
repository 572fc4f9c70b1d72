"""Every option that more than one command has or that needs parsing, once."""

import math
from pathlib import Path
from typing import Any

import click

from dfaseg.errors import ConfigError
from dfaseg.sharing.shares import Share, parse_share
from dfaseg.storage.store_path import Place, parse_place


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


class ShareType(click.ParamType[Share]):
    """One of several parts of the slides, ``I/N``."""

    name = "share"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,  # noqa: ARG002 - Click's signature
        ctx: click.Context | None,
    ) -> Share:
        """Parse one value."""
        try:
            return parse_share(value)
        except ConfigError as error:
            raise click.UsageError(str(error), ctx) from error


device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda|cuda:N",
    help="Where the network runs; auto takes a GPU if there is one.",
)
devices_option = click.option(
    "--device",
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
    type=ShareType(),
    metavar="I/N",
    help="Do the I-th of N parts of the slides, about equal in area. Default: as a SLURM array or "
    "torchrun says, else all; 1/1 is all.",
)


class PlaceType(click.ParamType[Place]):
    """A path, or the URL of something in an object store."""

    name = "place"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,  # noqa: ARG002 - Click's signature
        ctx: click.Context | None,  # noqa: ARG002
    ) -> Place:
        """Parse one value."""
        return parse_place(value) if isinstance(value, str) else value


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
place = PlaceType()
