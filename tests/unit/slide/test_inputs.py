"""Which slides a command's arguments stand for."""

from pathlib import Path

import pytest

from dfaseg.errors import ConfigError, SlideError
from dfaseg.slide.inputs import SlideInput, find_slide_inputs


def touch(folder: Path, *names: str) -> None:
    """Make empty files; nothing is opened here."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def ids(*arguments: object) -> list[str]:
    """Return the ids of the slides found."""
    return [slide.id for slide in find_slide_inputs([str(argument) for argument in arguments])]


def test_files_urls_and_sample_keep_their_order(tmp_path: Path) -> None:
    """An id is the file name without its ending, of a URL without its query."""
    touch(tmp_path, "b.svs", "a.1.tiff", "odd.ending")
    url = "https://host/x/c%20d.svs?token=1"

    found = find_slide_inputs(
        [*(str(tmp_path / n) for n in ("b.svs", "a.1.tiff", "odd.ending")), url, "sample"]
    )

    assert [slide.id for slide in found] == ["b", "a.1", "odd", "c d", "sample"]
    assert found[3:] == (SlideInput("c d", url), SlideInput("sample", "sample"))


def test_folder_gives_its_slides_by_name(tmp_path: Path) -> None:
    """Not those of folders below, hidden ones, previews, or files of other kinds."""
    touch(tmp_path, "b.SVS", "a.ndpi", "below/c.svs", "._d.svs", "e.png", "notes.docx", "list.csv")

    assert ids(tmp_path) == ["a", "b"]


def test_folder_of_pictures_gives_pictures(tmp_path: Path) -> None:
    """Where there is nothing better."""
    touch(tmp_path, "b.png", "a.jpg", "notes.docx", "b.overlay.png")

    assert ids(tmp_path) == ["a", "b"]


def test_pattern_gives_files_below(tmp_path: Path) -> None:
    """In quotes, so that the shell leaves it to us."""
    touch(tmp_path, "x/b.svs", "a.svs", "y/z/c.svs", "y/d.tif")

    assert ids(tmp_path / "**" / "*.svs") == ["a", "b", "c"]


@pytest.mark.parametrize("links", [(), ("in/self", "in/x/up", "in/x/up too")])
def test_pattern_follows_links_but_not_in_circles(tmp_path: Path, links: tuple[str, ...]) -> None:
    """Slides lie on other disks, and links that lead back were followed until the end of time."""
    touch(tmp_path, "in/x [1]/a.svs", "in/.hidden/b.svs", "in/x/c.svs", "disk/deep/d.svs")
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "disk")
    for link in links:
        (tmp_path / link).symlink_to(tmp_path / "in")

    assert ids(tmp_path / "in" / "**" / "*.svs") == ["d", "c", "a"]
    assert ids(tmp_path / "in" / "**") == ["d", "c", "a"]
    assert ids(tmp_path / "**" / "x*" / "[a-c].svs") == ["c", "a"]


def test_file_named_like_a_pattern_is_a_file(tmp_path: Path) -> None:
    """Scanners write brackets into names."""
    touch(tmp_path, "a [1].svs", "a 1.svs")

    assert ids(tmp_path / "a [1].svs") == ["a [1]"]


def test_text_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths lie beside the list, or else in the working folder."""
    touch(tmp_path, "lists/a.svs", "work/b.svs")
    monkeypatch.chdir(tmp_path / "work")
    (tmp_path / "lists" / "all.txt").write_text(
        f"# first batch\na.svs\n\n  b.svs\n{tmp_path}/gone.svs\ns3://bucket/c.svs\nsample\n"
    )

    found = find_slide_inputs(["../lists/all.txt"])

    assert [slide.path for slide in found] == [
        "../lists/a.svs", "b.svs", f"{tmp_path}/gone.svs", "s3://bucket/c.svs", "sample",
    ]  # fmt: skip


def test_table(tmp_path: Path) -> None:
    """Empty cells say nothing; a tissue picture is found like a slide."""
    touch(tmp_path, "a.svs", "b.svs", "a.png")
    (tmp_path / "t.csv").write_text(
        "\ufeffPath;ID;mpp;Tissue;patient\na.svs;first;0.25;a.png;p1\n\nb.svs;;;none\n", "utf-8"
    )

    first, second = find_slide_inputs([str(tmp_path / "t.csv")])

    assert first == SlideInput(
        "first", f"{tmp_path}/a.svs", 0.25, tissue=f"{tmp_path}/a.png", group="p1"
    )
    assert second == SlideInput("b", f"{tmp_path}/b.svs", tissue="none")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,mp\na.svs,1", "unknown column 'mp'; known are path, mpp"),
        ("slide\na.svs", "unknown column 'slide'"),
        ("id,mpp\na,1", "lacks the column 'path'"),
        ("path,path\na,b", "has the column 'path' twice"),
        ("path,case,patient\na,b,c", "'case' and 'patient' mean the same"),
        ("path,mpp\na.svs,1\n\na.svs,x", r"line 4: mpp 'x' is not a number above 0"),
        ("path,mpp\na.svs,0", "line 2: mpp '0' is not a number above 0"),
        ("path,id\na.svs,x/y", "line 2: id 'x/y' cannot name files"),
        ("path,mpp\n,1", "line 2: no path"),
        ("path,mpp\na, b.svs,1", "line 2: has 3 cells for 2 columns"),
        ("path", "names no slide"),
        ("", "names no slide"),
        ("path\nx.svs\ny.svs", "none of its 2 slides is there, e.g. 'x.svs'"),
        ("path,id\na.svs,s\nb.svs,s", "slide id 's': two slides have it, .*a.svs' and .*b.svs'"),
    ],
)
def test_impossible_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """In one line that says where and what to do."""
    touch(tmp_path, "a.svs", "b.svs")
    (tmp_path / "t.csv").write_text(text)

    with pytest.raises(ConfigError, match=message) as caught:
        find_slide_inputs([str(tmp_path / "t.csv")])

    assert "\n" not in str(caught.value)


def test_equal_ids_are_refused(tmp_path: Path) -> None:
    """Both paths are named before anything starts."""
    touch(tmp_path, "x/a.svs", "y/a.tif")

    with pytest.raises(ConfigError, match=r"'a': two slides have it, .*x/a.svs' and .*y/a.tif'"):
        ids(tmp_path / "x", tmp_path / "y")


def test_missing_things_are_refused(tmp_path: Path) -> None:
    """A file, a pattern, a folder's slides, and arguments at all."""
    touch(tmp_path, "notes.docx")

    with pytest.raises(SlideError, match=r"slide 'a.svs': no such file .*a.svs'; check the path"):
        ids(tmp_path / "a.svs")
    with pytest.raises(SlideError, match=r"slide 'all.txt': no such file"):
        ids(tmp_path / "all.txt")
    with pytest.raises(ConfigError, match=r"pattern .*\*.svs': no file matches"):
        ids(tmp_path / "*.svs")
    with pytest.raises(ConfigError, match="no slides in it; folders below are not searched"):
        ids(tmp_path)
    with pytest.raises(ConfigError, match="none were named"):
        ids()


def test_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Spreadsheets of other kinds are renamed now and then."""
    (tmp_path / "t.csv").write_bytes(b"PK\x03\x04\xff\xfe")

    with pytest.raises(ConfigError, match="save it as text in UTF-8"):
        ids(tmp_path / "t.csv")
