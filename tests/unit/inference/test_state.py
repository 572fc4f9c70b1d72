"""Saved states: read back as they were, and never half."""

import numpy as np
import pytest

from dfaseg.inference.state import (
    STATE_FILE,
    has_recipe,
    joined,
    load_state,
    part_of,
    save_recipe,
    save_state,
)


def test_state_round_trip(tmp_path):
    """Arrays of any kind come back bit for bit, texts too."""
    state = joined(
        {
            "a": {"x": np.arange(6, dtype=np.float32).reshape(2, 3)},
            "b": {"x": np.array(["µ", "long text"]), "empty": np.zeros((0, 2), np.int64)},
        }
    )

    save_state(tmp_path, state)
    loaded = load_state(tmp_path)

    assert loaded is not None
    assert sorted(loaded) == ["a/x", "b/empty", "b/x"]
    assert np.array_equal(part_of(loaded, "a")["x"], state["a/x"])
    assert part_of(loaded, "b")["x"].tolist() == ["µ", "long text"]


def test_no_state_is_none(tmp_path):
    """A folder without a state has none."""
    assert load_state(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 truncated"], ids=["empty", "cut"])
def test_damaged_state_is_not_trusted(tmp_path, content):
    """A damaged file counts as no state."""
    (tmp_path / STATE_FILE).write_bytes(content)

    assert load_state(tmp_path) is None


def test_recipe_must_be_equal(tmp_path):
    """Another recipe, or none, is not the same run."""
    recipe = {"mpp": 0.5, "slide": {"id": "a"}, "pair": (1, 2)}
    assert not has_recipe(tmp_path, recipe)

    save_recipe(tmp_path, recipe)

    assert has_recipe(tmp_path, recipe)
    assert not has_recipe(tmp_path, recipe | {"mpp": 0.25})
