"""Annotations of Aperio ImageScope and Halo."""

import math
from pathlib import Path

import pytest
from shapely.geometry import Polygon

from dfaseg.annotation import Annotations
from dfaseg.errors import AnnotationError
from tests.drawings import layer, read_text, region

SQUARE = ((0, 0), (8, 0), (8, 8), (0, 8))
BOX = ((2, 1), (10, 5))


def read(folder: Path, *layers: str, **attributes: str) -> Annotations:
    """Write layers and read them back."""
    more = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return read_text(folder, f"<Annotations{more}>{''.join(layers)}</Annotations>")


def imagescope(kind: str = "0", ring: object = SQUARE, **attributes: str) -> str:
    """Return a region of ImageScope."""
    return region(ring, kind, "Vertex", **attributes)  # type: ignore[arg-type]


def halo(kind: str = "Polygon", ring: object = SQUARE, **attributes: str) -> str:
    """Return a region of Halo."""
    return region(ring, kind, "V", **attributes)  # type: ignore[arg-type]


def areas(found: Annotations) -> list[float]:
    """Return the area of each polygon."""
    return [Polygon(one.exterior, one.holes).area for one in found.polygons]


def test_both_programs_are_told_apart(tmp_path: Path) -> None:
    """By their points; ImageScope states a resolution."""
    one = read(tmp_path, layer(imagescope(), Name="t"), MicronsPerPixel="0.2525")
    two = read(tmp_path, layer(halo(), Name="t"))

    assert (one.format_name, one.mpp) == ("Aperio ImageScope XML", 0.2525)
    assert (two.format_name, two.mpp) == ("Halo XML", None)
    assert one.polygons[0].exterior.tolist() == two.polygons[0].exterior.tolist()


@pytest.mark.parametrize(("rectangle", "ellipse"), [("1", "2"), ("Rectangle", "Ellipse")])
def test_boxes_are_given_by_two_corners(tmp_path: Path, rectangle: str, ellipse: str) -> None:
    """An ellipse fills its box; its polygon runs close by the curve."""
    large = ((100, 100), (900, 500))
    found = read(tmp_path, layer(imagescope(rectangle, BOX), imagescope(ellipse, large), Name="t"))

    assert areas(found) == pytest.approx([32, math.pi * 400 * 200], rel=1e-3)
    assert found.polygons[0].exterior.tolist() == [[2, 1], [10, 1], [10, 5], [2, 5]]


def test_rectangles_may_have_four_corners_and_be_turned(tmp_path: Path) -> None:
    """They are taken as they are."""
    turned = ((5, 0), (10, 5), (5, 10), (0, 5))
    assert areas(read(tmp_path, layer(imagescope("1", turned), Name="t"))) == [50]


def test_name_of_a_layer_is_the_class(tmp_path: Path) -> None:
    """Else its description, else the region's text, else the layer's colour."""
    described = '<Annotation Name="" LineColor="65280"><Attributes><Attribute Name="Description"'
    described += f' Value="Tumor"/></Attributes><Regions>{imagescope()}</Regions></Annotation>'

    found = read(
        tmp_path,
        layer(imagescope(Text="x"), Name=" Stroma "),
        described,
        layer(imagescope(Text="Necrosis"), Name="", LineColor="255"),
        layer(imagescope(), LineColor="16744448"),
        layer(imagescope()),
    )

    names = [one.class_name for one in found.polygons]
    assert names == ["Stroma", "Tumor", "Necrosis", "#0080ff", ""]


def test_negative_regions_are_cut_out_of_their_layer(tmp_path: Path) -> None:
    """Wherever they stand in it, and only there."""
    hole = halo(ring=((2, 2), (4, 2), (4, 4), (2, 4)), NegativeROA="1")
    far = halo(ring=((20, 20), (24, 20), (24, 24), (20, 24)))

    found = read(tmp_path, layer(hole, halo(), far, Name="a"), layer(halo(), Name="b"))

    assert areas(found) == [60, 16, 64]
    assert (found.num_repaired, found.skipped) == (0, {})


def test_negative_region_across_the_border_is_cut_off(tmp_path: Path) -> None:
    """That counts as repaired; one that meets nothing is told."""
    across = halo(ring=((4, -2), (10, -2), (10, 4), (4, 4)), NegativeROA="1")
    lone = halo(ring=((90, 90), (91, 90), (91, 91)), NegativeROA="1")

    found = read(tmp_path, layer(halo(), across, lone, Name="a"))

    assert areas(found) == [48]
    assert found.num_repaired == 1
    assert found.skipped == {"negative region outside all others of its layer": 1}


def test_island_in_a_negative_region_stays(tmp_path: Path) -> None:
    """Who draws it there wants it; what covers nothing else takes it away."""
    hole = halo(ring=((1, 1), (7, 1), (7, 7), (1, 7)), NegativeROA="1")
    island = halo(ring=((3, 3), (5, 3), (5, 5), (3, 5)))

    found = read(tmp_path, layer(halo(), hole, island, Name="a"), layer(hole, island, Name="b"))

    assert [one.class_name for one in found.polygons] == ["a", "a"]
    assert areas(found) == [28, 4]


def test_negative_region_is_cut_out_where_the_pen_went_round_twice(tmp_path: Path) -> None:
    """What is enclosed twice is no less enclosed."""
    inner = ((2, 2), (6, 2), (6, 6), (2, 6))
    outline = (*SQUARE, SQUARE[0], *inner, inner[0])
    hole = halo(ring=((3, 3), (5, 3), (5, 5), (3, 5)), NegativeROA="1")

    found = read(tmp_path, layer(halo(ring=outline), hole, Name="a"))

    assert areas(found) == [60]
    assert found.skipped == {}


def test_what_has_no_area_is_counted(tmp_path: Path) -> None:
    """Arrows, rulers, pins, points and open lines."""
    found = read(
        tmp_path,
        layer(imagescope("3"), imagescope("4"), imagescope("0", GeoShape="Points"), Name="t"),
        layer(halo("Ruler"), halo("Pin"), halo(HasEndcaps="1"), halo(ring=BOX), Name="t"),
    )

    assert len(found.polygons) == 0
    assert found.skipped == {
        "region of type 3": 1,
        "region of type 4": 1,
        "points": 1,
        "ruler": 1,
        "pin": 1,
        "open line": 1,
        "shape without area": 1,
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('<Vertex X="1" />', "region 7: a coordinate lacks 'Y'"),
        ('<Vertex X="1" Y="b" />', "region 7: could not convert string to float: 'b'"),
        (
            '<Vertex X="1" Y="nan" /><Vertex X="1" Y="2" />',
            "region 7: a coordinate is not a number; correct or remove it",
        ),
        ('<V X="1" Y="-inf" /><V X="1" Y="2" />', "region 7: a coordinate is not a number"),
    ],
)
@pytest.mark.parametrize("negative", ["0", "1"])
@pytest.mark.parametrize("kind", ["0", "2"])
def test_broken_region_is_named(
    tmp_path: Path, text: str, problem: str, negative: str, kind: str
) -> None:
    """The message says which and why; a hole that were left out would be labelled."""
    attributes = f'Id="7" Type="{kind}" NegativeROA="{negative}"'
    broken = f"<Region {attributes}><Vertices>{text}</Vertices></Region>"
    with pytest.raises(AnnotationError, match=rf"a\.txt': layer 't', {problem}"):
        read(tmp_path, layer(halo(), Name="s"), layer(imagescope(), broken, Name="t"))
