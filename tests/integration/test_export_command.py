"""``dfaseg export`` as a command: every format, what it refuses, and what it leaves behind."""

import gzip
import json
import re
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.cli.main import cli
from dfaseg.errors import StoppedError
from dfaseg.evaluation.mask_files import open_mask_file
from dfaseg.exporting import ome_tiff, png
from dfaseg.exporting.export import export_mask
from dfaseg.exporting.spec import ExportSpec
from dfaseg.stitcher.mask_reader import open_mask
from tests.evaluating import blotches, run_eval, scores_of
from tests.exporting import BOUNDS, SLIDE_MPP, export_to, filled, run_export, write_mask
from tests.outlines import CLASSES
from tests.predicting import everything_below

MASK = np.kron(blotches(100, 160), np.ones((7, 7), np.uint8))[:, :1100]
"""Of three classes and 255, three levels, chunks that overhang."""
POLYGONS = ("m.geojson", "m.geojson.gz", "m.json")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished mask; tests only read it."""
    return write_mask(tmp_path_factory.mktemp("store") / "m.zarr", MASK)


def parse(path: Path) -> dict[str, Any]:
    """Read a JSON file, compressed or not."""
    data = path.read_bytes()
    found: dict[str, Any] = json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
    return found


@pytest.mark.parametrize("name", POLYGONS)
def test_polygons_give_the_mask_back(tmp_path: Path, store: Path, name: str) -> None:
    """Of a mask that is read in strips, chunk row by chunk row."""
    polygons = export_to(store, tmp_path / name)
    assert np.array_equal(filled(polygons, MASK.shape), MASK)


def test_exports_are_the_same_bytes_each_time(tmp_path: Path, store: Path) -> None:
    """Nothing of when or where."""
    for name in (*POLYGONS, "m.ome.tif", "m.png"):
        (tmp_path / "x").mkdir(exist_ok=True)
        first, again = export_to(store, tmp_path / name), export_to(store, tmp_path / "x" / name)
        assert first.read_bytes() == again.read_bytes()


def test_ome_tiff_holds_every_level(tmp_path: Path, store: Path) -> None:
    """Bit for bit those of the mask, tiled, in SubIFDs, with the resolution of each."""
    path = export_to(store, tmp_path / "m.ome.tif")
    reader = open_mask(store)
    with tifffile.TiffFile(path) as tiff:
        levels = tiff.series[0].levels
        assert tiff.is_ome
        assert not tiff.is_bigtiff
        assert len(tiff.pages) == 1
        assert len(levels) == reader.num_levels == 3
        for number, level in enumerate(levels):
            page = level.pages[0]
            assert np.array_equal(level.asarray(), reader.read(number))
            assert (page.tilewidth, page.tilelength, page.is_reduced) == (512, 512, number > 0)
            assert int(page.compression) == 8
            per_cm = [numerator / over for numerator, over in (page.tags[282].value,)]
            assert per_cm[0] * SLIDE_MPP * 2 * 2**number == pytest.approx(1e4)


def test_large_masks_become_big_tiff(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where 32-bit offsets could end."""
    monkeypatch.setattr(ome_tiff, "MAX_CLASSIC_BYTES", MASK.size)
    with tifffile.TiffFile(export_to(store, tmp_path / "m.ome.tif")) as tiff:
        assert tiff.is_bigtiff
        assert np.array_equal(tiff.asarray(), MASK)


def test_ome_tiff_is_a_prediction_with_names_and_place(tmp_path: Path, store: Path) -> None:
    """``eval`` takes from it what it takes from the mask itself."""
    path = export_to(store, tmp_path / "m.ome.tif")
    ours, theirs = open_mask_file(store), open_mask_file(path)
    assert (theirs.frame, theirs.classes, theirs.slide_id) == (ours.frame, CLASSES, "slide")
    theirs.close()

    polygons = export_to(store, tmp_path / "m.geojson")
    result = run_eval(path, "--truth", polygons, "--out", tmp_path / "scores")

    assert result.exit_code == 0, result.output
    assert scores_of(tmp_path / "scores")["pooled"]["pixel_accuracy"] == 1


