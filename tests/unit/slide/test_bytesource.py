"""Random access to bytes."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dfaseg.slide.bytesource import FileSource, SourceReader, read_exactly

CONTENT = bytes(range(256)) * 8


@pytest.fixture
def source(tmp_path: Path) -> FileSource:
    """Open file of 2048 known bytes."""
    path = tmp_path / "a.bin"
    path.write_bytes(CONTENT)
    return FileSource(path)


def test_bytes_are_read_by_position(source: FileSource) -> None:
    """Reads do not depend on each other; the end cuts them short."""
    assert source.size == len(CONTENT)
    assert source.pread(300, 5) == CONTENT[300:305]
    assert source.pread(2046, 10) == CONTENT[2046:]
    assert source.pread(5000, 10) == b""


def test_exact_read_past_the_end_fails(source: FileSource) -> None:
    """A cut file is told from a short tile."""
    assert read_exactly(source, 2000, 48) == CONTENT[2000:]
    with pytest.raises(EOFError, match="cut short, it ends at byte 2048"):
        read_exactly(source, 2000, 49)


def test_closed_source_fails(source: FileSource) -> None:
    """Closing twice is harmless; reading afterwards is an error."""
    source.close()
    source.close()

    with pytest.raises(OSError, match="Bad file descriptor"):
        source.pread(0, 1)


def test_forgotten_source_is_closed(tmp_path: Path) -> None:
    """A slide that nobody closed does not keep its file open."""
    (tmp_path / "a.bin").write_bytes(CONTENT)
    before = len(list(Path("/proc/self/fd").iterdir()))

    source = FileSource(tmp_path / "a.bin")
    del source

    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_threads_do_not_disturb_each_other(source: FileSource) -> None:
    """There is no shared position."""
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda at: source.pread(at, 16), range(0, 2048, 16)))

    assert b"".join(parts) == CONTENT


def test_source_reads_as_a_stream(source: FileSource) -> None:
    """Libraries that parse headers see an ordinary file."""
    stream = io.BufferedReader(SourceReader(source), 64)

    assert stream.read() == CONTENT
    assert stream.seek(-4, io.SEEK_END) == 2044
    assert stream.read(9) == CONTENT[2044:]
    assert stream.seek(10) == 10
    assert stream.seek(5, io.SEEK_CUR) == 15
    assert stream.read(3) == CONTENT[15:18]
    assert stream.tell() == 18
