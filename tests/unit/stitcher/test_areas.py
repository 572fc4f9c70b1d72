"""Class areas: counts, mm² and percentages of what was analysed."""

from pathlib import Path

import numpy as np
import pytest

from dfaseg.classmap import ClassMap, TissueClass
from dfaseg.errors import OutputError
from dfaseg.stitcher.areas import AreaCounter, AreaTable

CLASSES = ClassMap(
    (
        TissueClass(0, "stroma", (0, 0, 255)),
        TissueClass(1, "tumour, invasive", (255, 0, 0)),
        TissueClass(2, "fat", (0, 255, 0)),
    )
)


def test_areas_are_counts_times_pixel_area() -> None:
    """Percentages refer to analysed pixels; 255 belongs to no class."""
    counter = AreaCounter(CLASSES, mpp_x=0.5, mpp_y=0.25)
    counter.add(np.array([[0, 1, 1], [255, 1, 255]], np.uint8))

    table = counter.table()

    assert [area.pixels for area in table.areas] == [1, 3, 0]
    assert [area.percent for area in table.areas] == [25, 75, 0]
    assert table.areas[1].mm2 == pytest.approx(3 * 0.125e-6)
    assert table.analysed_mm2 == pytest.approx(4 * 0.125e-6)


def test_empty_mask_has_no_area() -> None:
    """Nothing analysed is 0 %, not an error."""
    assert [area.percent for area in AreaCounter(CLASSES, 1, 1).table().areas] == [0, 0, 0]


def test_restored_counter_goes_on() -> None:
    """Counts of a cut run are kept."""
    first, second = AreaCounter(CLASSES, 1, 1), AreaCounter(CLASSES, 1, 1)
    first.add(np.zeros((2, 2), np.uint8))

    second.restore(first.state())
    second.add(np.full((1, 3), 2, np.uint8))

    assert [area.pixels for area in second.table().areas] == [4, 0, 3]


def test_table_is_read_back(tmp_path: Path) -> None:
    """As written, and nothing else is taken for it."""
    counter = AreaCounter(CLASSES, 1000, 1000)
    counter.add(np.array([[0, 1, 1, 1]], np.uint8))
    counter.table().write_csv(tmp_path / "areas.csv")

    assert AreaTable.parse((tmp_path / "areas.csv").read_bytes()) == counter.table()
    with pytest.raises(ValueError, match="not a table"):
        AreaTable.parse(b"index,class\n0,a\n")


def test_csv_has_a_line_per_class(tmp_path: Path) -> None:
    """Absent classes are listed too, and names are quoted where needed."""
    counter = AreaCounter(CLASSES, 1000, 1000)
    counter.add(np.array([[0, 1, 1, 1]], np.uint8))

    counter.table().write_csv(tmp_path / "areas.csv")

    assert (tmp_path / "areas.csv").read_text().splitlines() == [
        "index,class,pixels,mm2,percent",
        "0,stroma,1,1.000000,25.0000",
        '1,"tumour, invasive",3,3.000000,75.0000',
        "2,fat,0,0.000000,0.0000",
    ]


def test_csv_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The message says which file."""
    with pytest.raises(OutputError, match=r"areas\.csv"):
        AreaCounter(CLASSES, 1, 1).table().write_csv(tmp_path / "missing" / "areas.csv")
