"""Slides on another machine: a web server on this one."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import fsspec
import numpy as np
import pytest

from dfaseg.errors import MissingResolutionError, ReadError, SlideError, UnsupportedSlideError
from dfaseg.geometry import Rect
from dfaseg.slide import open_slide
from dfaseg.storage import network_errors
from tests.factories import (
    corrupt_tile,
    read_level,
    tissue_like_image,
    write_scn_slide,
    write_tiff_slide,
)

PHILIPS = (
    '<?xml version="1.0" encoding="UTF-8"?><DataObject ObjectType="DPUfsImport">'
    '<Attribute Name="DICOM_MANUFACTURER">PHILIPS</Attribute>'
    '<Attribute Name="DICOM_PIXEL_SPACING">"0.00025" "0.00025"</Attribute>'
    "</DataObject>"
)
IMAGE = tissue_like_image(600, 400, seed=6)


@dataclass
class Server:
    """A folder served over HTTP, and a tally of the bytes sent."""

    folder: Path
    url: str = ""
    honours_ranges: bool = True
    sent_bytes: list[int] = field(default_factory=list)

    def cut(self, content: bytes, wanted: str | None) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body for the ``Range`` header of a request."""
        if not self.honours_ranges:
            return 200, {}, content
        if not wanted:
            return 200, {"Accept-Ranges": "bytes"}, content
        first, last = (int(text) for text in wanted.removeprefix("bytes=").split("-"))
        part = content[first : last + 1]
        return 206, {"Content-Range": f"bytes {first}-{last}/{len(content)}"}, part


class Handler(BaseHTTPRequestHandler):
    """Answers for the state that a subclass holds."""

    state: ClassVar[Server]

    def do_HEAD(self) -> None:
        """Send headers only."""
        self.do_GET()

    def do_GET(self) -> None:
        """Send a file or a part of it."""
        path = self.state.folder / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        status, headers, body = self.state.cut(path.read_bytes(), self.headers.get("Range"))
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.state.sent_bytes.append(len(body))
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again soon: what is tried again is tested, not for how long."""
    monkeypatch.setattr(network_errors, "WAITS_SECONDS", (0.01, 0.01))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Running web server of ``tmp_path``."""
    state = Server(tmp_path)
    handler = type("StateHandler", (Handler,), {"state": state})
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    httpd.daemon_threads = True
    state.url = f"http://127.0.0.1:{httpd.server_port}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_remote_slide_is_the_same_slide(server: Server) -> None:
    """Pixels, levels, resolution and fingerprint do not depend on the way."""
    path = write_tiff_slide(server.folder / "a.svs", IMAGE, tile_px=128, aperio=True)

    here, there = open_slide(path), open_slide(f"{server.url}/a.svs")

    assert there.info.reader == "tiff"
    assert (there.info.slide_id, there.info.mpp) == ("a", 0.5)
    assert there.info.fingerprint == here.info.fingerprint
    assert there.info.levels == here.info.levels
    assert np.array_equal(read_level(there), read_level(here))


def test_one_tile_costs_one_small_request(server: Server) -> None:
    """Nothing but headers and wanted tiles travels."""
    path = write_tiff_slide(
        server.folder / "a.tif", tissue_like_image(2000, 1000), compression="none"
    )
    slide = open_slide(f"{server.url}/a.tif")
    server.sent_bytes.clear()

    slide.read_tile(0, 3, 2)

    assert server.sent_bytes == [256 * 256 * 3]
    assert path.stat().st_size > 10 * sum(server.sent_bytes)


def test_threads_read_side_by_side(server: Server) -> None:
    """The network's latency is shared among threads."""
    write_tiff_slide(server.folder / "a.tif", IMAGE, tile_px=128, compression="none")
    slide = open_slide(f"{server.url}/a.tif")
    places = [(col, row) for row in range(3) for col in range(4)]

    with ThreadPoolExecutor(4) as pool:
        patches = list(pool.map(lambda place: slide.read_tile(0, *place), places))

    for (col, row), patch in zip(places, patches, strict=True):
        expected = IMAGE[row * 128 : row * 128 + 128, col * 128 : col * 128 + 128]
        assert patch is not None
        assert np.array_equal(patch[: len(expected), : expected.shape[1]], expected)


def test_philips_slide_goes_to_tiffslide(server: Server) -> None:
    """What is no plain grid is read through another library, one thread at a time."""
    path = write_tiff_slide(
        server.folder / "a.tiff",
        IMAGE,
        compression="none",
        downsamples=(1,),
        software="Philips DP v1.0",
        description=PHILIPS,
    )

    slide = open_slide(f"{server.url}/{path.name}")

    assert (slide.info.reader, slide.info.mpp) == ("tiffslide", 0.25)
    assert np.array_equal(read_level(slide), IMAGE)
    slide.close()
    with pytest.raises(ReadError):
        slide.read_tile(0, 0, 0)


