"""Labels of drawn shapes: order, holes, regions of interest, what is ignored."""

import logging
import pickle
from dataclasses import replace

import numpy as np
import pytest

from dfaseg.annotation import (
    AnnotatedPolygon,
    Annotations,
    ClassRules,
    DrawnLabels,
    LabelFrame,
    PolygonTable,
    check_place,
    check_slide,
    make_table,
    rasterize,
    rules_for,
)
from dfaseg.classmap import IGNORE_INDEX, ClassMap
from dfaseg.errors import AnnotationError, ConfigError
from dfaseg.geometry import Rect

CLASSES = ClassMap.from_records(
    [{"index": index, "name": name, "colour": "#000000"} for index, name in enumerate("abc")]
)
RULES = replace(
    rules_for(CLASSES),
    indices={"a": 0, "b": 1, "c": 2, "artefact": IGNORE_INDEX},
    regions_of_interest=frozenset({"roi"}),
)
FRAME = LabelFrame(8, 2)


def span(name: str, left: float, right: float) -> AnnotatedPolygon:
    """Return a polygon over columns of the label."""
    return AnnotatedPolygon(name, np.array([[left, 0], [right, 0], [right, 2.0], [left, 2]]))


def row(rules: ClassRules, *polygons: AnnotatedPolygon, frame: LabelFrame = FRAME) -> str:
    """Return the first row of the label, a character per pixel; ``.`` is 255."""
    label = DrawnLabels(make_table(polygons), rules, frame).read_rows(0, 1)
    return "".join("." if index == IGNORE_INDEX else str(index) for index in label[0])


def test_later_polygons_lie_over_earlier_ones() -> None:
    """As in the file."""
    assert row(RULES, span("a", 1, 6), span("b", 4, 7)) == ".000111."
    assert row(RULES, span("b", 4, 7), span("a", 1, 6)) == ".000001."


def test_stated_order_goes_before_that_of_the_file() -> None:
    """Classes that it does not name lie below."""
    rules = replace(RULES, order=(1, 0))
    assert row(rules, span("a", 1, 4), span("b", 3, 7), span("c", 0, 8)) == "20001112"


def test_ignored_shapes_lie_over_all_others() -> None:
    """Also over classes with a stated order."""
    rules = replace(RULES, order=(0,), background=2, regions_of_interest=frozenset())
    assert row(rules, span("artefact", 2, 4), span("a", 1, 6)) == "20..0022"


def test_what_lies_outside_regions_of_interest_is_not_labelled() -> None:
    """Neither what is drawn nor what is not, wherever in the file the region stands."""
    rules = replace(RULES, background=1)
    assert row(rules, span("a", 2, 4), span("roi", 3, 6), span("roi", 7, 8)) == "...011.1"
    assert row(rules, span("roi", 3, 6), span("roi", 7, 8), span("a", 2, 4)) == "...011.1"


def test_background_needs_a_region_where_the_rules_name_any() -> None:
    """Without one nobody said how far the background was looked at."""
    assert row(replace(RULES, background=1), span("a", 2, 4)) == "..00...."
    no_regions = replace(RULES, background=1, regions_of_interest=frozenset())
    assert row(no_regions, span("a", 2, 4)) == "11001111"


def test_holes_show_what_lies_below() -> None:
    """A hole is no shape of its own."""
    outer, hole = span("b", 1, 7), span("", 3, 5)
    with_hole = replace(outer, holes=(hole.exterior,))
    assert row(RULES, span("a", 4, 8), with_hole) == ".11.0110"


def test_pixels_have_the_class_of_their_centre() -> None:
    """A frame may be coarser than the slide and begin anywhere."""
    frame = LabelFrame(4, 1, scale_x=2, scale_y=2, corner_x=-2)
    assert row(RULES, span("a", 0.9, 3.1), frame=frame) == ".00."
    assert row(RULES, span("a", 1.1, 2.9), frame=frame) == "...."


def test_nothing_drawn_is_background() -> None:
    """No polygons are no error here."""
    rules = replace(RULES, background=0, regions_of_interest=frozenset())
    assert row(rules) == "00000000"
    assert DrawnLabels(PolygonTable(), rules, FRAME).num_outside == 0


