"""What ``classes.toml`` says about a folder of images: classes, codes, resolution and terms."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfaseg.classmap import IGNORE_INDEX, ClassMap, class_map_of, read_class_file
from dfaseg.datasets.dataset import DatasetInfo
from dfaseg.datasets.pictures import CodeTable
from dfaseg.errors import ClassMapError

logger = logging.getLogger(__name__)

MAX_CODE = 65535
MAX_MPP = 1000.0
PATCH_PX = 512

_TEXTS = {
    "mpp_note": "stated in classes.toml",
    "source": "a folder of the user's own",
    "licence": "not stated",
    "attribution": "not stated",
    "weights_licence": "not stated; ask the owner of the data",
    "intended_use": "Research on tissue like that of the training images.",
    "limits": "Not for diagnosis. Other organs, stains and scanners than the training images show"
    " were not seen.",
}
"""Optional texts and what stands for them."""
KEYS = frozenset({"class", "name", "mpp", "glass", "patch_px", "ignore", *_TEXTS})
"""What means something in a data set."""


@dataclass(frozen=True, slots=True)
class FolderFacts:
    """Facts of a folder.

    Attributes:
        info: What a model trained on it says about it.
        table: Meaning of the codes in its masks.
    """

    info: DatasetInfo
    table: CodeTable


def read_folder_facts(path: Path) -> FolderFacts:
    """Read ``classes.toml``.

    Args:
        path: The file; the data set is named after its folder unless it says otherwise.

    Raises:
        ClassMapError: The file is missing or says something impossible.
    """
    content = read_class_file(path)
    class_map = class_map_of(content, path)
    unknown = sorted(content.keys() - KEYS)
    if unknown:
        logger.warning("class map '%s': the keys %s mean nothing here", path, ", ".join(unknown))
    texts = {key: _text(content, key, default, path) for key, default in _TEXTS.items()}
    info = DatasetInfo(
        name=_text(content, "name", path.resolve().parent.name, path),
        class_map=class_map,
        mpp=_mpp(content, path),
        glass_index=_glass_index(content, class_map, path),
        patch_px=_patch_px(content, path),
        **texts,
    )
    return FolderFacts(info, _code_table(content, path))


def _text(content: Mapping[str, Any], key: str, default: str, path: Path) -> str:
    value = content.get(key, default)
    if not isinstance(value, str):
        raise ClassMapError(f"class map '{path}': {key} is {value!r}; write a text in quotes")
    return value


def _mpp(content: Mapping[str, Any], path: Path) -> float:
    value = content.get("mpp")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < MAX_MPP:
        raise ClassMapError(
            f"class map '{path}': mpp is {value!r}; state the µm per pixel of the images, e.g."
            " mpp = 0.5, and in mpp_note how it is known"
        )
    return float(value)


def _patch_px(content: Mapping[str, Any], path: Path) -> int:
    value = content.get("patch_px", PATCH_PX)
    if type(value) is not int or value < 1:
        raise ClassMapError(f"class map '{path}': patch_px is {value!r}; write e.g. patch_px = 512")
    return value


def _glass_index(content: Mapping[str, Any], class_map: ClassMap, path: Path) -> int | None:
    name = content.get("glass")
    if name is None:
        return None
    if name not in class_map.names:
        known = ", ".join(class_map.names)
        raise ClassMapError(f"class map '{path}': glass is {name!r}, but the classes are {known}")
    return class_map.names.index(name)


def _code_table(content: Mapping[str, Any], path: Path) -> CodeTable:
    """Gather the codes of all classes and those that are ignored; none may mean two things."""
    groups = [(IGNORE_INDEX, content.get("ignore", [IGNORE_INDEX]))]
    groups += [
        (record["index"], record.get("codes", [record["index"]])) for record in content["class"]
    ]
    indices: dict[int, int] = {}
    for index, codes in groups:
        for code in _checked_codes(codes, path):
            if indices.setdefault(code, index) != index:
                raise ClassMapError(f"class map '{path}': code {code} means two things")
    return CodeTable(indices)


def _checked_codes(codes: object, path: Path) -> list[int]:
    checked = [code for code in codes if _is_code(code)] if isinstance(codes, list) else None
    if checked is None or checked != codes:
        raise ClassMapError(
            f"class map '{path}': codes {codes!r} must be a list of whole numbers from 0 to"
            f" {MAX_CODE}, e.g. [1, 19]"
        )
    return checked


def _is_code(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_CODE