def test_ndpi_is_the_same_remotely(server: Server, real_data: Path) -> None:
    """Strips as wide as the slide are cut into the same blocks as OpenSlide's."""
    server.folder = real_data / "slides"

    here = open_slide(server.folder / "fluorescence-DAPI.ndpi")
    there = open_slide(f"{server.url}/fluorescence-DAPI.ndpi")

    assert there.info.reader == "tiffslide"
    assert there.info.mpp == pytest.approx(here.info.mpp)
    patch, same = there.read_tile(1, 0, 1), here.read_tile(1, 0, 1)
    assert patch is not None
    assert same is not None
    assert np.abs(patch.astype(int) - same).max() <= 1


def test_slide_that_tiffslide_gets_wrong_is_refused(server: Server) -> None:
    """Better no pixels than pixels in the wrong place."""
    bounds = Rect(0, 0, 600, 400)
    write_scn_slide(server.folder / "a.scn", IMAGE, level0_bounds=bounds, canvas=(600, 400))

    with pytest.raises(UnsupportedSlideError, match="copy it to this machine first"):
        open_slide(f"{server.url}/a.scn", mpp=0.5)


def test_any_file_system_will_do(tmp_path: Path) -> None:
    """What fsspec can reach can be read."""
    path = write_tiff_slide(tmp_path / "a.tif", IMAGE, compression="none")
    memory = fsspec.filesystem("memory")
    memory.pipe("/remote/a.tif", path.read_bytes())

    slide = open_slide("memory://remote/a.tif")

    assert np.array_equal(read_level(slide), IMAGE)
    memory.rm("/remote/a.tif")


def test_plug_in_error_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing credentials and the like come in error classes of the file system's own."""

    class NoCredentialsError(Exception):
        pass

    def refuse(*_: object, **_options: object) -> None:
        raise NoCredentialsError("Unable to locate credentials")

    monkeypatch.setattr(fsspec.core, "url_to_fs", refuse)

    with pytest.raises(SlideError, match=r"cannot be reached \(Unable to locate credentials\)"):
        open_slide("s3://bucket/a.svs")


def test_missing_remote_file_is_named(server: Server) -> None:
    """The message holds the URL."""
    with pytest.raises(SlideError, match=r"slide 'none\.svs': no such file 'http://127"):
        open_slide(f"{server.url}/none.svs")


def test_server_that_does_not_answer_is_named() -> None:
    """Port 1 is closed everywhere."""
    with pytest.raises(SlideError, match=r"slide 'a\.svs': cannot be reached"):
        open_slide("http://127.0.0.1:1/a.svs")


def test_unknown_protocol_is_named() -> None:
    """A typing error in the URL is told as such."""
    with pytest.raises(SlideError, match=r"slide 'a\.svs': cannot be reached \(.*htp"):
        open_slide("htp://host/a.svs")


def test_server_without_ranges_is_refused(server: Server) -> None:
    """A slide cannot be read piece by piece from a server that only sends it whole."""
    write_tiff_slide(server.folder / "a.tif", IMAGE)
    server.honours_ranges = False

    with pytest.raises(SlideError, match="range"):
        open_slide(f"{server.url}/a.tif")


def test_other_remote_files_are_refused_with_a_way_out(server: Server) -> None:
    """MRXS and DICOM are many files; pictures are small."""
    (server.folder / "a.png").write_bytes(b"\x89PNG\r\n" + bytes(100))

    with pytest.raises(UnsupportedSlideError, match="copy it to this machine first"):
        open_slide(f"{server.url}/a.png")


def test_remote_tiff_that_no_reader_knows_is_refused(server: Server) -> None:
    """Both reasons are told."""
    (server.folder / "a.tif").write_bytes(b"II*\0" + b"\xff" * 400)

    with pytest.raises(UnsupportedSlideError, match=r"damaged TIFF.*tiffslide cannot"):
        open_slide(f"{server.url}/a.tif")


def test_remote_slide_needs_a_resolution_too(server: Server) -> None:
    """The rules on resolution are the same."""
    write_tiff_slide(server.folder / "a.tif", IMAGE, mpp=None)

    with pytest.raises(MissingResolutionError):
        open_slide(f"{server.url}/a.tif")


def test_corrupt_tile_is_a_read_error_and_a_vanished_file_is_the_end(server: Server) -> None:
    """Bad data fails its tile; without the file, all others would be called damaged, too."""
    path = write_tiff_slide(server.folder / "a.tif", IMAGE, tile_px=128)
    corrupt_tile(path, level=0, col=0, row=0)
    slide = open_slide(f"{server.url}/a.tif")

    with pytest.raises(ReadError, match="column 0, row 0"):
        slide.read_tile(0, 0, 0)
    path.unlink()
    with pytest.raises(SlideError, match=r"a\.tif' cannot be read any more") as lost:
        slide.read_tile(0, 1, 0)
    assert not isinstance(lost.value, ReadError)
    slide.close()
    with pytest.raises(ReadError, match="closed"):
        slide.read_tile(0, 1, 0)
