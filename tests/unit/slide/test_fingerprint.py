"""Identity from content."""

import os
from pathlib import Path

from dfaseg.slide.bytesource import FileSource
from dfaseg.slide.fingerprint import fingerprint, folder_listing


def _fingerprint(path: Path, content: bytes, *companions: str) -> str:
    path.write_bytes(content)
    source = FileSource(path)
    try:
        return fingerprint(source, companions)
    finally:
        source.close()


def test_fingerprint_does_not_depend_on_name_or_date(tmp_path: Path) -> None:
    """A copied slide is the same slide."""
    first = _fingerprint(tmp_path / "a.svs", b"x" * 300_000)
    os.utime(tmp_path / "a.svs", (1, 1))

    assert _fingerprint(tmp_path / "b.svs", b"x" * 300_000) == first


def test_fingerprint_follows_size_and_both_ends(tmp_path: Path) -> None:
    """Headers and directories of slides lie at the ends of the file."""
    content = b"x" * 300_000
    variants = [content, content + b"x", b"y" + content[1:], content[:-1] + b"y", b""]

    prints = {_fingerprint(tmp_path / "a.svs", variant) for variant in variants}

    assert len(prints) == len(variants)


def test_fingerprint_follows_companions(tmp_path: Path) -> None:
    """A slide may be more than one file."""
    assert _fingerprint(tmp_path / "a", b"x", "Data.dat:5") != _fingerprint(tmp_path / "a", b"x")


def test_listing_names_each_file_with_its_size(tmp_path: Path) -> None:
    """Sorted, so that the order of the disk does not matter."""
    (tmp_path / "b").write_bytes(b"123")
    (tmp_path / "a").write_bytes(b"1")

    assert folder_listing(tmp_path) == ("a:1", "b:3")
    assert folder_listing(tmp_path / "none") == ()
