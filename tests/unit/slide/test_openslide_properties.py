"""What OpenSlide's properties mean."""

from pathlib import Path

import pytest

from dfaseg.geometry import Rect
from dfaseg.slide.levels import StoredLevel
from dfaseg.slide.openslide_properties import (
    companion_facts,
    objective_power,
    stated_bounds,
    stated_resolutions,
    stored_levels,
)
from dfaseg.slide.resolution import StatedResolution

BOUNDS = {
    "openslide.bounds-x": "10",
    "openslide.bounds-y": "20",
    "openslide.bounds-width": "300",
    "openslide.bounds-height": "400",
}


def test_bounds_need_all_four_numbers() -> None:
    """Half a rectangle is none."""
    assert stated_bounds(BOUNDS) == Rect(10, 20, 300, 400)
    for name in BOUNDS:
        assert stated_bounds({k: v for k, v in BOUNDS.items() if k != name}) is None


def test_resolution_needs_both_axes() -> None:
    """One axis says nothing of the other."""
    both = {"openslide.mpp-x": "0.25", "openslide.mpp-y": "0.26"}

    assert stated_resolutions(both) == (StatedResolution(0.25, 0.26, "metadata"),)
    assert stated_resolutions({"openslide.mpp-x": "0.25"}) == ()


@pytest.mark.parametrize(
    ("stated", "power"), [({"openslide.objective-power": "40"}, 40), ({}, None)]
)
def test_objective_power_may_be_missing(stated: dict[str, str], power: float | None) -> None:
    """It is read where it is stated."""
    assert objective_power(stated) == power


@pytest.mark.parametrize(
    ("vendor", "facts"), [("mirax", ("abc", "Data0001.dat:3")), ("hamamatsu", ("abc",))]
)
def test_only_mrxs_counts_the_folder_of_its_name(
    tmp_path: Path, vendor: str, facts: tuple[str, ...]
) -> None:
    """Beside other slides, a folder of the slide's name may hold our own results."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "Data0001.dat").write_bytes(b"123")
    properties = {"openslide.vendor": vendor, "openslide.quickhash-1": "abc"}

    assert companion_facts(tmp_path / "a.mrxs", properties) == facts


def test_blocks_follow_the_native_tiles_of_each_level() -> None:
    """Levels without stated tiles get the default block."""
    properties = {"openslide.level[0].tile-width": "240", "openslide.level[0].tile-height": "1024"}

    levels = stored_levels(properties, [(5000, 4000), (1250, 100)])

    assert levels == [StoredLevel(5000, 4000, 480, 1024), StoredLevel(1250, 100, 512, 100)]


def test_strips_are_not_cut_across() -> None:
    """Hamamatsu's tiles are wide and low; a block is one of them wide."""
    properties = {"openslide.level[0].tile-width": "3968", "openslide.level[0].tile-height": "8"}

    assert stored_levels(properties, [(7936, 4864)]) == [StoredLevel(7936, 4864, 3968, 512)]


def test_impossible_tile_is_refused() -> None:
    """OpenSlide would end the process when it allocates such a tile."""
    properties = {
        "openslide.level[0].tile-width": "738197632",
        "openslide.level[0].tile-height": "8",
    }

    with pytest.raises(ValueError, match="level 0 has tiles of 738197632 × 8 px"):
        stored_levels(properties, [(5000, 4000)])
