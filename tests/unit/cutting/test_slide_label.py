"""Labels of a slide lie where its patches have them."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from dfaseg.annotation import ClassRules, rasterize, rules_from_names
from dfaseg.classmap import IGNORE_INDEX
from dfaseg.cutting.labelling import Labelling
from dfaseg.cutting.slide_label import CutLabel, read_cut_label
from dfaseg.errors import AnnotationError
from dfaseg.geometry import TileGrid
from dfaseg.tiler.plan import ReadPlan, plan_reading
from tests.cutting import box, memory_slide, write_annotations

SLIDE = memory_slide(width=300, height=200, mpp=0.5)
RULES = rules_from_names(["Tumor", "Region*"])


def _rules(**changes: object) -> ClassRules:
    parts = {
        name: getattr(RULES, name)
        for name in ("class_map", "indices", "regions_of_interest", "order", "background", "codes")
    }
    return ClassRules(**(parts | changes))


def _read(
    path: Path, plan: ReadPlan, origin: tuple[int, int] = (0, 0), rules: ClassRules = RULES
) -> CutLabel:
    return read_cut_label(Labelling({"memory": path}, rules), "memory", SLIDE.info, plan, origin)


@pytest.mark.parametrize("mpp", [0.4, 0.5, 0.7, 2.0], ids=str)
def test_pixel_has_the_class_of_its_centre(tmp_path: Path, mpp: float) -> None:
    """At any resolution the label is what filling the polygon in its pixels gives."""
    ring = [[20.3, 10.7], [210.2, 31.0], [150.9, 170.4], [44.4, 120.1]]
    path = write_annotations(tmp_path / "a.geojson", [("Tumor", ring)])
    plan = plan_reading(SLIDE.info, mpp)

    label = _read(path, plan)

    scaled = np.array(ring) / (plan.downsample_x, plan.downsample_y)
    assert np.array_equal(label.over(plan), rasterize([(0, [scaled])], plan.width, plan.height))


def test_geojson_is_moved_to_where_qupath_has_its_origin(tmp_path: Path) -> None:
    """Corners in the frame of the scanned part are found on the slide."""
    path = write_annotations(tmp_path / "a.geojson", [("Tumor", box(0, 0, 30, 20))])
    plan = plan_reading(SLIDE.info, 0.5)

    label = _read(path, plan, (100, 50)).over(plan)

    assert np.argwhere(label == 0).min(axis=0).tolist() == [50, 100]
    assert int((label == 0).sum()) == 30 * 20


@pytest.mark.parametrize("overlap_px", [0, 20])
def test_touched_tiles_are_all_that_hold_labels(tmp_path: Path, overlap_px: int) -> None:
    """No tile with a label is missed, and far ones are not read."""
    shapes = [("Tumor", box(70, 10, 75, 15)), ("Tumor", box(180, 120, 290, 199))]
    path = write_annotations(tmp_path / "a.geojson", shapes)
    plan = plan_reading(SLIDE.info, 0.5)
    grid = TileGrid(plan.width, plan.height, 64, overlap_px)

    label = _read(path, plan)

    touched = label.touched_tiles(grid)
    for tile in grid.tiles():
        holds = bool((label.label.read_rect(tile.mask_rect) != IGNORE_INDEX).any())
        assert touched[tile.row, tile.col] == holds


def test_only_tiles_of_regions_of_interest_are_touched(tmp_path: Path) -> None:
    """What is drawn outside of them is not labelled."""
    shapes = [("Tumor", box(0, 0, 299, 199)), ("Region*", box(10, 10, 40, 40))]
    path = write_annotations(tmp_path / "a.geojson", shapes)
    plan = plan_reading(SLIDE.info, 0.5)

    label = _read(path, plan)

    touched = label.touched_tiles(TileGrid(plan.width, plan.height, 64, 0))
    assert touched.sum() == 1
    assert touched[0, 0]
    assert int((label.over(plan) == 0).sum()) == 30 * 30


def test_background_labels_every_tile(tmp_path: Path) -> None:
    """What nobody drew is a class of its own then."""
    path = write_annotations(tmp_path / "a.geojson", [("Tumor", box(0, 0, 20, 20))])
    rules = _rules(background=0, regions_of_interest=frozenset())
    plan = plan_reading(SLIDE.info, 0.5)

    label = _read(path, plan, rules=rules)

    assert label.touched_tiles(TileGrid(plan.width, plan.height, 64, 0)).all()


def test_picture_of_codes_is_read_at_any_downsample(tmp_path: Path) -> None:
    """A mask a quarter of the slide's size labels all of it."""
    codes = np.full((50, 75), 255, np.uint8)
    codes[10:20, 30:60] = 0
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), codes)
    plan = plan_reading(SLIDE.info, 1.0)

    label = _read(path, plan).over(plan)

    assert np.array_equal(label, np.kron(codes, np.ones((2, 2), np.uint8)))


def test_annotations_of_another_slide_are_refused(tmp_path: Path) -> None:
    """Polygons that all lie beyond the slide cannot be its own."""
    path = write_annotations(tmp_path / "a.geojson", [("Tumor", box(5000, 5000, 5100, 5100))])
    plan = plan_reading(SLIDE.info, 0.5)

    with pytest.raises(AnnotationError, match="another slide"):
        _read(path, plan)


def test_picture_of_another_shape_is_refused(tmp_path: Path) -> None:
    """It must cover the whole slide."""
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.zeros((100, 100), np.uint8))

    with pytest.raises(AnnotationError, match="must cover the whole slide"):
        _read(path, plan_reading(SLIDE.info, 0.5))


def test_unknown_name_is_refused(tmp_path: Path) -> None:
    """The message lists what is known."""
    path = write_annotations(tmp_path / "a.geojson", [("Tumour bed", box(0, 0, 50, 50))])

    with pytest.raises(AnnotationError, match="Tumour bed"):
        _read(path, plan_reading(SLIDE.info, 0.5))
