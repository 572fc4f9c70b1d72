"""What differs between runs that cannot be compared is said."""

from pathlib import Path

import numpy as np
import pytest

from dfaseg.classmap import ClassMap
from dfaseg.errors import ConfigError
from dfaseg.evaluation.results import CaseResult, EvalResult
from dfaseg.evaluation.runs import Run
from dfaseg.evaluation.same_pixels import require_same_pixels

NAMES = ("stroma", "tumour")
CLASSES = ClassMap.from_records(
    [{"index": i, "name": name, "colour": "#123456"} for i, name in enumerate(NAMES)]
)


def run(
    folder: str,
    tumour: int,
    left_out: int | None = None,
    *,
    cases: str = "ab",
    mpp: float | None = None,
) -> Run:
    """Return a run with so many pixels of tumour in its last case, and more not analysed."""
    scored = [500] * (len(cases) - 1) + [tumour]
    images = tuple(
        CaseResult(f"{case}__1", case, np.array([[900, 100], [0, count]]))
        for case, count in zip(cases, scored, strict=True)
    )
    pairs = {
        image.name: {"left_out_by_class": {"stroma": 0, "tumour": left_out}} for image in images
    }
    facts = {} if left_out is None else {"pairs": pairs}
    return Run(Path(folder), {}, None, EvalResult(folder, CLASSES, mpp, images, facts))


def test_same_pixels_pass_whatever_was_predicted() -> None:
    """Nothing is said."""
    require_same_pixels([run("A", 500), run("B", 500)])


def test_pixels_that_were_not_analysed_are_told() -> None:
    """The case, the class, and how many on each side."""
    said = (
        r"run 'B': in case 'b' its prediction left out 1,500 pixels of tumour \(255 or beyond its"
        r" edge\), that of 'A' 0; compare predictions that analysed the same pixels"
    )
    with pytest.raises(ConfigError, match=said):
        require_same_pixels([run("A", 2000, 0), run("B", 500, 1500)])


@pytest.mark.parametrize("left_out", [None, 0], ids=["training runs", "predictions"])
def test_other_truth_is_told(left_out: int | None) -> None:
    """Where it is not what was left out, the truth itself must differ."""
    said = "run 'B': 2,500 pixels of tumour were scored in case 'b', 2,000 in 'A'"
    with pytest.raises(ConfigError, match=said):
        require_same_pixels([run("A", 2000, left_out), run("B", 2500, left_out)])


def test_other_resolution_is_told() -> None:
    """It explains all else."""
    with pytest.raises(ConfigError, match=r"was scored at 0\.5 µm per pixel, 'A' at 0\.25"):
        require_same_pixels([run("A", 2000, mpp=0.25), run("B", 500, mpp=0.5)])


def test_other_cases_are_named() -> None:
    """On both sides."""
    with pytest.raises(ConfigError, match=r"\(only here: c; only there: a\)"):
        require_same_pixels([run("A", 500, cases="ab"), run("B", 500, cases="bc")])
