"""Where a result comes from: versions, machine, arguments, model and slide."""

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import dfaseg

PACKAGES = (
    "torch", "timm", "numpy", "opencv-python-headless", "zarr", "tifffile", "imagecodecs",
    "simplejpeg",
)  # fmt: skip
"""Packages whose version can change a pixel of a result."""


def software_record() -> dict[str, Any]:
    """Return the versions of dfaseg, Python and the packages that touch pixels."""
    return {
        "dfaseg": dfaseg.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def recipe_hash(recipe: Mapping[str, Any]) -> str:
    """Return a short hash that is equal exactly where recipes are."""
    text = json.dumps(recipe, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
