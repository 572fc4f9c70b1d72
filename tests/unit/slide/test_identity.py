"""Names of slides."""

import os
from pathlib import Path

import pytest

from dfaseg.slide.identity import identify
from dfaseg.slide.slide import SlideInfo


@pytest.mark.parametrize(
    ("location", "name", "slide_id", "is_remote"),
    [
        ("/a/b.svs", "b.svs", "b", False),
        ("b.ome.tif", "b.ome.tif", "b.ome", False),
        ("https://host/x/b%20c.svs?sig=1/2", "b c.svs", "b c", True),
        ("s3://bucket/b.tiff", "b.tiff", "b", True),
        ("file:///a/b%20c.svs", "b c.svs", "b c", False),
        ("https://host", "https://host", "host", True),
    ],
    ids=["path", "two endings", "http", "s3", "file", "no path"],
)
def test_slide_is_named_after_its_file(
    location: str, name: str, slide_id: str, is_remote: bool
) -> None:
    """Folders, queries and escapes are no part of the name."""
    identity = identify(location)

    assert (identity.name, identity.slide_id, identity.is_remote) == (name, slide_id, is_remote)


def test_name_that_is_not_utf8_becomes_text() -> None:
    """Results, tables and records are named after the slide; its path stays what it is."""
    path = Path(os.fsdecode(b"/a/M\xfcller.svs"))

    identity = identify(path)

    assert (identity.name, identity.slide_id) == ("M\ufffdller.svs", "M\ufffdller")
    assert identity.path == path


def test_name_of_two_lines_becomes_one() -> None:
    """Else tables, logs and errors break there; escapes would even command the terminal."""
    identity = identify("/a/new\nline\x1b[2J.svs")

    assert identity.name == "new\ufffdline\ufffd[2J.svs"
    assert identity.slide_id == "new\ufffdline\ufffd[2J"
    assert identity.path == Path("/a/new\nline\x1b[2J.svs")


@pytest.mark.parametrize(
    ("location", "path"),
    [("/a/b c.svs", "/a/b c.svs"), ("file:///a/b%20c.svs", "/a/b c.svs")],
    ids=["path", "file url"],
)
def test_local_location_has_a_path(location: str, path: str) -> None:
    """A file URL is a local path."""
    assert identify(location).path == Path(path)


def test_given_id_is_the_slide_and_the_file_keeps_its_name() -> None:
    """Messages name the file, results the slide; files made elsewhere may use either."""
    identity = identify("/a/b.svs", slide_id="case 7")

    assert (identity.slide_id, identity.name) == ("case 7", "b.svs")
    info = SlideInfo("case 7", "/a/b.svs", "tiff", "0", 0.5, "metadata", ())
    assert info.names == {"case 7", "b"}


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tilde that the shell left alone, as in a list of slides, means the home folder."""
    monkeypatch.setenv("HOME", "/home/me")

    assert identify("~/a.svs").path == Path("/home/me/a.svs")