@pytest.mark.parametrize("name", ["m.geojson", "m.geojson.gz", "m.json", "m.ome.tif", "m.png"])
def test_what_a_killed_export_left_is_removed(tmp_path: Path, store: Path, name: str) -> None:
    """Gigabytes of a large slide would stay under a hidden name, one more for each kill."""
    (tmp_path / f".{name}.dfaseg.0123abcd.tmp").write_bytes(b"half a file")
    (tmp_path / f".{name}.dfaseg.abcd0123.tmp").touch()

    export_to(store, tmp_path / name)

    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".m")] == []


def test_png_has_the_colours_of_the_classes(tmp_path: Path, store: Path) -> None:
    """Its indices are the mask; ``eval`` reads them."""
    path = export_to(store, tmp_path / "m.png")
    with Image.open(path) as picture:
        assert np.array_equal(np.asarray(picture), MASK)
        row, col = np.argwhere(MASK == 1)[0].tolist()
        assert picture.convert("RGB").getpixel((col, row)) == CLASSES[1].colour
    assert np.array_equal(open_mask_file(path).read_rows(0, 700), MASK)


def test_large_mask_is_no_png(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says what to choose instead."""
    monkeypatch.setattr(png, "MAX_PX", MASK.size - 1)
    result = run_export(store, "--out", tmp_path / "m.png")
    assert result.exit_code == 1
    assert "too many for a PNG" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_options_change_the_polygons(tmp_path: Path, store: Path) -> None:
    """Specks are left out, outlines straightened, and the file says so."""
    everything = parse(export_to(store, tmp_path / "a.geojson"))
    few = parse(export_to(store, tmp_path / "b.geojson", "--min-area", 1000, "--simplify", 3))
    assert 0 < len(few["features"]) < len(everything["features"])
    assert (few["dfaseg"]["min_area_um2"], few["dfaseg"]["simplify_px"]) == (1000, 6)


def test_options_of_the_prediction_hold_if_nothing_is_said(tmp_path: Path) -> None:
    """The file is the one that lies beside the mask."""
    recipe = {"origin": "level0", "simplify_um": 1.0, "min_area_um2": 5.0}
    mask = write_mask(tmp_path / "m.zarr", MASK[:50, :50], recipe=recipe)
    facts = parse(export_to(mask, tmp_path / "a.geojson"))["dfaseg"]
    assert (facts["frame"], facts["simplify_px"], facts["min_area_um2"]) == ("level0", 2, 5)


@pytest.mark.parametrize(
    ("name", "options", "origin"),
    [
        ("m.geojson", (), BOUNDS[:2]),
        ("m.geojson", ("--origin", "level0"), (0, 0)),
        ("m.geojson", ("--origin", "bounds"), BOUNDS[:2]),
        ("m.json", (), (0, 0)),
        ("m.json", ("--origin", "auto"), BOUNDS[:2]),
    ],
)
def test_origin_of_a_slide_with_bounds(
    tmp_path: Path, name: str, options: tuple[str, ...], origin: tuple[int, int]
) -> None:
    """QuPath counts from the bounds, the archive from the slide's corner."""
    mask = write_mask(tmp_path / "s.zarr", MASK[:90, :120], bounds=list(BOUNDS))
    path = export_to(mask, tmp_path / name, *options)
    content = parse(path)
    facts = content["dfaseg"] if "dfaseg" in content else content["attributes"]["dfaseg"]
    assert tuple(facts["origin"]) == origin
    assert np.array_equal(filled(path, (90, 120)), MASK[:90, :120])


def test_bounds_of_a_slide_without_any_are_refused(tmp_path: Path, store: Path) -> None:
    """As ``predict`` does."""
    result = run_export(store, "--out", tmp_path / "m.geojson", "--origin", "bounds")
    assert result.exit_code == 1
    assert "states no bounds" in result.stderr


def test_mask_that_knows_of_no_bounds_warns(tmp_path: Path) -> None:
    """The first masks did not note them down."""
    slide = {"id": "slide", "mpp": SLIDE_MPP}
    mask = write_mask(tmp_path / "m.zarr", MASK[:20, :20], slide=slide)
    result = run_export(mask, "--out", tmp_path / "m.geojson")
    assert result.exit_code == 0
    assert "does not say whether its slide has bounds" in result.stderr


@pytest.mark.parametrize("name", [*POLYGONS, "m.ome.tif", "m.png"])
def test_mask_without_anything_in_it(tmp_path: Path, name: str) -> None:
    """Nothing analysed is a result as well."""
    mask = write_mask(tmp_path / "s.zarr", np.full((30, 20), IGNORE_INDEX, np.uint8))
    path = export_to(mask, tmp_path / name)
    if name in POLYGONS:
        assert np.all(filled(path, (30, 20)) == IGNORE_INDEX)


@pytest.mark.parametrize("name", [*POLYGONS, "m.ome.tif", "m.png"])
def test_export_is_replaced_only_on_request(tmp_path: Path, store: Path, name: str) -> None:
    """And stays as it is otherwise."""
    other = write_mask(tmp_path / "other.zarr", MASK[:50, :50])
    path = export_to(other, tmp_path / name)
    before = path.read_bytes()

    refused = run_export(store, "--out", path)

    assert refused.exit_code == 1
    assert "pass --overwrite" in refused.stderr
    assert path.read_bytes() == before
    export_to(store, path, "--overwrite")
    assert path.read_bytes() != before


def _foreign_files(folder: Path) -> list[Path]:
    """Write files of others under the names of exports."""
    (folder / "a.geojson").write_text('{"type":"FeatureCollection","features":[]}')
    (folder / "a.geojson.gz").write_bytes(gzip.compress(b'{"type":"FeatureCollection"}'))
    (folder / "a.json").write_text('{"name": "dfaseg: mine", "elements": []}')
    tifffile.imwrite(folder / "a.ome.tif", MASK[:64, :64])
    (folder / "b.tif").write_bytes(b"II*\0 cut off")
    Image.fromarray(MASK[:64, :64]).save(folder / "a.png")
    (folder / "link.json").symlink_to(folder / "nowhere")
    return sorted(folder.iterdir())


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
def test_file_of_somebody_else_is_never_replaced(
    tmp_path: Path, store: Path, options: tuple[str, ...]
) -> None:
    """Whatever its name, slides included; nor is --overwrite advised."""
    (tmp_path / "f").mkdir()
    for path in _foreign_files(tmp_path / "f"):
        before = everything_below(tmp_path)
        forms = ("--format", "ome-tiff") if path.suffix == ".tif" else ()

        result = run_export(store, "--out", path, *forms, *options)

        assert result.exit_code == 1
        (line,) = result.stderr.splitlines()
        assert f"output '{path}': is there already, was not written by dfaseg" in line
        assert "--overwrite" not in line
        assert everything_below(tmp_path) == before


@pytest.mark.parametrize("name", ["zarr.json", "new.geojson", "labels/tissue/x.png"])
def test_nothing_is_written_into_a_mask(tmp_path: Path, name: str) -> None:
    """Neither into the one that is read nor into others."""
    mask = write_mask(tmp_path / "m.zarr", MASK[:50, :50])
    before = everything_below(mask)

    result = run_export(mask, "--out", mask / name, "--overwrite")

    assert result.exit_code == 1
    assert f"output '{mask / name}': would lie inside '{mask}" in result.stderr
    assert everything_below(mask) == before


def _damage(store: Path) -> None:
    chunk = next(path for path in (store / "labels" / "tissue" / "0").rglob("c/*/*"))
    chunk.write_bytes(chunk.read_bytes()[: chunk.stat().st_size // 2])


def _unfinish(store: Path) -> None:
    path = store / "zarr.json"
    metadata = json.loads(path.read_text())
    del metadata["attributes"]["dfaseg"]
    path.write_text(json.dumps(metadata))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (_unfinish, "is not finished"),
        (_damage, "mask '"),
        (shutil.rmtree, "there is no dfaseg mask here"),
        (lambda store: (store / "labels" / "zarr.json").write_text("{}"), "mask '"),
    ],
    ids=["unfinished", "damaged", "missing", "no mask"],
)
@pytest.mark.parametrize("name", ["m.geojson", "m.json", "m.ome.tif", "m.png"])
def test_bad_mask_is_one_line_and_leaves_nothing(
    tmp_path: Path, store: Path, name: str, spoil: Any, problem: str
) -> None:
    """The mask is named; no file and no leftovers appear."""
    mask, out = tmp_path / "bad.zarr", tmp_path / "out"
    shutil.copytree(store, mask)
    spoil(mask)
    out.mkdir()

    result = run_export(mask, "--out", out / name)

    assert result.exit_code == 1, result.output
    assert problem in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert list(out.iterdir()) == []


def test_record_without_a_slide_has_pixels_only(tmp_path: Path) -> None:
    """Polygons need to know where they lie; a label image does not."""
    mask = write_mask(tmp_path / "m.zarr", MASK[:20, :20], slide={}, level0_px_per_mask_px=None)
    result = run_export(mask, "--out", tmp_path / "m.json")
    assert result.exit_code == 1
    assert "not a dfaseg mask, or damaged" in result.stderr
    assert np.array_equal(tifffile.imread(export_to(mask, tmp_path / "m.ome.tif")), MASK[:20, :20])


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("nowhere/m.json", "create it first"),
        ("m.bmp", "tells no format"),
        ("d.json", "is a folder"),
    ],
)
def test_impossible_file_is_refused(tmp_path: Path, store: Path, name: str, problem: str) -> None:
    """Before anything is read."""
    (tmp_path / "d.json").mkdir()
    result = run_export(store, "--out", tmp_path / name, "--overwrite")
    assert result.exit_code == 1
    assert problem in result.stderr


