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
        given_id: The slide's id, where a list states one.
        copy: Local copy that is read in place of what lies at the location.
    """

    location: str
    name: str
    given_id: str | None = None
    copy: Path | None = None

    @property
    def slide_id(self) -> str:
        """What a list states, or else the file name without its ending."""
        return self.given_id or PurePosixPath(self.name).stem

    @property
    def is_remote(self) -> bool:
        """Whether what is read lies on another machine."""
        return self.copy is None and is_url(self.location)

    @property
    def path(self) -> Path:
        """The local file that is read; meaningless for a remote one."""
        if self.copy is not None:
            return self.copy
        if self.location.startswith(_LOCAL_SCHEME):
            return Path(unquote(urlsplit(self.location).path))
        return Path(self.location).expanduser()


def identify(
    location: str | Path, *, slide_id: str | None = None, copy: Path | None = None
) -> Identity:
    """Name a slide by the last part of its path or URL, queries left out.

    Args:
        location: Path or URL.
        slide_id: Its id, where it is not the file's name.
        copy: Local copy to read.
    """
    text = str(location)
    name = PurePosixPath(unquote(urlsplit(text).path)).name if "://" in text else Path(text).name
    return Identity(text, name or text, slide_id, copy)


def is_url(location: str) -> bool:
    """Tell whether a location is a URL of another machine, and not a path or ``file://``."""
    return "://" in location and not location.startswith(_LOCAL_SCHEME)
