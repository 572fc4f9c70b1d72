"""Class maps: parsed once, consistent ever after."""

import pytest

from dfaseg.annotation import read_class_rules
from dfaseg.classmap import FILE_KEYS, ClassMap
from dfaseg.datasets import folder_facts
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
        ({"index": "one"}, "not a whole number"),
        ({"name": "background"}, "given twice"),
        ({"colour": "green"}, "#rrggbb"),
        ({"colour": None}, "#rrggbb"),
    ],
    ids=["gap", "word as index", "same name", "colour word", "no colour"],
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


TOML = """
[[class]]
index = 1
name = "gland"
colour = "#2a9d8f"

[[class]]
index = 0
name = "background"
colour = "#d0d0d0"
"""


def test_file_is_read_in_order_of_index(tmp_path):
    """The tables of a file may come in any order."""
    path = tmp_path / "classes.toml"
    path.write_text(TOML, encoding="utf-8")

    assert read_class_rules(path).class_map.to_records() == RECORDS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[class]\n", "not valid TOML"),
        ("", r"needs one table \[\[class\]\]"),
        ("class = 3", r"needs one table \[\[class\]\]"),
        (TOML.replace("index = 1", "index = 2"), "without gaps"),
        (TOML.replace("index = 1", 'index = "1"'), "not a whole number"),
        ("bogus = 1" + TOML, "key 'bogus' is unknown; correct or remove it"),
        ('odrer = ["gland"]' + TOML, r"key 'odrer' \(is 'order' meant\?\) is unknown"),
        ("x = 1\ny = 2" + TOML, "keys 'x', 'y' are unknown; correct or remove them"),
        ("codes = [1]" + TOML, r"key 'codes' \(it belongs below a \[\[class\]\]\)"),
        (TOML + "class = 3", "class 'background': key 'class' is unknown"),
        (
            TOML + 'background = "gland"',
            r"class 'background': key 'background' \(it belongs above the first \[\[class\]\]\)",
        ),
        (
            TOML.replace("index = 1", "index = 1\ncode = [1]"),
            r"class 'gland': key 'code' \(is 'codes' meant\?\) is unknown",
        ),
        (TOML.replace("colour =", "color ="), r"key 'color' \(is 'colour' meant\?\)"),
        (TOML.replace('"gland"', '" "'), "class 1: name ' ' must be one line of text"),
        (TOML.replace('"gland"', r'"a\nb"'), "class 1: name .* must be one line of text"),
        (TOML.replace('"gland"', r'"a\u001b[2Jb"'), r"name 'a\\x1b\[2Jb' must be one line of text"),
    ],
    ids=[
        *("no TOML", "empty", "number", "gap", "text as index", "unknown", "misspelt", "two"),
        *("of a class", "class in a class", "in a class", "misspelt in a class", "American"),
        *("no name", "two lines", "terminal command"),
    ],
)
def test_broken_file_is_named(tmp_path, text, message):
    """Every message begins with the file."""
    path = tmp_path / "classes.toml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ClassMapError, match=rf"class map '.*classes\.toml': .*{message}"):
        read_class_rules(path)


def test_file_in_another_encoding_is_named(tmp_path):
    """The message says how to save it."""
    path = tmp_path / "classes.toml"
    path.write_text(TOML, encoding="utf-16")

    with pytest.raises(ClassMapError, match=r"classes\.toml': not in UTF-8; save it as UTF-8"):
        read_class_rules(path)


def test_facts_of_a_data_set_are_known():
    """The ``classes.toml`` of a data set is a class map, whatever it says of itself."""
    assert folder_facts.KEYS <= FILE_KEYS


def test_missing_file_is_named(tmp_path):
    """A path that leads nowhere is said."""
    with pytest.raises(ClassMapError, match=r"none\.toml': cannot be read"):
        read_class_rules(tmp_path / "none.toml")
