"""Class maps: parsed once, consistent ever after."""

import pytest

from dfaseg.classmap import ClassMap, read_class_map
from dfaseg.errors import ClassMapError

RECORDS = [
    {"index": 0, "name": "background", "colour": "#d0d0d0"},
    {"index": 1, "name": "gland", "colour": "#2a9d8f"},
]


def test_records_round_trip():
    """What is written is read back."""
    class_map = ClassMap.from_records(RECORDS)

    assert class_map.to_records() == RECORDS
    assert class_map.names == ("background", "gland")
    assert class_map[1].colour == (0x2A, 0x9D, 0x8F)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"index": 3}, "without gaps"),
        ({"name": "background"}, "given twice"),
        ({"colour": "green"}, "#rrggbb"),
        ({"colour": None}, "#rrggbb"),
    ],
    ids=["gap", "same name", "colour word", "no colour"],
)
def test_inconsistent_records_are_refused(change, message):
    """Each inconsistency is named."""
    with pytest.raises(ClassMapError, match=message):
        ClassMap.from_records([RECORDS[0], RECORDS[1] | change])


def test_missing_key_is_named():
    """A table that lacks a key says which."""
    with pytest.raises(ClassMapError, match="lacks colour"):
        ClassMap.from_records([{"index": 0, "name": "x"}])


def test_no_class_is_refused():
    """A map of nothing is no map."""
    with pytest.raises(ClassMapError, match="0 classes"):
        ClassMap.from_records([])


def test_toml_is_read(tmp_path):
    """A class map file holds [[class]] tables."""
    path = tmp_path / "classes.toml"
    path.write_text('[[class]]\nindex = 0\nname = "fat"\ncolour = "#ffff00"\n', encoding="utf-8")

    assert read_class_map(path).names == ("fat",)


def test_unreadable_toml_names_the_file(tmp_path):
    """Missing and broken files are told apart, by name."""
    broken = tmp_path / "broken.toml"
    broken.write_text("[[class", encoding="utf-8")

    with pytest.raises(ClassMapError, match=r"missing\.toml.*cannot be read"):
        read_class_map(tmp_path / "missing.toml")
    with pytest.raises(ClassMapError, match=r"broken\.toml.*not valid TOML"):
        read_class_map(broken)
