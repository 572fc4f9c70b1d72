"""What names and codes of annotations mean."""

from pathlib import Path

import pytest

from dfaseg.annotation import ClassRules, read_class_rules, rules_for, rules_from_names
from dfaseg.classmap import IGNORE_INDEX
from dfaseg.errors import AnnotationError, ClassMapError

RULES = """
background = "Stroma"
ignore = ["Artefact", 7]
regions_of_interest = ["ROI"]
order = ["Stroma", "Tumor"]

[[class]]
index = 0
name = "Stroma"
colour = "#00ff00"

[[class]]
index = 1
name = "Tumor"
colour = "#ff0000"
names = ["Tumour", "tumor_grey zone", "Gef\u00e4\u00df"]
codes = [1, 19]
"""


def read(folder: Path, text: str = RULES) -> ClassRules:
    """Write rules and read them back."""
    path = folder / "classes.toml"
    path.write_text(text, "utf-8")
    return read_class_rules(path)


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("Stroma", 0),
        ("STROMA ", 0),
        ("tumour", 1),
        ("Tumor gray-zone", 1),
        ("gefa\u0308\u00df", 1),
        ("artefact", IGNORE_INDEX),
    ],
)
def test_names_and_their_spellings_have_an_index(tmp_path: Path, name: str, index: int) -> None:
    """Case, hyphens, both kinds of English and of accents make no difference."""
    assert read(tmp_path).index_of(name) == index


def test_all_of_a_file_is_read(tmp_path: Path) -> None:
    """Background, order, regions and codes."""
    rules = read(tmp_path)

    assert rules.class_map.names == ("Stroma", "Tumor")
    assert (rules.background, rules.order) == (0, (0, 1))
    assert rules.is_region_of_interest("roi")
    assert not rules.is_region_of_interest("tumor")
    assert rules.codes == {0: 0, 1: 1, 19: 1, 7: IGNORE_INDEX, 255: IGNORE_INDEX}


def test_unknown_names_are_listed_with_the_known_and_the_near(tmp_path: Path) -> None:
    """One line tells all that is missing."""
    rules = read(tmp_path)
    rules.check_names("annotations 'a'", ["Tumor", "ROI", "Artefact"])

    with pytest.raises(AnnotationError) as caught:
        rules.check_names("annotations 'a'", {"Tumro": 3, "": 2, "roi": 1})

    assert str(caught.value).startswith(
        "annotations 'a': classes 'Tumro' of 3 polygons (is 'Tumor' meant?), 'unclassified' of 2"
        " polygons are unknown; known are Stroma, Tumor, tumour,"
    )
    with pytest.raises(AnnotationError, match="'Tumro' is unknown"):
        rules.index_of("Tumro")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"Artefact", 7', '"tumor"', "name 'tumor' means two things"),
        ('"Artefact", 7', "19", "code 19 means two things"),
        ('"Artefact", 7', "-1", "codes .* must be a list of whole numbers"),
        ('["Artefact", 7]', '"Artefact"', "ignore is 'Artefact'; write a list"),
        ('["ROI"]', '["Stroma"]', "name 'stroma' means two things"),
        ('["ROI"]', "[1]", r"regions_of_interest is \[1\]; write a list of names"),
        ('= "Stroma"\nignore', '= "Fat"\nignore', "background says 'Fat', which is no class"),
        (
            'order = ["Stroma"',
            'order = ["Artefact"',
            "order says 'Artefact', which is no class; known are stroma, tumor, .*zone, gefäss$",
        ),
        ('order = ["Stroma"', 'order = ["Tumour"', "order names a class twice"),
        ('"Tumour", ', "3, ", "names is .* write a list of names"),
    ],
)
def test_impossible_rules_are_refused(tmp_path: Path, old: str, new: str, problem: str) -> None:
    """The message names the file."""
    assert old in RULES
    with pytest.raises(ClassMapError, match=rf"classes\.toml': {problem}"):
        read(tmp_path, RULES.replace(old, new))


def test_names_alone_make_rules() -> None:
    """In alphabetical order, whatever the order of the files; QuPath's own names keep theirs."""
    rules = rules_from_names(["Tumor", "Region*", "stroma", "Ignore*", "", "tumor"])

    assert rules.class_map.names == ("stroma", "Tumor", "unclassified")
    assert rules == rules_from_names(["", "tumor", "stroma", "Ignore*", "Region*", "Tumor"])
    assert (rules.index_of("Ignore*"), rules.index_of("")) == (IGNORE_INDEX, 2)
    assert rules.is_region_of_interest("region*")
    assert rules.background is None


def test_every_class_has_a_colour_of_its_own() -> None:
    """Also far more classes than the palette has colours."""
    class_map = rules_from_names(f"class {number:03}" for number in range(100)).class_map
    assert len({entry.colour for entry in class_map}) == 100


def test_class_map_alone_makes_rules() -> None:
    """Names and indices as they are, 255 ignored."""
    class_map = rules_from_names(["a", "b"]).class_map
    assert rules_for(class_map).codes == {0: 0, 1: 1, 255: 255}
    assert rules_for(class_map).index_of("B") == 1


def test_no_names_make_no_rules() -> None:
    """There must be a class."""
    with pytest.raises(ClassMapError, match="0 classes"):
        rules_from_names(["Region*"])
