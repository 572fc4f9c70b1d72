"""JPEG streams taken apart, to build those that scanners write and encoders do not."""


def header_segments(jpeg: bytes, *markers: int) -> list[bytes]:
    """Return the header segments with these markers."""
    return [part for marker, part in _split_header(jpeg)[0] if marker in markers]


def without_segments(jpeg: bytes, *markers: int) -> bytes:
    """Return a JPEG without those header segments."""
    segments, scan = _split_header(jpeg)
    return jpeg[:2] + b"".join(part for marker, part in segments if marker not in markers) + scan


def _split_header(jpeg: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Return the segments before the scan, each with its marker, and the rest."""
    segments, at = [], 2
    while jpeg[at + 1] != 0xDA:
        length = 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        segments.append((jpeg[at + 1], jpeg[at : at + length]))
        at += length
    return segments, jpeg[at:]
