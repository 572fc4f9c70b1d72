"""The page on the default model says what the card of its weights says."""

import importlib.util
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import pytest

from dfaseg.model.checkpoint import read_card
from dfaseg.model.resolve import resolve_model
from tests.model_files import tiny_card

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """Return the script that writes the page."""
    path = REPOSITORY / "assets" / "make_model_reference.py"
    spec = importlib.util.spec_from_file_location("make_model_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_page_is_what_the_script_writes(script: ModuleType) -> None:
    """New weights bring their scores into the documentation in the same commit."""
    if not (files("dfaseg.model") / "weights" / "default.safetensors").is_file():
        pytest.skip("this installation holds no default model")

    written = script.PAGE.read_text(encoding="utf-8")

    assert written == script.render_page(read_card(resolve_model(None))), (
        "docs/reference/default-model.md is out of date; run: python assets/make_model_reference.py"
    )


def test_page_shows_scores_and_leaves_out_what_is_not_known(script: ModuleType) -> None:
    """A class that could not be scored has a dash, and a card without scores no table."""
    scores = {"dice": 0.5, "iou": None}
    overall = dict.fromkeys(script.OVERALL_SCORES, 0.25)
    metrics = {"epoch": 3, "test": {**overall, "classes": {"class 0": scores}}}

    page = script.render_page(tiny_card(num_classes=1, metrics=metrics))

    assert "| 0 | class 0 | `#000000` | 0.500 | – |" in page
    assert "| pixel accuracy | 0.250 |" in page
    assert "## Scores" not in script.render_page(tiny_card(num_classes=1))


def test_page_tells_a_mean_from_one_epoch(script: ModuleType) -> None:
    """Weights that were averaged or given an offset afterwards are of no epoch."""
    scores = {"classes": {"class 0": {"dice": 0.5, "iou": 0.4}}}
    scores |= dict.fromkeys(script.OVERALL_SCORES, 0.25)
    one, mean = (
        script.render_page(tiny_card(num_classes=1, metrics=metrics))
        for metrics in ({"epoch": 3, "val": scores}, {"val": scores})
    )

    assert "weights of epoch 3, the best" in one
    assert "weights as made by assets/average_models.py" in mean