@pytest.mark.parametrize("name", [*POLYGONS, "m.ome.tif", "m.png"])
@pytest.mark.parametrize("small_disk", [20], indirect=True)
def test_full_disk_is_said_and_leaves_nothing(small_disk: Path, tmp_path: Path, name: str) -> None:
    """What was written so far is removed."""
    noise = np.random.default_rng(0).integers(0, 3, (300, 400)).astype(np.uint8)
    mask = write_mask(tmp_path / "m.zarr", noise)

    result = run_export(mask, "--out", small_disk / name)

    assert result.exit_code == 1
    assert "free some space" in result.stderr
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("name", [*POLYGONS, "m.ome.tif", "m.png"])
def test_stop_leaves_nothing(tmp_path: Path, store: Path, name: str) -> None:
    """A file is whole or not there."""
    stop = threading.Event()

    with pytest.raises(StoppedError, match="nothing was written"):
        export_mask(
            ExportSpec(mask=store, out=tmp_path / name),
            progress=lambda _done, _all: stop.set(),
            stop=stop,
        )

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["m.json", "m.ome.tif"])
def test_progress_ends_at_the_last_row(tmp_path: Path, store: Path, name: str) -> None:
    """And never goes back."""
    seen: list[tuple[int, int]] = []

    export_mask(
        ExportSpec(mask=store, out=tmp_path / name),
        progress=lambda done, total: seen.append((done, total)),
    )

    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1] == {"m.json": 700, "m.ome.tif": 700 + 350 + 175}[name]


def test_quiet_export_says_where_the_file_is_and_no_more(tmp_path: Path, store: Path) -> None:
    """Its size is news, in a unit in which it is not nought."""
    said = CliRunner().invoke(cli, ["export", str(store), "--out", str(tmp_path / "m.png")])
    quiet = CliRunner().invoke(cli, ["-q", "export", str(store), "--out", str(tmp_path / "n.png")])

    assert re.fullmatch(r"dfaseg: [1-9][\d.]* kB\n", said.stderr)
    assert (quiet.stdout, quiet.stderr) == (f"png       {tmp_path / 'n.png'}\n", "")
