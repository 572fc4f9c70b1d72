"""Which truth belongs to which prediction."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from dfaseg.errors import EvaluationError
from dfaseg.evaluation.pairs import Pair, file_stem, find_pairs
from tests.evaluating import blotches, write_polygons, write_store


def touch(folder: Path, *names: str) -> Path:
    """Make empty files in a folder."""
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_files_go_together_by_their_names(tmp_path: Path) -> None:
    """Overlays, hidden files and other things in the folders are passed over."""
    masks = touch(tmp_path / "p", "a.png", "b.tif", "a.overlay.png", ".c.png", "notes.txt")
    truths = touch(tmp_path / "t", "b.geojson.gz", "a.xml", "notes.txt")

    found = find_pairs([masks], truths)

    assert found.without_prediction == ()
    assert [(one.name, one.prediction.name, one.truth.name) for one in found.pairs] == [
        ("a", "a.png", "a.xml"),
        ("b", "b.tif", "b.geojson.gz"),
    ]


def test_truth_may_have_the_name_of_its_slides_file(tmp_path: Path) -> None:
    """As QuPath proposes and `tile` reads it; what is called like another prediction is its own."""
    masks = touch(tmp_path / "p", "a.png", "a.jpeg.png", "Gewebe ä.png")
    truths = touch(tmp_path / "t", "a.svs.geojson", "a.jpeg.xml", "Gewebe a\u0308.dcm.json")

    found = find_pairs([masks], truths)

    assert found.without_prediction == ()
    assert {one.name: one.truth.name for one in found.pairs} == {
        "a": "a.svs.geojson",
        "a.jpeg": "a.jpeg.xml",
        "Gewebe ä": "Gewebe a\u0308.dcm.json",
    }
    with pytest.raises(EvaluationError, match=r"slide 'a': .* and .* are both of it"):
        find_pairs([masks], touch(truths, "a.geojson"))


def test_one_prediction_goes_with_one_truth(tmp_path: Path) -> None:
    """Whatever they are called."""
    folder = touch(tmp_path / "f", "a.png", "b.json")
    found = find_pairs([folder / "a.png"], folder / "b.json")
    assert found.pairs == (Pair("a", folder / "a.png", folder / "b.json"),)


def test_case_is_the_name_before_two_underlines() -> None:
    """As in folders that networks learn from."""
    assert Pair("SLIDE__x0_y0", Path("p"), Path("t")).case == "SLIDE"
    assert Pair("SLIDE_1", Path("p"), Path("t")).case == "SLIDE_1"


def test_truth_without_prediction_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is no error: a part of the slides may be scored."""
    masks, truths = touch(tmp_path / "p", "a.png"), touch(tmp_path / "t", "a.png", "b.png")

    assert find_pairs([masks], truths).without_prediction == ("b",)
    assert "there is no prediction for 'b'" in caplog.text


def test_prediction_without_truth_is_refused(tmp_path: Path) -> None:
    """Else it would silently be missing from the scores."""
    masks, truths = touch(tmp_path / "p", "a.png", "b.png"), touch(tmp_path / "t", "a.png")
    with pytest.raises(EvaluationError, match=r"has nothing for 'b'; names must be"):
        find_pairs([masks], truths)


@pytest.mark.parametrize("is_truth", [False, True], ids=["predictions", "truth"])
def test_two_files_of_one_slide_are_refused(tmp_path: Path, is_truth: bool) -> None:
    """Which of them should count?"""
    one, two = touch(tmp_path / "1", "a.png"), touch(tmp_path / "2", "a.png", "a.tif")
    with pytest.raises(EvaluationError, match=r"slide 'a': .*a\.png' and .*a\.tif' are both of it"):
        find_pairs([one if is_truth else two], two if is_truth else one)


def test_slide_beside_its_truth_is_no_second_truth(tmp_path: Path) -> None:
    """People keep annotations where the slides are; a slide is told by its colours."""
    masks, truths = touch(tmp_path / "p", "a.png"), touch(tmp_path / "t", "a.geojson")
    slide = np.zeros((32, 48, 3), np.uint8)
    tifffile.imwrite(truths / "a.tif", slide, tile=(16, 16), photometric="rgb")

    assert find_pairs([masks], truths).pairs[0].truth.name == "a.geojson"
    tifffile.imwrite(truths / "a.tif", slide[..., 0], photometric="minisblack")
    with pytest.raises(EvaluationError, match=r"a\.geojson' and .*a\.tif' are both of it"):
        find_pairs([masks], truths)


def test_polygons_of_a_mask_beside_it_are_no_second_truth(tmp_path: Path) -> None:
    """So results of ``predict`` can be the truth; what people drew beside a mask is one."""
    masks = touch(tmp_path / "p", "a.png")
    truths = touch(tmp_path / "t", "a.overlay.png", "a.run.json", "a.areas.csv")
    write_store(truths / "a.zarr", blotches(), slide_id="a")
    polygons = write_polygons(truths / "a.geojson", blotches())

    assert find_pairs([masks], truths).pairs[0].truth.name == "a.zarr"
    polygons.write_text('{"type":"FeatureCollection","features":[]}', encoding="utf-8")
    with pytest.raises(EvaluationError, match=r"a\.geojson' and .*a\.zarr' are both of it"):
        find_pairs([masks], truths)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: ([f / "none.png"], f / "t"), r"none\.png': there is no such file"),
        (lambda f: ([f / "p"], f / "none"), r"none': there is no such file"),
        (lambda f: ([f / "p"], f / "t" / "a.png"), "is one file for 2 predictions"),
        (lambda f: ([touch(f / "e")], f / "t"), r"e': holds no masks"),
    ],
    ids=["no prediction", "no truth", "one truth for two", "empty folder"],
)
def test_what_cannot_be_paired_is_refused(tmp_path: Path, make, message: str) -> None:
    """One line says what is missing."""
    touch(tmp_path / "p", "a.png", "b.png")
    touch(tmp_path / "t", "a.png")
    predictions, truth = make(tmp_path)
    with pytest.raises(EvaluationError, match=message):
        find_pairs(predictions, truth)


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a.b.png", "a.b"), ("a.geojson.gz", "a"), ("a.ome.tif", "a"), ("a.zarr", "a")],
)
def test_stem_has_no_ending(name: str, stem: str) -> None:
    """Double endings go as well; other dots are part of the name."""
    assert file_stem(Path("x") / name) == stem
