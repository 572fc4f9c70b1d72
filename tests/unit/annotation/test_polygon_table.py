"""Many polygons in little memory."""

import numpy as np
import pytest

from dfaseg.annotation import AnnotatedPolygon, PolygonTable, make_table, polygon_table
from dfaseg.annotation.polygon_table import PolygonTableBuilder

TRIANGLE = np.array([[0, 0], [4, 0], [0, 4.0]])


def polygons(count: int) -> list[AnnotatedPolygon]:
    """Return triangles at different places, every third with a hole."""
    return [
        AnnotatedPolygon(
            "abc"[number % 3],
            TRIANGLE + number,
            (TRIANGLE / 4 + number + 0.5,) if number % 3 == 0 else (),
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("block_vertices", [1, 7, 1000])
def test_table_gives_back_what_was_added(
    monkeypatch: pytest.MonkeyPatch, block_vertices: int
) -> None:
    """In order, by number, from the end and as a slice, however it is cut into blocks."""
    monkeypatch.setattr(polygon_table, "_BLOCK_VERTICES", block_vertices)
    given = polygons(10)

    table = make_table(given)

    assert len(table) == 10
    for one, two, three in zip(given, table, table[:], strict=True):
        assert one.class_name == two.class_name == three.class_name
        for a, b, c in zip(one.rings, two.rings, three.rings, strict=True):
            assert a.tolist() == b.tolist() == c.tolist()
    assert table[-1].exterior.tolist() == given[-1].exterior.tolist()
    assert table.count_names() == {"a": 4, "b": 3, "c": 3}
    assert table.num_vertices == 42
    assert table.boxes()[7].tolist() == [7, 7, 11, 11]
    with pytest.raises(IndexError, match="polygon 10 of 10"):
        table[10]


def test_coordinates_are_halved_only_where_that_is_exact() -> None:
    """Whole pixels and quarters fit in 4 bytes, tenths do not."""
    (whole,) = make_table([AnnotatedPolygon("", TRIANGLE + 90000.25)]).blocks
    (tenths,) = make_table([AnnotatedPolygon("", TRIANGLE + 0.1)]).blocks

    assert (whole.vertices.dtype, tenths.vertices.dtype) == (np.float32, np.float64)
    assert tenths.vertices.tolist() == (TRIANGLE + 0.1).tolist()


def test_names_can_be_given_later_and_polygons_moved() -> None:
    """Names that become equal become one."""
    builder = PolygonTableBuilder()
    for polygon in polygons(3):
        builder.add(polygon)
    builder.rename("a", "b")
    builder.rename("x", "y")

    table = builder.finish((10, -1))

    assert table.names == ("b", "c")
    assert table.name_numbers.tolist() == [0, 0, 1]
    assert table[1].exterior.tolist() == (TRIANGLE + np.array([11, 0])).tolist()


def test_empty_table_is_empty() -> None:
    """Nothing drawn is no special case."""
    assert list(PolygonTable()) == []
    assert PolygonTable().boxes().shape == (0, 4)
    assert PolygonTable().count_names() == {}
