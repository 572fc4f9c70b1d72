"""``dfaseg`` as a command: what it prints where, what it imports, and odd slides."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import ExifTags, Image

from dfaseg import __version__
from dfaseg.classmap import IGNORE_INDEX
from dfaseg.cli import progress
from dfaseg.cli.main import cli
from dfaseg.geometry import Rect
from tests.factories import Compression, tissue_like_image, write_scn_slide, write_tiff_slide
from tests.model_files import write_tiny_model
from tests.predicting import everything_below, mask_of, rasterized, record_of, run_command

ENDINGS = ("areas.csv", "geojson", "overlay.png", "run.json", "zarr")
HEAVY = (
    "torch",
    "timm",
    "zarr",
    "cv2",
    "numpy",
    "scipy",
    "skimage",
    "openslide",
    "tifffile",
    "rich",
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tiny model; tests only read it."""
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.safetensors")


def dfaseg(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run the command in a process of its own."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-m", "dfaseg", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def predict(slide: object, out: Path, model: Path, *more: object) -> np.ndarray:
    """Run the command, check that all is well and every file is there, and return the mask."""
    result = run_command(slide, "--out", out, "--model", model, "--workers", 2, *more)
    assert result.exit_code == 0, result.output
    names = sorted(path.name for path in out.parent.iterdir() if path.name.startswith(out.stem))
    assert names == [f"{out.stem}.{ending}" for ending in ENDINGS]
    mask = mask_of(out)
    np.testing.assert_array_equal(rasterized(out, mask.shape), mask)
    return mask


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["no-such-command"]])
def test_group_imports_nothing_heavy(arguments: list[str]) -> None:
    """Help and mistakes are answered at once."""
    code = (
        "import sys\nfrom dfaseg.cli.main import cli\n"
        f"try: cli({arguments!r})\nexcept SystemExit: pass\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )

    assert result.returncode == 0, result.stderr


def test_help_of_predict_imports_no_torch() -> None:
    """The options of a command are read without what it runs on."""
    code = (
        "import sys\nfrom dfaseg.cli.main import cli\n"
        "try: cli(['predict', '--help'])\nexcept SystemExit: pass\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )

    assert result.returncode == 0, result.stderr


def test_version_and_mistakes() -> None:
    """The version goes to stdout; a mistake is explained on stderr with exit code 2."""
    assert dfaseg("--version").stdout.strip() == f"dfaseg, version {__version__}"
    mistake = dfaseg("segment")
    assert (mistake.returncode, mistake.stdout) == (2, "")
    assert "No such command 'segment'" in mistake.stderr


def test_results_go_to_stdout_and_all_else_to_stderr(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain progress lines where stderr is no terminal; areas and paths on stdout."""
    monkeypatch.setattr(progress, "PLAIN_SECONDS", 0.0)
    slide = write_tiff_slide(tmp_path / "s.tif", tissue_like_image(300, 200))

    result = run_command(slide, "--out", tmp_path / "m.zarr", "--model", model, "--tissue", "none")

    lines = result.stdout.splitlines()
    words = ["class"] * 4 + ["analysed", "mask", "polygons", "overlay", "areas", "record"]
    assert [line.split()[0] for line in lines] == words
    assert all(line.startswith("dfaseg: ") for line in result.stderr.splitlines())
    assert "patches (100 %)" in result.stderr
    assert "\x1b" not in result.output


@pytest.mark.parametrize("compression", ["jpeg", "jpeg2000", "lzw"])
def test_slides_of_every_codec(tmp_path: Path, model: Path, compression: Compression) -> None:
    """Each is decoded natively and segmented whole."""
    slide = write_tiff_slide(
        tmp_path / "s.tif", tissue_like_image(330, 210), tile_px=64, compression=compression
    )

    mask = predict(slide, tmp_path / "m.zarr", model, "--tissue", "none")

    assert mask.shape == (210, 330)
    assert (mask != IGNORE_INDEX).all()
    assert record_of(tmp_path / "m.zarr")["result"]["slide"]["reader"] == "tiff"


def test_sparse_slide_without_pyramid(tmp_path: Path, model: Path) -> None:
    """Tiles that were never stored are glass, not failures."""
    missing = [(0, col, row) for col in range(6) for row in range(2)]
    slide = write_tiff_slide(
        tmp_path / "s.tif",
        np.full((384, 384, 3), (226, 158, 190), np.uint8),
        tile_px=64,
        downsamples=(1,),
        missing=missing,
    )

    mask = predict(slide, tmp_path / "m.zarr", model)

    assert (mask[150:] != IGNORE_INDEX).all()
    assert (mask[:70] == IGNORE_INDEX).all()
    assert record_of(tmp_path / "m.zarr")["unreadable_native_tiles"] == []


def test_picture_with_mpp(tmp_path: Path, model: Path) -> None:
    """A plain picture needs --mpp, and then is a slide like any other."""
    Image.fromarray(tissue_like_image(300, 240)).save(tmp_path / "p.png")

    mask = predict(
        tmp_path / "p.png", tmp_path / "m.zarr", model, "--mpp", 0.25, "--tissue", "none"
    )

    assert mask.shape == (120, 150)


@pytest.mark.parametrize(
    "size",
    [(1, 1), (3, 700), (700, 3), (65, 40), (64, 64)],
    ids=lambda size: "x".join(map(str, size)),
)
def test_odd_sizes(tmp_path: Path, model: Path, size: tuple[int, int]) -> None:
    """Down to a single pixel; narrower than a patch; one row of tiles."""
    picture = np.full((*size[::-1], 3), (226, 158, 190), np.uint8)
    Image.fromarray(picture).save(tmp_path / "p.png")

    mask = predict(tmp_path / "p.png", tmp_path / "m.zarr", model, "--mpp", 0.5, "--tissue", "none")

    assert mask.shape == size[::-1]
    assert (mask != IGNORE_INDEX).all()


def test_slide_without_tissue(tmp_path: Path, model: Path) -> None:
    """Nothing is analysed, all is said, and that is a result."""
    slide = write_tiff_slide(tmp_path / "s.tif", np.full((300, 300, 3), 243, np.uint8))

    result = run_command(slide, "--out", tmp_path / "m.zarr", "--model", model)

    assert result.exit_code == 0
    assert "warning: slide 's': no stained tissue" in result.stderr
    assert (mask_of(tmp_path / "m.zarr") == IGNORE_INDEX).all()
    assert record_of(tmp_path / "m.zarr")["note"] == "no stained tissue, only glass, ink or black"
    assert rasterized(tmp_path / "m.zarr", (300, 300)).min() == IGNORE_INDEX


def test_tissue_picture_chooses(tmp_path: Path, model: Path) -> None:
    """Only what is not black is analysed; all black is a result as well."""
    slide = write_tiff_slide(tmp_path / "s.tif", tissue_like_image(256, 256))
    chosen = np.zeros((64, 64), np.uint8)
    for name, corner in (("some", 32), ("nothing", 0)):
        chosen[:corner, :corner] = 255
        chosen[corner:, corner:] = 0
        Image.fromarray(chosen if corner else chosen * 0).save(tmp_path / f"{name}.png")

    some = predict(slide, tmp_path / "a.zarr", model, "--tissue", tmp_path / "some.png")
    nothing = predict(slide, tmp_path / "b.zarr", model, "--tissue", tmp_path / "nothing.png")

    assert (some[:128, :128] != IGNORE_INDEX).all()
    assert (some[128:] == IGNORE_INDEX).all()
    assert (nothing == IGNORE_INDEX).all()


def test_tissue_picture_is_read_as_it_is_stored(tmp_path: Path, model: Path) -> None:
    """Like the slide, whatever its EXIF asks viewers to do."""
    slide = write_tiff_slide(tmp_path / "s.tif", tissue_like_image(256, 256))
    chosen = np.zeros((64, 64), np.uint8)
    chosen[:32] = 255
    marks = Image.Exif()
    marks[ExifTags.Base.Orientation] = 3
    Image.fromarray(chosen).save(tmp_path / "some.png", exif=marks)

    mask = predict(slide, tmp_path / "a.zarr", model, "--tissue", tmp_path / "some.png")

    assert (mask[:128] != IGNORE_INDEX).all()
    assert (mask[128:] == IGNORE_INDEX).all()


def test_slide_with_bounds(tmp_path: Path, model: Path) -> None:
    """OpenSlide lays a scanned area out on its canvas; what was not scanned is 255."""
    path = write_scn_slide(
        tmp_path / "s.scn",
        np.full((260, 300, 3), (226, 158, 190), np.uint8),
        level0_bounds=Rect(120, 72, 300, 260),
        canvas=(480, 400),
    )

    mask = predict(path, tmp_path / "m.zarr", model)

    assert mask.shape == (400, 480)
    assert (mask[80:320, 130:410] != IGNORE_INDEX).all()
    assert (mask[:15] == IGNORE_INDEX).all()


def test_compressed_polygons_elsewhere(tmp_path: Path, model: Path) -> None:
    """--geojson may name another folder and .gz."""
    (tmp_path / "p").mkdir()
    (tmp_path / "m").mkdir()
    slide = write_tiff_slide(tmp_path / "s.tif", tissue_like_image(200, 200))
    polygons = tmp_path / "p" / "x.geojson.gz"

    result = run_command(
        slide, "--out", tmp_path / "m" / "m.zarr", "--model", model, "--geojson", polygons
    )

    assert result.exit_code == 0, result.output
    assert polygons.read_bytes()[:2] == b"\x1f\x8b"
    assert not (tmp_path / "m" / "m.geojson").exists()


def test_overwrite_replaces_a_result(tmp_path: Path, model: Path) -> None:
    """And only then."""
    slide = write_tiff_slide(tmp_path / "s.tif", tissue_like_image(200, 200))
    predict(slide, tmp_path / "m.zarr", model, "--tissue", "none")

    again = predict(slide, tmp_path / "m.zarr", model, "--tissue", "none", "--overwrite")

    assert again.shape == (200, 200)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--limit-memory", "nan"),
        ("--limit-memory", "1e308"),
        ("--mpp", "inf"),
        ("--simplify", "nan"),
    ],
)
def test_numbers_that_are_none_are_refused(tmp_path: Path, option: str, value: str) -> None:
    """In one line, before anything is opened."""
    said = CliRunner().invoke(
        cli, ["predict", "sample", "--out", str(tmp_path / "m.zarr"), option, value]
    )

    assert said.exit_code == 2
    assert f"Invalid value for '{option}'" in said.output
    assert not list(tmp_path.iterdir())


def test_overwrite_replaces_a_link_by_a_result(tmp_path: Path, model: Path) -> None:
    """The mask that it led to stays as it is."""
    slide = write_tiff_slide(tmp_path / "s.tif", tissue_like_image(200, 200))
    predict(slide, tmp_path / "own.zarr", model, "--tissue", "none")
    before = everything_below(tmp_path / "own.zarr")
    (tmp_path / "link.zarr").symlink_to(tmp_path / "own.zarr")

    again = predict(slide, tmp_path / "link.zarr", model, "--tissue", "none", "--overwrite")

    assert again.shape == (200, 200)
    assert not (tmp_path / "link.zarr").is_symlink()
    assert everything_below(tmp_path / "own.zarr") == before
