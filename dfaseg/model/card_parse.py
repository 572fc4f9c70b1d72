"""From a parsed card, JSON or TOML, to the values of a ``ModelCard``."""

import difflib
from collections.abc import Mapping, Set
from dataclasses import fields
from pathlib import Path
from typing import Any

from dfaseg.classmap import ClassMap
from dfaseg.errors import CheckpointError
from dfaseg.model.card_parts import (
    FORMAT_VERSION,
    BiasRecord,
    Normalisation,
    TrainingData,
    default_mpp_range,
)
from dfaseg.model.card_table import CardTable

FOREIGN_DEFAULTS: dict[str, Any] = {
    "format_version": FORMAT_VERSION,
    "description": "",
    "architecture": {},
    "mpp_range": None,
    "overlap_px": None,
    "logit_stride": None,
    "pixel_frequencies": [],
    "bias": {},
    "training_data": {},
    "licence": "unknown",
    "intended_use": "",
    "limits": "",
    "metrics": {},
    "tool_version": "",
    "seed": None,
}
"""What a person need not write beside a network that was not made here."""

_FOREIGN_KEYS = FOREIGN_DEFAULTS.keys() | {"name", "mpp", "patch_px", "normalisation", "class"}
_KEYS_OF_TABLES = {
    "normalisation": {field.name for field in fields(Normalisation)},
    "training_data": {field.name for field in fields(TrainingData)},
    "bias": {field.name for field in fields(BiasRecord)},
    "class": {"index", "name", "colour"},
}
"""What the tables of a person's card may say; ``architecture`` and ``metrics`` are free."""


def refuse_newer(table: CardTable) -> None:
    """Raise for a card of a later format than this package knows.

    Raises:
        CheckpointError: The card is newer.
    """
    version = table.integer("format_version")
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"model '{table.source}': written by a newer dfaseg (format {version}, this one reads "
            f"up to {FORMAT_VERSION}); upgrade with: pip install --upgrade dfaseg"
        )


def parse_fields(table: CardTable) -> dict[str, Any]:
    """Return the arguments of a ``ModelCard``.

    Raises:
        CheckpointError: A key is missing or holds a value of the wrong kind.
        ConfigError: The normalisation is impossible.
        ClassMapError: The classes are inconsistent.
    """
    mpp = table.number("mpp")
    patch_px = table.integer("patch_px")
    finest_coarsest = table.optional("mpp_range", table.pair)
    overlap_px = table.optional("overlap_px", table.integer)
    texts = ("name", "description", "licence", "intended_use", "limits", "tool_version")
    bias, data = table.table("bias"), table.table("training_data")
    normalisation = table.table("normalisation")
    return {
        **{key: table.text(key) for key in texts},
        "classes": ClassMap.from_records(table.records("classes")),
        "mpp": mpp,
        "mpp_range": default_mpp_range(mpp) if finest_coarsest is None else finest_coarsest,
        "patch_px": patch_px,
        "overlap_px": patch_px // 4 if overlap_px is None else overlap_px,
        "logit_stride": table.optional("logit_stride", table.integer),
        "architecture": table.table("architecture").entries,
        "normalisation": Normalisation(normalisation.numbers("mean"), normalisation.numbers("std")),
        "pixel_frequencies": table.numbers("pixel_frequencies"),
        "bias": _parse_bias(bias) if bias.entries else BiasRecord(),
        "training_data": _parse_training_data(data),
        "metrics": table.table("metrics").entries,
        "seed": table.optional("seed", table.integer),
        "format_version": table.integer("format_version"),
    }


def refuse_unknown_keys(record: Mapping[str, Any], source: Path) -> None:
    """Refuse keys of a person's card that mean nothing; a misspelt key would be as good as none.

    Raises:
        CheckpointError: There is one.
    """
    tables = [("", record, _FOREIGN_KEYS)]
    for name, known in _KEYS_OF_TABLES.items():
        content = record.get(name, {})
        parts = content if isinstance(content, list) else [content]
        tables += [(name, part, known) for part in parts]
    for name, table, known in tables:
        for key in table.keys() - known:
            raise CheckpointError(f"model card '{source}': {_describe_unknown(key, name, known)}")


def _describe_unknown(key: str, table: str, known: Set[str]) -> str:
    where = f"key '{key}'" + (f" of table '{table}'" if table else "")
    if key in _FOREIGN_KEYS:
        return f"{where}: it belongs above the first table; move it there"
    near = difflib.get_close_matches(key.lower(), sorted(known), n=1)
    hint = f" (is '{near[0]}' meant?)" if near else ""
    return f"{where} is unknown{hint}; correct or remove it"


def _parse_bias(table: CardTable) -> BiasRecord:
    return BiasRecord(
        table.text("mode"), table.numbers("b"), table.numbers("delta"), table.numbers("b_centred")
    )


def _parse_training_data(table: CardTable) -> TrainingData:
    names = (field.name for field in fields(TrainingData))
    return TrainingData(**{name: table.text(name) for name in names if name in table.entries})
