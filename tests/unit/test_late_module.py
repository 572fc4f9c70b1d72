"""Libraries that are loaded when they are first used."""

import colorsys
import subprocess
import sys
from collections.abc import Sequence

import pytest

from dfaseg.late_module import LateModule

NOT_WANTED = {
    "dfaseg.cutting.many": ("scipy", "zarr", "torch"),
    "dfaseg.inference.pipeline": ("scipy", "zarr"),
}
"""Modules with all they import, and what of it only some runs need."""


def test_a_late_module_is_what_it_stands_in_for() -> None:
    """What it holds is the module's own, from the stand-in itself the second time."""
    late = LateModule("colorsys")

    assert late.rgb_to_hsv is colorsys.rgb_to_hsv
    assert late.rgb_to_hsv is colorsys.rgb_to_hsv


def test_what_a_late_module_lacks_is_missing() -> None:
    """A wrong name fails as it would on the module."""
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = LateModule("colorsys").no_such_thing


@pytest.mark.parametrize(("module", "libraries"), NOT_WANTED.items())
def test_what_only_some_runs_need_is_not_loaded_to_begin_with(
    module: str, libraries: Sequence[str]
) -> None:
    """Loading a command loads nothing that takes long and that it may never use."""
    program = f"import sys, {module}; print(*(n for n in {libraries!r} if n in sys.modules))"

    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert loaded.stdout.split() == []
