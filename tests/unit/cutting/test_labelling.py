"""Each slide gets the annotations that are named after it."""

import gzip
from pathlib import Path

import pytest

from dfaseg.cutting.labelling import find_labelling
from dfaseg.cutting.spec import LabelSpec
from dfaseg.errors import AnnotationError, ClassMapError, ConfigError
from dfaseg.slide.inputs import SlideInput
from tests.cutting import write_annotations

SLIDES = (SlideInput("a", "/slides/a.svs"), SlideInput("b.1", "/slides/b.1.tiff"))
SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10]]


def _find(path: Path, slides: tuple[SlideInput, ...] = SLIDES) -> dict[str, str]:
    found = find_labelling(LabelSpec(annotations=path), slides)
    return {slide_id: file.name for slide_id, file in found.files.items()}


def test_files_are_found_by_id_and_by_file_name(tmp_path: Path) -> None:
    """QuPath proposes the image's whole name."""
    write_annotations(tmp_path / "a.svs.geojson", [("Tumor", SQUARE)])
    write_annotations(tmp_path / "b.1.json", [("Tumor", SQUARE)])
    (tmp_path / "notes.txt").write_text("x", "utf-8")

    assert _find(tmp_path) == {"a": "a.svs.geojson", "b.1": "b.1.json"}


