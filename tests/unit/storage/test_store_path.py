"""Names of objects."""

from pathlib import Path

import pytest

from dfaseg.errors import ConfigError
from dfaseg.storage.store_path import StorePath, parse_place


def test_store_path_is_put_together_as_paths_are() -> None:
    """So that results have the same names in a store and on a disk."""
    place = StorePath("s3://bucket/a/x.1.zarr")

    assert (place.name, place.suffix) == ("x.1.zarr", ".zarr")
    assert str(place.with_suffix("").with_name("y")) == "s3://bucket/a/y"
    assert str(place.parent / "b" / "c.json") == "s3://bucket/a/b/c.json"
    assert place.absolute() == place


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a/b", Path("a/b")),
        ("file:///a/b", Path("/a/b")),
        ("s3://bucket/a/", StorePath("s3://bucket/a")),
        ("gs://bucket", StorePath("gs://bucket")),
    ],
)
def test_place_is_a_path_or_in_a_store(text: str, place: object) -> None:
    """A slash at the end says nothing."""
    assert parse_place(text) == place


@pytest.mark.parametrize("text", ["s3://", "https://host/a", "http://host/a.zarr", "memory://a/b"])
def test_what_cannot_be_written_to_is_refused(text: str) -> None:
    """Before any work."""
    with pytest.raises(ConfigError, match="cannot be written to"):
        parse_place(text)
