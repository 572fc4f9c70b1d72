"""Checks a torch.export archive before torch loads it.

torch reads most of such an archive as data, but not all: it unpickles tensors and example inputs
where the archive says so, evaluates shape expressions and guards as Python, loads compiled
libraries, and looks up operators by any dotted name. An archive is therefore let through only
when it uses none of this beyond plain tensors, integer arithmetic and torch's own operators.
"""

import io
import json
import pickle
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from dfaseg.errors import CheckpointError

_DATA_MEMBER = re.compile(
    r"archive_format|archive_version|version|byteorder|\.data/[\w.]+|extra/.*"
    r"|models/[\w.]+\.json|data/(weights|constants)/[\w.]+(?<!\.pt)|data/sample_inputs/[\w.]+\.pt"
)
_SYMBOL = re.compile(r"Symbol\('[su]\d+'(, (positive|nonnegative|integer)=True)*\)")
_ARITHMETIC = re.compile(r"([su]\d+|\d+|Max|Min|Mod|FloorDiv|CeilDiv|PythonMod|[-+*/(), ])*")
_OPERATOR = re.compile(
    r"torch\.ops\.aten\.\w+\.\w+"
    r"|torch\.sym_(int|float|max|min|not|sum|ite)|math\.(ceil|floor|trunc)"
    r"|_operator\.(getitem|add|sub|mul|truediv|floordiv|mod|pow|neg|eq|ne|lt|le|gt|ge)"
)


def refuse_code(path: Path) -> None:
    """Raise if loading a torch.export archive could do more than build a network.

    Raises:
        CheckpointError: The archive holds a pickle, compiled code, an unknown operator or an
            expression that is not plain arithmetic.
    """
    with zipfile.ZipFile(path) as archive:
        names = [name.partition("/")[2] for name in archive.namelist()]
        if len(set(names)) != len(names):
            raise _refusal(path, "two members of one name")
        for name, member in zip(names, archive.infolist(), strict=True):
            if not _DATA_MEMBER.fullmatch(name):
                raise _refusal(path, f"the member '{name}'")
            problem = _problem_of(name, archive.read(member))
            if problem:
                raise _refusal(path, problem)


def _problem_of(name: str, content: bytes) -> str | None:
    """Name what is dangerous in one member of the archive, if anything."""
    if name.startswith("data/sample_inputs/"):
        return None if _is_plain_tensors(content) else "example inputs that are a pickle"
    if name.startswith(("models/", "data/")) and name.endswith(".json"):
        return next(_problems_in(json.loads(content)), None)
    return None


def _problems_in(entry: Any) -> Iterator[str]:
    """Walk a parsed JSON document."""
    if isinstance(entry, list):
        for item in entry:
            yield from _problems_in(item)
    elif isinstance(entry, dict):
        for key, value in entry.items():
            problem = _problem_of_entry(key, value)
            if problem:
                yield problem
            yield from _problems_in(value)


def _problem_of_entry(key: str, value: Any) -> str | None:
    is_text = isinstance(value, str)
    if key == "use_pickle" and value is not False:
        return "pickled tensors"
    if key == "path_name" and is_text and not value.startswith(("weight_", "tensor_")):
        return f"the object '{value}'"
    if key == "guards_code" and value:
        return "guards, which are Python code"
    if key == "target" and is_text and not _OPERATOR.fullmatch(value):
        return f"the operator '{value}'"
    if key == "expr_str" and not (is_text and _ARITHMETIC.fullmatch(_SYMBOL.sub("", value))):
        return f"the expression '{value}'"
    return None


def _is_plain_tensors(content: bytes) -> bool:
    try:
        torch.load(io.BytesIO(content), weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError):
        return False
    return True


def _refusal(path: Path, what: str) -> CheckpointError:
    return CheckpointError(
        f"model '{path}': holds {what}, which could run any code when loaded; "
        "ask its author for an ONNX file"
    )
