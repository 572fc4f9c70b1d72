"""Files of all kinds, told by what they hold."""

import gzip
import logging
from pathlib import Path

import pytest

from dfaseg.annotation import read_annotations
from dfaseg.errors import AnnotationError
from tests.drawings import WRITERS, square, to_asap, to_geojson

SHAPES = [square(0, 0, 4, "tumour")]


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("ending", [".xml", ".geojson", ".annotations.gz"])
def test_content_decides_and_not_the_ending(tmp_path: Path, name: str, ending: str) -> None:
    """Packed or not, with a byte order mark and line feeds before it."""
    data = ("\n " if "JSON" in name else "").encode() + WRITERS[name](SHAPES).encode()
    if "XML" not in name:
        data = b"\xef\xbb\xbf" + data
    path = tmp_path / f"a{ending}"
    path.write_bytes(gzip.compress(data) if ending.endswith(".gz") else data)

    found = read_annotations(path)

    assert found.format_name == name
    assert [one.class_name for one in found.polygons] == ["tumour"]
    assert found.polygons[0].exterior.tolist() == [[0, 0], [4, 0], [4, 4], [0, 4]]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "the file is empty"),
        (b" \n", "the file is empty"),
        (b"x,y\n1,2\n", "neither JSON nor XML"),
        (b"\x89PNG\r\n", "neither JSON nor XML"),
        (b"<html></html>", "XML of another program"),
        (b"<a", r"not valid XML \(.*\); copy or export it again"),
        (to_asap(SHAPES).encode()[:-9], r"not valid XML \(.*\); copy or export it again"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "klingon.*; save it as UTF-8"),
        (b'<?xml version="1.0" encoding="shift_jis"?><a/>', "multi-byte.*; save it as UTF-8"),
        (b'{"type": "FeatureCollection", "features": [\xff]}', "not in UTF-8; save it as UTF-8"),
        (to_geojson(SHAPES).encode("utf-16"), "not in UTF-8; save it as UTF-8"),
        (gzip.compress(to_asap(SHAPES).encode())[:-9], r"be read \(.*\); copy or export it again"),
        (b"\x1f\x8bpacked?", r"be read \(.*\); copy or export it again"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG, .* changes codes; give a PNG or TIFF"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path: Path, data: bytes, problem: str) -> None:
    """The message says which file and what is wrong."""
    path = tmp_path / "a.xml"
    path.write_bytes(data)
    with pytest.raises(AnnotationError, match=rf"a\.xml': .*{problem}") as caught:
        read_annotations(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("far", [1.1e9, 1e20, 1e300])
def test_coordinates_beyond_all_slides_are_refused(tmp_path: Path, name: str, far: float) -> None:
    """Numbers that would overflow later are told of, with what to do."""
    path = tmp_path / "a"
    path.write_text(WRITERS[name]([square(-far, 0, 2 * far)]))

    with pytest.raises(AnnotationError, match=r"coordinate -1.*e\+.* is no place on a slide; "):
        read_annotations(path)


def test_folder_is_no_file(tmp_path: Path) -> None:
    """The system's reason is passed on."""
    with pytest.raises(AnnotationError, match="cannot be read"):
        read_annotations(tmp_path)


def test_file_of_nothing_with_an_area_has_no_polygons(tmp_path: Path) -> None:
    """That is for the caller to judge; here it is no error."""
    path = tmp_path / "a"
    path.write_text(to_geojson([]))
    found = read_annotations(path)
    assert (len(found.polygons), found.num_skipped, found.polygons.names) == (0, 0, ())


def test_what_was_left_out_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """By kind, with the file."""
    path = tmp_path / "a"
    path.write_text('[{"type":"Point","coordinates":[1,2]}]')
    with caplog.at_level(logging.WARNING):
        read_annotations(path)
    assert caplog.messages == [f"annotations '{path}': 1 × point left out"]
