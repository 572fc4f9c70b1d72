"""Annotations in JSON, read object by object; coordinates never become Python numbers."""

import codecs
import json
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from dfaseg.annotation.point_lists import parse_points

_CHUNK_BYTES = 1 << 20
_LONGEST_KEY = 64
"""Bytes kept back at the end of a chunk, in which a key may be cut."""
_POINT_KEYS = ("coordinates", "points", "holes")
_POINT_KEY = re.compile(b'"(?:%s)"\\s*:\\s*(?=\\[)' % "|".join(_POINT_KEYS).encode())
"""Text like this is never part of a string, whose own quotes are escaped."""
_END_OF_POINTS = re.compile(rb'["{}]')
_STREAMED = frozenset({"features", "elements"})
"""Lists whose entries come one by one."""
_WRAPPED = "annotation"
"""What the Digital Slide Archive wraps into the records of its server."""
_MARK = "\0"
"""Begins the texts that stand for lists of points; JSON has it in no name."""
_SPACES = " \t\r\n"

Event = tuple[str, Any, dict[str, Any]]


class JsonStream:
    """Goes through a document in memory that is bounded by its largest object.

    Args:
        file: Open for bytes, at its beginning.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._lists: deque[bytearray] = deque()
        self._num_dropped = self._num_seen = 0
        self._chunks = self._take_points_out(file)
        self._text, self._at = "", 0
        self._is_whole = False
        self._decoder = json.JSONDecoder(object_hook=self._resolve_all)

    def events(self) -> Iterator[Event]:
        """Yield the objects of a document, or of the list that it is.

        Entries of ``features`` and ``elements`` come as ``("features", entry, members)``, with the
        members of their object that were read before. After them comes the object itself, as
        ``("", object, {})``, in which those lists are empty; in the place of an object that is no
        annotation comes whatever is there. Lists of points are arrays; see ``parse_points``.

        Raises:
            ValueError: The text is not JSON.
        """
        if self._peek() == "[":
            for _ in self._entries():
                yield from self._walk()
        else:
            yield from self._walk()
        if self._peek():
            raise self._failure()

    def _walk(self) -> Iterator[Event]:
        if self._peek() != "{":
            yield "", self._decode(), {}
            return
        members: dict[str, Any] = {}
        for _ in self._entries():
            key = self._decode()
            self._pass(":")
            if key in _STREAMED and self._peek() == "[":
                for _ in self._entries():
                    yield key, self._decode(), members
                members[key] = []
            elif key == _WRAPPED and self._peek() == "{":
                yield from self._walk()
                members[key] = {}
            else:
                members[key] = self._decode()
        yield "", members, {}

    def _entries(self) -> Iterator[None]:
        """Stop at each entry of a list or object."""
        closing = "]" if self._peek() == "[" else "}"
        self._at += 1
        if self._peek() != closing:
            yield
            while self._peek() == ",":
                self._at += 1
                yield
        self._pass(closing)

    def _pass(self, mark: str) -> None:
        if self._peek() != mark:
            raise self._failure()
        self._at += 1

    def _peek(self) -> str:
        """Return the next character that is no space; "" at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _SPACES:
                    return self._text[self._at]
                self._at += 1
            if not self._read_on():
                return ""

    def _decode(self) -> Any:
        """Return the value that begins here, and pass it."""
        self._peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                if isinstance(error, RecursionError) or not self._read_on(len(self._text)):
                    raise self._failure() from error
                continue
            if end < len(self._text) or not self._read_on():  # else a number may go on
                self._at = end
                value = self._resolve(value)
                self._drop_seen()
                return value

    def _read_on(self, least: int = 1) -> bool:
        """Read more text, and drop what was passed; False at the end."""
        if self._is_whole:
            return False
        parts, size = [self._text[self._at :]], 0
        self._at = 0
        while size < least and not self._is_whole:
            chunk = next(self._chunks, None)
            self._is_whole = chunk is None
            parts.append(chunk or "")
            size += len(parts[-1])
        self._text = "".join(parts)
        return size > 0

    def _failure(self) -> ValueError:
        near = " ".join(self._text[self._at : self._at + 40].replace(_MARK, "").split())
        where = f"near '{near}'" if near else "it ends too early"
        return ValueError(f"not valid JSON ({where}); export it again")

    def _resolve_all(self, members: dict[str, Any]) -> dict[str, Any]:
        for key in _POINT_KEYS:
            if key in members:
                members[key] = self._resolve(members[key])
        return members

    def _resolve(self, value: Any) -> Any:
        """Return the list of points that a text stands for; all else as it is."""
        if not (isinstance(value, str) and value.startswith(_MARK)):
            return value
        number = int(value[1:])
        self._num_seen = max(self._num_seen, number + 1)
        return PointText(self._lists[number - self._num_dropped])

    def _drop_seen(self) -> None:
        while self._num_dropped < self._num_seen:
            self._lists.popleft()
            self._num_dropped += 1

    def _take_points_out(self, file: IO[bytes]) -> Iterator[str]:
        """Yield the text with a short one in the place of each list of points."""
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        held = b""
        points: bytearray | None = None
        while chunk := file.read(_CHUNK_BYTES):
            held += chunk
            parts, at = [], 0
            while True:
                if points is None:
                    key = _POINT_KEY.search(held, at)
                    if key is None:
                        break
                    parts.append(held[at : key.end()])
                    points, at = bytearray(), key.end()
                end = _END_OF_POINTS.search(held, at)
                points += held[at : end.start() if end else None]
                at = end.start() if end else len(held)
                if end is None:
                    break
                parts.append(self._keep(points))
                points = None
            cut = max(at, len(held) - _LONGEST_KEY)
            parts.append(held[at:cut])
            held = held[cut:]
            yield decoder.decode(b"".join(parts))
        yield decoder.decode(held, final=True)

    def _keep(self, points: bytearray) -> bytes:
        """Keep a list for later, and return what stands for it until then."""
        if points.count(b"[") != points.count(b"]"):
            return bytes(points)  # a list of something else
        end = points.rindex(b"]") + 1
        rest = bytes(points[end:])
        del points[end:]  # in place: it may fill much of the memory
        self._lists.append(points)
        return b'"\\u0000%d"' % (self._num_dropped + len(self._lists) - 1) + rest


@dataclass(frozen=True, slots=True)
class PointText:
    """A list of points, or of such lists, as it stands in the file."""

    text: bytes | bytearray


def points_of(value: Any) -> Any:
    """Return the points of a member of an object; see ``parse_points``.

    Raises:
        ValueError: It holds something else.
    """
    return parse_points(value.text if isinstance(value, PointText) else json.dumps(value).encode())
