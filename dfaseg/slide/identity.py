"""What a slide is called, in messages and in outputs, and where it is."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

SAMPLE = "sample"
"""Name under which the built-in slide is opened."""
_LOCAL_SCHEME = "file://"


@dataclass(frozen=True, slots=True)
class Identity:
    """One slide's names.

    Attributes:
        location: Path or URL as it was given.
        name: File name with its ending, for messages.
    """

    location: str
    name: str

    @property
    def slide_id(self) -> str:
        """File name without its ending."""
        return PurePosixPath(self.name).stem

    @property
    def is_remote(self) -> bool:
        """Whether the location is a URL of another machine."""
        return "://" in self.location and not self.location.startswith(_LOCAL_SCHEME)

    @property
    def path(self) -> Path:
        """The local file; meaningless for a remote one."""
        if self.location.startswith(_LOCAL_SCHEME):
            return Path(unquote(urlsplit(self.location).path))
        return Path(self.location).expanduser()


def identify(location: str | Path) -> Identity:
    """Name a slide by the last part of its path or URL, queries left out."""
    text = str(location)
    if "://" in text:
        return Identity(text, PurePosixPath(unquote(urlsplit(text).path)).name or text)
    return Identity(text, Path(text).name or text)