def test_slides_without_and_files_of_others_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is left out in silence."""
    write_annotations(tmp_path / "a.geojson", [("Tumor", SQUARE)])
    write_annotations(tmp_path / "stranger.geojson", [("Tumor", SQUARE)])

    found = _find(tmp_path)

    assert found == {"a": "a.geojson"}
    assert "nothing for 1 slide, left out here; the first is 'b.1'" in caplog.text
    assert "1 file of no slide here; the first is 'stranger.geojson'" in caplog.text


def test_two_files_of_one_slide_are_refused(tmp_path: Path) -> None:
    """Nobody can say which one is meant."""
    write_annotations(tmp_path / "a.geojson", [("Tumor", SQUARE)])
    write_annotations(tmp_path / "a.svs.geojson", [("Tumor", SQUARE)])

    with pytest.raises(AnnotationError, match=r"both 'a\.geojson' and 'a\.svs\.geojson'"):
        _find(tmp_path)


def test_accents_are_written_in_two_ways(tmp_path: Path) -> None:
    """Files that were on a Mac have them apart from their letters; both look the same."""
    write_annotations(tmp_path / "pru\u0308fung.geojson", [("Tumor", SQUARE)])
    slides = (SlideInput("pr\u00fcfung", "/slides/pr\u00fcfung.svs"),)

    assert _find(tmp_path, slides) == {"pr\u00fcfung": "pru\u0308fung.geojson"}


def test_slide_beside_its_annotations_is_not_its_mask(tmp_path: Path) -> None:
    """TIFFs are slides as well as masks."""
    (tmp_path / "a.tiff").touch()
    slides = (SlideInput("a", str(tmp_path / "a.tiff")),)

    with pytest.raises(ConfigError, match="no file in it is named after a slide"):
        _find(tmp_path, slides)
    write_annotations(tmp_path / "a.geojson", [("Tumor", SQUARE)])
    assert _find(tmp_path, slides) == {"a": "a.geojson"}


def test_file_name_of_two_slides_is_refused(tmp_path: Path) -> None:
    """Nobody can say which one is meant; their ids say it."""
    slides = (SlideInput("X1", "/a/s1.tiff"), SlideInput("X3", "/b/s1.tiff"))
    path = write_annotations(tmp_path / "s1.tiff.geojson", [("Tumor", SQUARE)])

    with pytest.raises(AnnotationError, match=r"2 slides .* 's1\.tiff'; .*'X1\.geojson' or 'X3"):
        _find(tmp_path, slides)
    path.rename(tmp_path / "X3.geojson")
    assert _find(tmp_path, slides) == {"X3": "X3.geojson"}


def test_id_comes_before_the_file_name_of_another(tmp_path: Path) -> None:
    """Ids differ, so that they always say which slide is meant."""
    slides = (SlideInput("s.tiff", "/b/t.tiff"), SlideInput("a", "/a/s.tiff"))
    write_annotations(tmp_path / "s.tiff.geojson", [("Tumor", SQUARE)])

    assert _find(tmp_path, slides) == {"s.tiff": "s.tiff.geojson"}


def test_one_file_is_of_one_slide(tmp_path: Path) -> None:
    """For several slides a folder is needed."""
    path = write_annotations(tmp_path / "any.geojson", [("Tumor", SQUARE)])

    assert _find(path, SLIDES[:1]) == {"a": "any.geojson"}
    with pytest.raises(ConfigError, match="one file for 2 slides"):
        _find(path)


def test_folder_without_any_of_the_slides_is_refused(tmp_path: Path) -> None:
    """The message says what a file should be called."""
    with pytest.raises(ConfigError, match=r"e\.g\. 'a\.geojson'"):
        _find(tmp_path)
    with pytest.raises(AnnotationError, match="no such file"):
        _find(tmp_path / "missing")


def test_names_of_all_files_make_the_classes(tmp_path: Path) -> None:
    """Without a class map, a class has the same index in every slide."""
    write_annotations(tmp_path / "a.geojson", [("Tumor", SQUARE)])
    write_annotations(tmp_path / "b.1.geojson", [("Stroma", SQUARE), ("Ignore*", SQUARE)])

    rules = find_labelling(LabelSpec(annotations=tmp_path), SLIDES).rules

    assert rules.class_map.names == ("Stroma", "Tumor")


def test_too_many_names_ask_for_a_class_map(tmp_path: Path) -> None:
    """The message says whose names they are."""
    shapes = [(f"name {number}", SQUARE) for number in range(256)]
    path = write_annotations(tmp_path / "a.geojson", shapes)

    with pytest.raises(ClassMapError, match=r"a\.geojson': .* make 256 classes: .*--class-map"):
        _find(path, SLIDES[:1])


def test_picture_needs_a_class_map(tmp_path: Path) -> None:
    """Codes have no names."""
    (tmp_path / "a.png").write_bytes(b"")

    with pytest.raises(ConfigError, match="pass --class-map"):
        _find(tmp_path)


def test_recipe_changes_with_the_file_and_with_what_names_mean(tmp_path: Path) -> None:
    """What was cut with other annotations is not taken for finished."""
    path = write_annotations(tmp_path / "a.geojson", [("Tumor", SQUARE)])
    class_map = tmp_path / "classes.toml"
    entry = '[[class]]\nindex = 0\nname = "Tumor"\ncolour = "#ff0000"\n'
    recipes = []
    for text, name in ((entry, "Tumor"), (entry, "tumor"), (entry + 'names = ["T"]\n', "tumor")):
        class_map.write_text(text, "utf-8")
        write_annotations(path, [(name, SQUARE)])
        spec = LabelSpec(annotations=path, class_map=class_map)
        recipes.append(find_labelling(spec, SLIDES[:1]).recipe_of("a"))

    assert recipes[0]["annotations"] != recipes[1]["annotations"] == recipes[2]["annotations"]
    assert recipes[0]["meaning"] == recipes[1]["meaning"] != recipes[2]["meaning"]


def test_packing_annotations_anew_changes_no_recipe(tmp_path: Path) -> None:
    """What is drawn is the same; slides that were cut with it were refused as cut with others."""
    drawn = write_annotations(tmp_path / "a.geojson", [("tumour", [(0, 0), (4, 0), (4, 4)])])
    packed = tmp_path / "a.geojson.gz"
    recipes = [find_labelling(LabelSpec(annotations=drawn), SLIDES[:1]).recipe_of("a")]

    for level in (1, 9):
        packed.write_bytes(gzip.compress(drawn.read_bytes(), level, mtime=level))
        recipes.append(find_labelling(LabelSpec(annotations=packed), SLIDES[:1]).recipe_of("a"))

    assert recipes[0] == recipes[1] == recipes[2]
