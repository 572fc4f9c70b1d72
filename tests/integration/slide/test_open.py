"""Which reader opens what, and what is said when none does."""

import os
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dfaseg.errors import ConfigError, SlideError, UnsupportedSlideError
from dfaseg.geometry import Rect
from dfaseg.slide import open as open_module
from dfaseg.slide import open_slide
from tests.factories import tissue_like_image, write_scn_slide, write_tiff_slide

IMAGE = tissue_like_image(96, 64, seed=5)


def test_missing_file_is_named(tmp_path: Path) -> None:
    """The message holds name and path."""
    with pytest.raises(SlideError, match=r"slide 'a\.svs': no such file '/.*a\.svs'") as caught:
        open_slide(tmp_path / "a.svs")

    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_folder_is_not_a_slide(tmp_path: Path) -> None:
    """DICOM and MRXS come in folders; one file of them is the slide."""
    with pytest.raises(SlideError, match="is a folder; pass the slide file inside it"):
        open_slide(tmp_path)


def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Nobody may ever write to it, and a signal would not end the wait."""
    os.mkfifo(tmp_path / "a.svs")

    with pytest.raises(SlideError, match="a pipe or device, not a file"):
        open_slide(tmp_path / "a.svs")


def test_forbidden_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system says is passed on."""

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(open_module, "FileSource", refuse)

    with pytest.raises(SlideError, match=r"slide 'a\.svs': cannot be read \(Permission denied\)"):
        open_slide(tmp_path / "a.svs")


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"II*\0", b"II*\0" + b"\xff" * 400, b"IJrE" + bytes(900)],
    ids=["empty", "text", "magic only", "wild offsets", "broken header"],
)
def test_file_of_no_known_kind_is_unsupported(tmp_path: Path, content: bytes) -> None:
    """The message tells why each reader refused, and what to do."""
    path = tmp_path / "a.svs"
    path.write_bytes(content)

    with pytest.raises(UnsupportedSlideError, match=r"native: .*OpenSlide: .*picture: .*convert"):
        open_slide(path)


@pytest.mark.parametrize("kind", ["tiff", "openslide", "picture"])
def test_every_reader_takes_the_users_resolution(tmp_path: Path, kind: str) -> None:
    """--mpp wins everywhere, and is checked everywhere."""
    path = _write(tmp_path, kind)

    info = open_slide(str(path), mpp=0.75).info

    assert info.reader == kind
    assert (info.mpp, info.mpp_source) == (0.75, "--mpp")
    assert (info.slide_id, info.location) == ("a", str(path))
    with pytest.raises(ConfigError, match="--mpp 100"):
        open_slide(path, mpp=100)


@pytest.mark.parametrize("kind", ["tiff", "openslide", "picture"])
def test_fingerprint_does_not_depend_on_the_path(tmp_path: Path, kind: str) -> None:
    """A moved slide is still the same, whatever reads it."""
    path = _write(tmp_path, kind)
    before = open_slide(path, mpp=0.5).info.fingerprint
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "mask.txt").write_text("a result in a folder of the slide's name")
    moved = path.rename(tmp_path / f"b{path.suffix}")

    assert open_slide(moved, mpp=0.5).info.fingerprint == before


def test_file_url_is_a_local_path(tmp_path: Path) -> None:
    """Lists of slides may hold file URLs."""
    path = write_tiff_slide(tmp_path / "a b.tif", IMAGE)

    assert open_slide(path.as_uri()).info.slide_id == "a b"


def test_failed_opening_leaves_no_file_open(tmp_path: Path) -> None:
    """A thousand bad slides must not use up the process's files."""
    path = write_tiff_slide(tmp_path / "a.tif", IMAGE, mpp=None)
    before = _open_files()

    for _ in range(3):
        with pytest.raises(SlideError):
            open_slide(path)

    assert _open_files() <= before


@pytest.mark.parametrize("aperio", [False, True], ids=["generic", "aperio"])
def test_damaged_headers_raise_known_errors_only(tmp_path: Path, aperio: bool) -> None:
    """Whatever bytes of the header are wrong, one slide fails in one way and the run goes on."""
    path = write_tiff_slide(tmp_path / "a.svs", IMAGE, tile_px=32, aperio=aperio)
    intact = path.read_bytes()
    rng = random.Random(7)
    outcomes = set()

    for _ in range(40):
        damaged = bytearray(intact)
        for _ in range(3):
            damaged[rng.randrange(4, 300)] = rng.randrange(256)
        path.write_bytes(damaged)
        outcomes.add(_try_to_read(path))

    assert outcomes <= {"read", "refused"}
    assert len(outcomes) == 2


def _try_to_read(path: Path) -> str:
    try:
        slide = open_slide(path, mpp=0.5)
        slide.read_tile(0, 0, 0)
    except SlideError:
        return "refused"
    slide.close()
    return "read"


def _write(folder: Path, kind: str) -> Path:
    if kind == "tiff":
        return write_tiff_slide(folder / "a.tif", IMAGE)
    if kind == "openslide":
        return write_scn_slide(
            folder / "a.scn", IMAGE, level0_bounds=Rect(0, 0, 96, 64), canvas=(128, 128)
        )
    Image.fromarray(np.asarray(IMAGE)).save(folder / "a.png")
    return folder / "a.png"


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
