"""Tiles lie where the grid says, in level-0 pixels, and each has a name of its own."""

import numpy as np
import pytest

from dfaseg.cutting import job
from dfaseg.cutting.job import CutPlan, plan_cutting
from dfaseg.cutting.places import place_tiles
from dfaseg.errors import ConfigError
from tests.cutting import cut_of, memory_slide, spec_of


def _places(cut: CutPlan) -> list[tuple[int, int]]:
    shape = (cut.grid.num_rows, cut.grid.num_cols)
    places = place_tiles(cut, np.ones(shape, bool), np.ones(shape))
    return list(zip(places.x.tolist(), places.y.tolist(), strict=True))


def test_places_are_in_level0_pixels() -> None:
    """At half the resolution, tiles lie twice as far apart."""
    cut = cut_of(memory_slide(width=300, height=200, mpp=0.5), mpp=1.0, patch_px=64)

    assert _places(cut)[:4] == [(0, 0), (128, 0), (256, 0), (0, 128)]


def test_overlapping_tiles_lie_closer() -> None:
    """The step between tiles is their side less the overlap."""
    cut = cut_of(memory_slide(width=300, height=64, mpp=0.5), patch_px=64, overlap_px=16)

    assert _places(cut) == [(48 * i, 0) for i in range(6)]


def test_tiles_closer_than_the_pixels_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two would have one name; to plan how to read pixels as fine as that takes minutes."""
    assert len(_places(cut_of(memory_slide(30, 20, mpp=0.5), patch_px=4, mpp=0.125))) == 30 * 20

    monkeypatch.setattr(job, "plan_reading", lambda *_, **__: pytest.fail("was planned"))
    for mpp in (0.12, 1e-9):
        with pytest.raises(ConfigError, match="choose a larger --patch-size or --mpp"):
            cut_of(memory_slide(mpp=0.5), patch_px=4, mpp=mpp)


def test_names_carry_slide_and_corner() -> None:
    """A name says which slide a tile is of and where it lies on it."""
    cut = cut_of(memory_slide(width=128, height=64), patch_px=64)
    shape = (cut.grid.num_rows, cut.grid.num_cols)

    names = place_tiles(cut, np.ones(shape, bool), np.ones(shape)).names

    assert names == ["memory_x0_y0", "memory_x64_y0"]


def test_recipe_does_not_depend_on_the_number_of_threads() -> None:
    """What is there may be continued with more or fewer of them."""
    info = memory_slide().info

    recipes = [
        plan_cutting(info, "memory", spec_of(workers=workers), "auto").recipe for workers in (1, 3)
    ]

    assert recipes[0] == recipes[1]
