"""Which files make a slide, and how they are copied to scratch."""

import logging
from pathlib import Path

import pytest

from dfaseg.errors import SlideError
from dfaseg.slide.identity import identify
from dfaseg.slide.staging import stage_slide
from dfaseg.storage.scratch import Scratch

SERIES = b"\x20\x00\x0e\x00UI\x0a\x00"


@pytest.fixture(autouse=True)
def other_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take scratch for another disk than the slides'."""
    monkeypatch.setattr(Scratch, "is_home_of", lambda _scratch, _path: False)


def staged(path: Path, scratch_root: Path) -> list[str] | None:
    """Copy a slide and return the names of the copies; None where it is read in place."""
    with Scratch(scratch_root) as scratch:
        copy = stage_slide(identify(path), scratch, lambda: True)
        if copy is None:
            return None
        assert copy.name == path.name
        files = [file for file in copy.parent.rglob("*") if file.is_file()]
        for file in files:
            source = path.parent / file.relative_to(copy.parent)
            assert file.read_bytes() == source.read_bytes()
        return sorted(file.relative_to(copy.parent).as_posix() for file in files)


def write(folder: Path, **contents: bytes) -> None:
    """Write files; two underscores stand for a dot, three for a slash."""
    for name, content in contents.items():
        path = folder / name.replace("___", "/").replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def test_one_file_is_copied_alone(tmp_path: Path) -> None:
    """Whatever lies beside it."""
    write(tmp_path / "in", a__svs=b"II*\0" * 100, b__svs=b"", a___x=b"results of somebody")

    assert staged(tmp_path / "in" / "a.svs", tmp_path) == ["a.svs"]


def test_mrxs_is_copied_with_its_folder(tmp_path: Path) -> None:
    """Its pixels lie there."""
    write(tmp_path / "in", a__mrxs=b"x", a___Slidedat__ini=b"y", a___Data0__dat=b"z", b___c=b"")

    found = staged(tmp_path / "in" / "a.mrxs", tmp_path)

    assert found == ["a.mrxs", "a/Data0.dat", "a/Slidedat.ini"]


def test_dicom_is_copied_with_its_series(tmp_path: Path) -> None:
    """Not with other slides of the folder."""
    head = bytes(128) + b"DICM" + bytes(20)
    write(
        tmp_path / "in",
        a__dcm=head + SERIES + b"1.2.3.4.55" + b"\x28\x00",
        b__dcm=head + SERIES + b"1.2.3.4.55" + b"\x28\x00",
        c__dcm=head + SERIES + b"1.2.3.4.66" + b"\x28\x00",
        notes__txt=SERIES + b"1.2.3.4.55",
    )

    assert staged(tmp_path / "in" / "a.dcm", tmp_path) == ["a.dcm", "b.dcm"]


@pytest.mark.parametrize("name", ["a.vms", "a.vsi", "a.dcm"])
def test_slide_of_unknown_files_is_read_where_it_is(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """And that is said."""
    (tmp_path / name).write_bytes(bytes(128) + b"DICM of no series")
    caplog.set_level(logging.INFO, "dfaseg")

    assert staged(tmp_path / name, tmp_path) is None
    assert "read where it is, not copied to scratch" in caplog.text


def test_slide_on_the_same_disk_is_not_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy would gain nothing."""
    monkeypatch.undo()
    (tmp_path / "a.svs").write_bytes(b"x")

    assert staged(tmp_path / "a.svs", tmp_path) is None


def test_missing_slide_is_named(tmp_path: Path) -> None:
    """As it is when it is opened."""
    with pytest.raises(SlideError, match=r"slide 'a\.svs': no such file"):
        staged(tmp_path / "a.svs", tmp_path)
