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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from dfaseg.errors import CheckpointError

_DATA_MEMBER = re.compile(
    r"archive_format|archive_version|version|byteorder|\.data/[\w.]+|extra/.*"
    r"|models/[\w.]+\.json|data/(weights|constants)/[\w.]+(?<!\.pt)|data/sample_inputs/[\w.]+\.pt"
)
_SYMBOL = re.compile(r"Symbol\('[su]\d+'(, (positive|nonnegative|integer)=True)*\)")
_FUNCTIONS = (
    "Add|Mul|Pow|Integer|Rational|Max|Min|Mod|PythonMod|FloorDiv|CeilDiv|CleanDiv|ModularIndexing"
    "|IntTrueDiv|TruncToInt|CeilToInt|FloorToInt|RoundToInt|ToFloat|Eq|Ne|Lt|Le|Gt|Ge"
    "|Equality|Unequality|StrictLessThan|LessThan|StrictGreaterThan|GreaterThan|And|Or|Not"
)
_ARITHMETIC = re.compile(rf"([su]\d+|\d+|({_FUNCTIONS})(?=\()|[-+*/(), ])*")
_INPUT_SIZE = re.compile(r"L\['\w+'\]\.size\(\)\[\d\]")
_COMPARISON = re.compile(r"([-+*/%()<>=!,\d ]|and |or |not |torch\.sym_(max|min)(?=\())*")
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
            if name.startswith("data/sample_inputs/"):
                problem = _problem_of_inputs(archive.read(member))
            elif name.endswith(".json") and not name.startswith("extra/"):
                problem = next(_problems_in(json.loads(archive.read(member))), None)
            else:
                continue
            if problem:
                raise _refusal(path, problem)


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
    is_harmless, what = _ENTRY_CHECKS.get(key, (_anything, ""))
    return None if is_harmless(value) else f"{what} {value!r:.100}"


def _anything(_value: Any) -> bool:
    return True


def _is_unpickled(use_pickle: Any) -> bool:
    return use_pickle is False


def _is_tensor_name(path_name: Any) -> bool:
    return not isinstance(path_name, str) or path_name.startswith(("weight_", "tensor_"))


def _is_operator(target: Any) -> bool:
    return not isinstance(target, str) or bool(_OPERATOR.fullmatch(target))


def _is_arithmetic(expression: Any) -> bool:
    return isinstance(expression, str) and bool(_ARITHMETIC.fullmatch(_SYMBOL.sub("", expression)))


def _are_comparisons(guards: Any) -> bool:
    return isinstance(guards, list) and all(
        isinstance(guard, str) and _COMPARISON.fullmatch(_INPUT_SIZE.sub("0", guard))
        for guard in guards
    )


_ENTRY_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "use_pickle": (_is_unpickled, "pickled tensors: use_pickle"),
    "path_name": (_is_tensor_name, "the object"),
    "target": (_is_operator, "the operator"),
    "expr_str": (_is_arithmetic, "the expression"),
    "guards_code": (_are_comparisons, "the guards"),
}
"""By key of the archive's JSON: what its value must be, and what to call one that is not."""


def _problem_of_inputs(content: bytes) -> str | None:
    """Try what torch tries first; where that fails, torch would go on and unpickle in full."""
    try:
        torch.load(io.BytesIO(content), weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError):
        return "example inputs that are a pickle"
    return None


def _refusal(path: Path, what: str) -> CheckpointError:
    return CheckpointError(
        f"model '{path}': holds {what}, which could run any code when loaded; "
        "ask its author for an ONNX file"
    )
