"""Names of objects in a store, put together as paths are, so that results are named in one way."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dfaseg.errors import ConfigError

_SEPARATOR = "://"


@dataclass(frozen=True, slots=True, order=True)
class StorePath:
    """An object, or what begins the names of several, e.g. ``s3://bucket/results/a.zarr``.

    Attributes:
        url: Its URL, without a slash at the end.
    """

    url: str

    @property
    def name(self) -> str:
        """Last part."""
        return self._key.name

    @property
    def suffix(self) -> str:
        """Ending of the name, with its dot."""
        return self._key.suffix

    @property
    def parent(self) -> "StorePath":
        """All but the last part."""
        return self._with_key(self._key.parent)

    def with_name(self, name: str) -> "StorePath":
        """Return another object beside this one."""
        return self._with_key(self._key.with_name(name))

    def with_suffix(self, suffix: str) -> "StorePath":
        """Return the object whose name ends in another way."""
        return self._with_key(self._key.with_suffix(suffix))

    def absolute(self) -> "StorePath":
        """Return itself, as a URL always is absolute."""
        return self

    def __truediv__(self, name: str) -> "StorePath":
        return self._with_key(self._key / name)

    def __str__(self) -> str:
        return self.url

    @property
    def _key(self) -> PurePosixPath:
        """Bucket and key."""
        return PurePosixPath(self.url.partition(_SEPARATOR)[2])

    def _with_key(self, key: PurePosixPath) -> "StorePath":
        return StorePath(f"{self.url.partition(_SEPARATOR)[0]}{_SEPARATOR}{key}")


Place = Path | StorePath
"""Where something is written: on a disk or in an object store."""


def parse_place(text: str) -> Place:
    """Parse a path or the URL of something in an object store.

    Raises:
        ConfigError: The URL names no bucket, or cannot be written to.
    """
    protocol, separator, key = text.partition(_SEPARATOR)
    if not separator:
        return Path(text)
    key = key.strip("/")
    # What is written to fsspec's "memory" ends with this process.
    if protocol in {"http", "https", "memory"} or not key:
        raise ConfigError(
            f"output '{text}': cannot be written to; give a path or an address in an object store, "
            "e.g. s3://bucket/results"
        )
    if protocol == "file":
        return Path(f"/{key}")
    return StorePath(f"{protocol}{_SEPARATOR}{key}")
