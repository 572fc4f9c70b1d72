"""Annotations of ASAP."""

from pathlib import Path

import pytest

from dfaseg.annotation import Annotations, read_annotations
from dfaseg.errors import AnnotationError

SQUARE = ((0, 0), (4, 0), (4, 4.5), (0, 4.5))


def annotation(
    kind: str = "Polygon", group: str = "tumour", points: tuple[tuple[float, float], ...] = SQUARE
) -> str:
    """Return one annotation as ASAP writes it, its points from last to first."""
    coordinates = "".join(
        f'<Coordinate Order="{order}" X="{x}" Y="{y}" />'
        for order, (x, y) in reversed(list(enumerate(points)))
    )
    return (
        f'<Annotation Name="Annotation 0" Type="{kind}" PartOfGroup="{group}" Color="#F4FA58">'
        f"<Coordinates>{coordinates}</Coordinates></Annotation>"
    )


def read(folder: Path, *annotations: str) -> Annotations:
    """Write annotations and read them back."""
    path = folder / "a.xml"
    path.write_text(
        '<?xml version="1.0"?><ASAP_Annotations><Annotations>'
        + "".join(annotations)
        + '</Annotations><AnnotationGroups><Group Name="tumour" PartOfGroup="None" />'
        "</AnnotationGroups></ASAP_Annotations>"
    )
    return read_annotations(path)


@pytest.mark.parametrize("kind", ["Polygon", "Rectangle", "Spline"])
def test_areas_become_polygons_in_the_stated_order(tmp_path: Path, kind: str) -> None:
    """The order is that of the attribute, not that of the file."""
    found = read(tmp_path, annotation(kind))

    assert [one.class_name for one in found.polygons] == ["tumour"]
    assert found.polygons[0].exterior.tolist() == [list(map(float, point)) for point in SQUARE]
    assert (found.num_repaired, found.skipped) == (0, {})


def test_annotation_without_group_is_known_by_its_name(tmp_path: Path) -> None:
    """ASAP writes None where there is no group."""
    assert read(tmp_path, annotation(group="None")).polygons[0].class_name == "Annotation 0"


def test_what_has_no_area_is_counted(tmp_path: Path) -> None:
    """Dots, and polygons of two points."""
    found = read(tmp_path, annotation("Dot", points=((1, 1),)), annotation(points=SQUARE[:2]))

    assert len(found.polygons) == 0
    assert found.skipped == {"dot": 1, "shape without area": 1}


def test_loop_is_repaired(tmp_path: Path) -> None:
    """A figure of eight becomes two polygons."""
    found = read(tmp_path, annotation(points=((0, 0), (4, 4), (4, 0), (0, 4))))
    assert (len(found.polygons), found.num_repaired) == (2, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<ASAP_Annotations>", "not valid XML"),
        ("<Layers />", r"XML of another program \(<Layers>\)"),
        (
            '<ASAP_Annotations><Annotations><Annotation Name="n" Type="Polygon"><Coordinates>'
            '<Coordinate Order="0" X="1" /></Coordinates></Annotation></Annotations>'
            "</ASAP_Annotations>",
            "'n': a coordinate lacks 'Y'",
        ),
        (
            '<ASAP_Annotations><Annotations><Annotation Name="n" Type="Polygon"><Coordinates>'
            '<Coordinate Order="0" X="nan" Y="1" /></Coordinates></Annotation></Annotations>'
            "</ASAP_Annotations>",
            "'n': a coordinate is not a number",
        ),
    ],
    ids=["broken", "other program", "no y", "not a number"],
)
def test_bad_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    """One line says which file and what is wrong."""
    path = tmp_path / "a.xml"
    path.write_text(text)
    with pytest.raises(AnnotationError, match=rf"a\.xml': {message}"):
        read_annotations(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    """The system's reason is passed on."""
    with pytest.raises(AnnotationError, match=r"no\.xml': cannot be read"):
        read_annotations(tmp_path / "no.xml")


def test_decimal_commas_are_read(tmp_path: Path) -> None:
    """ASAP writes numbers as the computer's language does."""
    text = annotation(points=((0, 0), (4, 0), (4, 4.5))).replace("4.5", "4,5")
    assert read(tmp_path, text).polygons[0].exterior[2].tolist() == [4, 4.5]
