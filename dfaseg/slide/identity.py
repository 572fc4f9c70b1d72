"""What a slide is called, in messages and in outputs, and where it is."""

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

SAMPLE = "sample"
"""Name under which the built-in slide is opened."""
_LOCAL_SCHEME = "file://"
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
"""Line breaks and what terminals take for commands; names of files can hold them."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One slide's names.

    Attributes:
        location: Path or URL as it was given.
        name: File name with its ending, for messages.
        given_id: The slide's id, where a list states one.
    """

    location: str
    name: str
    given_id: str | None = None

    @property
    def slide_id(self) -> str:
        """What a list states, or else the file name without its ending."""
        return self.given_id or PurePosixPath(self.name).stem

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


def identify(location: str | Path, *, slide_id: str | None = None) -> Identity:
    """Name a slide by the last part of its path or URL, queries left out.

    Args:
        location: Path or URL.
        slide_id: Its id, where it is not the file's name.
    """
    text = str(location)
    name = PurePosixPath(unquote(urlsplit(text).path)).name if "://" in text else Path(text).name
    # Names from other systems need not be UTF-8, which tables and records are, nor one line.
    readable = os.fsencode(name or text).decode(errors="replace")
    return Identity(text, _CONTROLS.sub("\ufffd", readable), slide_id)