def test_what_overhangs_the_label_is_not_labelled() -> None:
    """A tile may reach beyond the slide, and so may a polygon."""
    labels = DrawnLabels(make_table([span("a", -5, 20)]), RULES, FRAME)
    assert labels.read_rect(Rect(6, 1, 4, 3)).tolist() == [[0, 0, 255, 255], *[[255] * 4] * 2]
    assert labels.read_rect(Rect(90, 90, 1, 1)).tolist() == [[255]]


def test_long_outlines_are_read_in_parts() -> None:
    """A label of a few rows takes the edges of these rows only, and is the same as the whole."""
    angles = np.linspace(0, 2 * np.pi, 5000, endpoint=False)
    radii = 300 + 20 * np.sin(60 * angles)
    star = np.stack([320 + radii * np.cos(angles), 320 + radii * np.sin(angles)], axis=1)
    polygon = AnnotatedPolygon("b", star, (star * 0.5 + 160,))
    labels = DrawnLabels(make_table([polygon]), RULES, LabelFrame(640, 640))

    found = np.concatenate([labels.read_rows(top, top + 40) for top in range(0, 640, 40)])

    assert np.array_equal(found, rasterize([(1, polygon.rings)], 640, 640))


def test_other_processes_get_what_their_rows_need() -> None:
    """Of a long outline only the edges there; a region of interest elsewhere still counts."""
    y = np.arange(20_000) / 10
    comb = np.stack([np.where(np.arange(20_000) % 2, 3.0, 8.0), y], axis=1)
    long = AnnotatedPolygon("b", np.concatenate([comb, [[0, 2000], [0, 0.0]]]))
    region = AnnotatedPolygon("roi", np.array([[2, 900], [6, 900], [6, 1200], [2, 1200.0]]))
    labels = DrawnLabels(make_table([span("c", 0, 4), region, long]), RULES, LabelFrame(10, 2000))

    sent = pickle.dumps(labels.within(1000, 1040))
    there = pickle.loads(pickle.dumps(labels.within(100, 140)))

    found = pickle.loads(sent).read_rows(1000, 1040)
    assert np.array_equal(found, labels.read_rows(1000, 1040))
    assert {1, IGNORE_INDEX} == set(found.flat)
    assert (there.read_rows(100, 140) == IGNORE_INDEX).all()
    assert len(sent) < len(pickle.dumps(labels)) / 10


def test_unknown_names_are_refused() -> None:
    """Nothing is left out because its name is misspelt."""
    with pytest.raises(AnnotationError, match="class 'd' is unknown"):
        row(RULES, span("d", 0, 1))


def test_impossible_frame_is_refused() -> None:
    """Pixels have a size."""
    with pytest.raises(ConfigError, match="all must be positive"):
        LabelFrame(4, 4, scale_x=0)


def test_polygons_outside_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    """Some are told, all are an error."""
    inside, outside = span("a", 0, 1), span("a", 9, 12)

    check_place("drawing", DrawnLabels(make_table([inside]), RULES, FRAME), "the slide")
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        labels = DrawnLabels(make_table([inside, outside]), RULES, FRAME)
        check_place("drawing", labels, "the slide (8 × 2 px)")
    assert caplog.messages == ["drawing: 1 of 2 polygons lie outside the slide"]
    with pytest.raises(AnnotationError, match=r"drawing: none of 1 polygons touches the slide"):
        check_place("drawing", DrawnLabels(make_table([outside]), RULES, FRAME), "the slide")


def test_annotations_of_another_slide_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    """If they say so; another resolution is told."""
    check_slide("drawing", Annotations(PolygonTable()), "s", 0.5)
    check_slide("drawing", Annotations(PolygonTable(), slide_name="s", mpp=0.502), "s", 0.5)
    assert not caplog.records

    with pytest.raises(AnnotationError, match="are of slide 't', not of 's'"):
        check_slide("drawing", Annotations(PolygonTable(), slide_name="t"), "s")
    with caplog.at_level(logging.WARNING):
        check_slide("drawing", Annotations(PolygonTable(), mpp=0.25), "s", 0.5)
    assert "state 0.25 µm per px, but slide 's' has 0.5" in caplog.text
