"""Tables are read as people's programs write them."""

from pathlib import Path

import pytest

from dfaseg.datasets.tables import read_table
from dfaseg.errors import DatasetError


@pytest.mark.parametrize(
    "text",
    [
        "name,case\na,p\n",
        "\ufeffname;case\r\n\r\na; p\r\n;\r\n",
        " name , case,\n a ,p,\n\n",
        "Name,CASE\na,p\n",
    ],
    ids=["plain", "spreadsheet", "stray spaces", "capitals"],
)
def test_tables_of_many_programs_are_alike(tmp_path: Path, text: str) -> None:
    """Semicolons, byte order marks, empty lines, stray spaces and capitals make no difference."""
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode())

    (line,) = read_table(path, ("name", "case"), "")

    assert (line["name"], line["case"]) == ("a", "p")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "lacks the column 'name'; do it"),
        (b"case\np\n", "lacks the column 'name'"),
        (b"name,case\na\n", r"entry 1 \('a'\) has 1 of 2 columns"),
        (b"name,case\n\xff\xfe,p\n", "cannot be read"),
        (b"name,case,Case\na,p,q\n", "has the column 'case' twice"),
    ],
    ids=["empty", "no column", "cut line", "other encoding", "column twice"],
)
def test_damaged_table_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """The table is named, with what to do."""
    path = tmp_path / "table.csv"
    path.write_bytes(content)

    with pytest.raises(DatasetError, match=rf"table\.csv': .*{message}"):
        read_table(path, ("name",), "do it")


def test_missing_table_is_named(tmp_path: Path) -> None:
    """A path that leads nowhere is said."""
    with pytest.raises(DatasetError, match=r"none\.csv': cannot be read"):
        read_table(tmp_path / "none.csv", (), "")
