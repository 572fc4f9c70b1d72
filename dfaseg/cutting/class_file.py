"""The classes of a data set, as ``dfaseg train`` reads them."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.files import write_aside

CLASS_FILE = "classes.toml"
_FREE_KEYS = ("name", "mpp", "patch_px", "class")
"""What differs between data sets; all else is said of each in the same words."""
_BY_TILE = (
    " Tiles of one slide lie in training, validation and test: the scores are better than on slides"
    " that were not seen."
)
_LIMITS = (
    "Not for diagnosis. Other organs, stains and scanners than those of the slides were not seen."
)


def write_class_file(path: Path, facts: Mapping[str, Any], *, is_by_tile: bool) -> None:
    """Write the file.

    Args:
        path: Where.
        facts: ``name``, ``mpp``, ``patch_px`` and ``class``, the tables of the classes.
        is_by_tile: Whether tiles of one slide lie in several splits.

    Raises:
        OutputError: It cannot be written.
    """
    with write_aside(path) as aside:
        aside.write_text(_text(facts, is_by_tile=is_by_tile), encoding="utf-8")


def is_own_class_file(text: str) -> bool:
    """Tell whether a text is just what ``write_class_file`` would write of its facts.

    A key, a comment or another word of somebody else is not, so that nobody's work is replaced.
    """
    try:
        content = tomllib.loads(text)
        facts = {key: content[key] for key in _FREE_KEYS}
    except (tomllib.TOMLDecodeError, KeyError):
        return False
    return any(text == _text(facts, is_by_tile=is_by_tile) for is_by_tile in (False, True))


def _text(facts: Mapping[str, Any], *, is_by_tile: bool) -> str:
    content = {
        "name": facts["name"],
        "mpp": facts["mpp"],
        "mpp_note": "read by dfaseg tile at this resolution, from what the slides state",
        "patch_px": facts["patch_px"],
        "source": "slides cut by dfaseg tile",
        "limits": _LIMITS + (_BY_TILE if is_by_tile else ""),
        "ignore": [IGNORE_INDEX],
        "class": facts["class"],
    }
    return tomli_w.dumps(content)
