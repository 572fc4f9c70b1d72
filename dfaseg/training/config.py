"""The TOML file of a run: it records every setting, and another run can start from it."""

import difflib
import tomllib
import types
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import tomli_w

from dfaseg.errors import ConfigError
from dfaseg.training.run_folder import RUN_TABLE
from dfaseg.training.spec import TrainSpec

Tables = dict[str, Any]
"""Nested tables of settings, as TOML has them."""
Spec = TypeVar("Spec")


def read_config(path: Path) -> Tables:
    """Read the tables of a configuration file.

    Raises:
        ConfigError: The file is missing or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"config '{path}': cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"config '{path}': not valid TOML ({error})") from error


def override(tables: Tables, settings: Mapping[str, Any]) -> Tables:
    """Return the tables with settings put in by dotted name, e.g. ``bias.mode``.

    Raises:
        ConfigError: A setting stands where a table should be.
    """
    result: Tables = {k: dict(v) if isinstance(v, dict) else v for k, v in tables.items()}
    for dotted, value in settings.items():
        table, _, name = dotted.rpartition(".")
        place = result.setdefault(table, {}) if table else result
        if not isinstance(place, dict):
            raise ConfigError(f"setting '{table}': must be a table")
        place[name] = value
    return result


def parse_spec(tables: Mapping[str, Any]) -> TrainSpec:
    """Build the spec from tables; the table ``[run]`` is no part of it.

    Raises:
        ConfigError: A key is unknown, or a value of the wrong kind or out of range.
    """
    settings = {name: value for name, value in tables.items() if name != RUN_TABLE}
    return _build(TrainSpec, settings, "")


def to_tables(spec: object) -> Tables:
    """Return a spec as nested tables; what is not set (None) is left out."""
    assert is_dataclass(spec)
    values = ((entry.name, getattr(spec, entry.name)) for entry in fields(spec))
    return {name: _plain(value) for name, value in values if value is not None}


def to_toml(spec: TrainSpec, run: Mapping[str, Any] | None = None) -> str:
    """Return the text of a configuration file.

    Args:
        spec: All settings.
        run: What goes into the table ``[run]``.
    """
    tables = to_tables(spec)
    return tomli_w.dumps(tables if run is None else tables | {RUN_TABLE: dict(run)})


def changed_settings(old: TrainSpec, new: TrainSpec) -> dict[str, str]:
    """Return what differs by dotted name, as "old (now new)"."""
    was, now = dict(_flatten(to_tables(old))), dict(_flatten(to_tables(new)))
    names = sorted(was.keys() | now.keys())
    # As text, for a Dice that is no number does not equal itself.
    texts = {name: (str(was.get(name, "unset")), str(now.get(name, "unset"))) for name in names}
    return {name: f"{a} (now {b})" for name, (a, b) in texts.items() if a != b}


def _flatten(tables: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tables.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return to_tables(value)
    return list(value) if isinstance(value, tuple) else value


def _build(cls: type[Spec], table: Any, prefix: str) -> Spec:
    if not isinstance(table, Mapping):
        raise ConfigError(f"setting '{prefix.rstrip('.')}': must be a table")
    kinds = get_type_hints(cls)
    unknown = sorted(table.keys() - kinds.keys())
    if unknown:
        raise ConfigError(_say_unknown(prefix, unknown[0], list(kinds)))
    values = {name: _parse(kinds[name], value, prefix + name) for name, value in table.items()}
    try:
        return cls(**values)
    except TypeError as error:  # the data set, the one setting without a default
        raise ConfigError("setting 'dataset': missing; name the data set") from error


def _say_unknown(prefix: str, name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    advice = f"did you mean '{prefix}{near[0]}'?" if near else f"known: {', '.join(sorted(known))}"
    return f"setting '{prefix}{name}': unknown; {advice}"


def _parse(kind: Any, value: Any, name: str) -> Any:
    """Check one value against the annotation of its field and return it in that type."""
    if is_dataclass(kind):
        return _build(kind, value, f"{name}.")  # type: ignore[arg-type]  # a class, not an instance
    origin = get_origin(kind)
    if origin is Literal:
        return _choose(value, get_args(kind), name)
    if origin in {Union, types.UnionType}:
        return _parse(next(k for k in get_args(kind) if k is not type(None)), value, name)
    if origin is tuple:
        return _parse_tuple(get_args(kind), value, name)
    accepted = (int, float) if kind is float else (kind,)
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise ConfigError(f"setting '{name}': {value!r} is no {_KIND_NAMES[kind]}")
    return kind(value)


_KIND_NAMES = {int: "whole number", float: "number", bool: "true or false", str: "text"}


def _choose(value: Any, choices: tuple[Any, ...], name: str) -> Any:
    if value not in choices:
        known = ", ".join(str(choice) for choice in choices)
        raise ConfigError(f"setting '{name}': '{value}' is unknown; use one of {known}")
    return value


def _parse_tuple(kinds: tuple[Any, ...], value: Any, name: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"setting '{name}': {value!r} is no list")
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise ConfigError(f"setting '{name}': needs {len(kinds)} numbers, not {len(value)}")
    return tuple(_parse(kind, entry, name) for kind, entry in zip(kinds, value, strict=True))
