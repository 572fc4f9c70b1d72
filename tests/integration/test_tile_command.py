"""``dfaseg tile``: what it writes, skips, refuses and says."""

import json
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dfaseg.cutting import folder, patch_writer, slide_run
from dfaseg.cutting.encoding import encode_patch
from dfaseg.cutting.slide_run import tile_slide
from dfaseg.cutting.spec import PatchFormat
from dfaseg.errors import StoppedError
from dfaseg.slide.inputs import SlideInput
from tests.cutting import picture_of, run_tile, slide_file, spec_of, table_of, written_files
from tests.factories import corrupt_tile, tissue_like_image, write_tiff_slide


def test_all_files_of_a_slide_are_written(tmp_path: Path) -> None:
    """Table, grid, picture, record and summary lie where the documentation says."""
    out = tmp_path / "out"

    result = run_tile(slide_file(tmp_path), "--out", out)

    assert result.exit_code == 0, result.output
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == {
        "slides.csv",
        "a/a.tiles.csv",
        "a/a.tiles.geojson",
        "a/a.tiles.json",
        "a/a.tiles.png",
    }
    assert len(table_of(out)) == 5 * 4
    assert result.stdout.splitlines()[1].split() == ["a", "20", "100.00", "0.060"]


def test_no_more_tissue_is_told_than_the_slide_has(tmp_path: Path) -> None:
    """Pixels of 230 µm overhang a slide of 300 × 200 µm; what is beside it is none of it."""
    result = run_tile(slide_file(tmp_path), "--out", tmp_path / "out", "--mpp", 230)

    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[1].split() == ["a", "1", "100.00", "0.060"]


def test_resolution_that_leaves_nothing_is_refused(tmp_path: Path) -> None:
    """It was said that no memory is left."""
    result = run_tile(slide_file(tmp_path), "--out", tmp_path / "out", "--mpp", 1_000_000)

    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == (
        "dfaseg: error: slide 'a': at 1e+06 µm per pixel nothing is left of its 300 × 200 µm;"
        " choose a finer resolution"
    )


@pytest.mark.parametrize("save", ["png", "jpeg"])
def test_patches_are_named_after_slide_and_place(tmp_path: Path, save: str) -> None:
    """A patch shows what the slide has at the place in its name."""
    out, image = tmp_path / "out", tissue_like_image(600, 400)

    result = run_tile(slide_file(tmp_path), "--out", out, "--save", save)

    assert result.exit_code == 0, result.output
    ending = {"png": ".png", "jpeg": ".jpg"}[save]
    names = [line["name"] for line in table_of(out)]
    patches = out / "a" / "patches"
    assert sorted(path.name for path in patches.iterdir()) == sorted(n + ending for n in names)
    patch = picture_of(patches / f"a_x128_y256{ending}").astype(int)
    assert np.abs(patch - image[256:384, 128:256]).mean() < (1 if save == "png" else 5)


def test_only_tiles_with_enough_tissue_are_cut(tmp_path: Path) -> None:
    """The table keeps the tiles whose share of tissue is at least as asked for."""
    slide = slide_file(tmp_path, mpp=4.0)
    outs = [tmp_path / "touching", tmp_path / "half"]

    for out, share in zip(outs, (0, 0.5), strict=True):
        run_tile(
            slide, "--out", out, "--tissue", "auto", "--min-tissue", share, "--patch-size", 32,
            "--mpp", 4,
        )  # fmt: skip

    touching, half = (table_of(out) for out in outs)
    assert half == [line for line in touching if float(line["tissue"]) >= 0.5]
    assert 0 < len(half) < len(touching) < 19 * 13


def test_finished_slides_are_skipped(tmp_path: Path) -> None:
    """A second run with the same settings touches nothing; one with others is refused."""
    out, slide = tmp_path / "out", slide_file(tmp_path)
    run_tile(slide, "--out", out)
    record = (out / "a" / "a.tiles.json").read_bytes()

    again = run_tile(slide, "--out", out)
    other = run_tile(slide, "--out", out, "--patch-size", 64)
    replaced = run_tile(slide, "--out", out, "--patch-size", 64, "--overwrite")

    assert again.exit_code == 0
    assert "was there" in again.stdout
    assert other.exit_code == 1
    assert "--overwrite" in other.stderr
    assert replaced.exit_code == 0
    assert (out / "a" / "a.tiles.json").read_bytes() != record
    assert len(table_of(out)) == 10 * 7


def test_folder_of_others_is_not_replaced(tmp_path: Path) -> None:
    """Not even when overwriting is asked for."""
    out = tmp_path / "out"
    (out / "a").mkdir(parents=True)
    (out / "a" / "thesis.txt").write_text("dear", "utf-8")

    result = run_tile(slide_file(tmp_path), "--out", out, "--overwrite")

    assert result.exit_code == 1
    assert "not written by dfaseg tile" in result.stderr
    assert (out / "a" / "thesis.txt").read_text("utf-8") == "dear"


def test_one_bad_slide_of_many_is_named(tmp_path: Path) -> None:
    """The others are cut, the exit code is 3 and the summary has those that are there."""
    out = tmp_path / "out"
    slides = [slide_file(tmp_path, "a"), slide_file(tmp_path, "b", seed=1)]
    broken = tmp_path / "broken.tiff"
    broken.write_bytes(b"nothing")

    result = run_tile(slides[0], broken, slides[1], "--out", out)

    assert result.exit_code == 3
    assert "slide 'broken' failed: no reader understands it" in result.stderr
    summary = (out / "slides.csv").read_text("utf-8").splitlines()
    assert [line.split(",")[0] for line in summary] == ["slide", "a", "b"]


def test_slides_with_the_same_id_are_refused(tmp_path: Path) -> None:
    """Nothing is written before all names are known to differ."""
    (tmp_path / "other").mkdir()
    slides = [slide_file(tmp_path), slide_file(tmp_path / "other")]

    result = run_tile(*slides, "--out", tmp_path / "out")

    assert result.exit_code == 1
    assert "slide id 'a'" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("slide_id", ["slides.csv", "classes.toml", "manifest.csv", "images"])
def test_ids_that_are_other_files_of_the_results_are_refused(tmp_path: Path, slide_id: str) -> None:
    """Before any other slide is cut."""
    slide_file(tmp_path)
    slides = tmp_path / "list.csv"
    slides.write_text(f"path,id\na.tiff,good\na.tiff,{slide_id}\n", "utf-8")

    result = run_tile(slides, "--out", tmp_path / "out")

    assert result.exit_code == 1
    assert f"slide id '{slide_id}'" in result.stderr
    assert "column id" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("out", "remedy"), [("notes", "choose another name"), ("notes/out", "not below a file")]
)
def test_file_in_the_place_of_the_results_is_named(tmp_path: Path, out: str, remedy: str) -> None:
    """In one line that says what to do."""
    slide = slide_file(tmp_path)
    (tmp_path / "notes").touch()

    result = run_tile(slide, "--out", tmp_path / out)

    assert result.exit_code == 1
    assert f"output folder '{tmp_path / out}': cannot be made" in result.stderr
    assert remedy in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_slide_without_tissue_is_no_failure(tmp_path: Path) -> None:
    """Its table is empty and the reason is said."""
    glass = np.full((300, 400, 3), 243, np.uint8)
    slide = write_tiff_slide(tmp_path / "glass.tiff", glass, compression="deflate", mpp=0.5)
    out = tmp_path / "out"

    result = run_tile(slide, "--out", out, "--tissue", "auto", "--save", "png", "--hdf5", "clam")

    assert result.exit_code == 0, result.output
    assert "no stained tissue" in result.stdout
    assert table_of(out, "glass") == []
    assert not list((out / "glass" / "patches").iterdir())


def test_slide_that_was_repaired_is_cut_again_if_told(tmp_path: Path) -> None:
    """It looks the same by size and ends; one that is as damaged as before counts as finished."""
    slide, out = _large_slide(tmp_path), tmp_path / "out"
    whole = slide.read_bytes()
    corrupt_tile(slide, 0, col=4, row=4)
    run_tile(slide, "--out", out, "--save", "png")
    damaged = written_files(out)

    again = run_tile(slide, "--out", out, "--save", "png", "--overwrite")
    assert again.exit_code == 0, again.output
    assert written_files(out) == damaged
    slide.write_bytes(whole)
    refused = run_tile(slide, "--out", out, "--save", "png")
    assert written_files(out) == damaged
    done = run_tile(slide, "--out", out, "--save", "png", "--overwrite")

    assert refused.exit_code == 1
    assert "can be now; pass --overwrite" in refused.stderr
    assert done.exit_code == 0, done.output
    assert len(table_of(out)) == 64
    assert (out / "a" / "patches" / "a_x512_y512.png").is_file()


def _large_slide(folder: Path) -> Path:
    """Write a slide whose middle is not among the bytes by which it is known again."""
    noise = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), np.uint8)
    return write_tiff_slide(folder / "a.tiff", noise, compression="deflate", tile_px=128, mpp=0.5)


def test_stopped_run_forgets_the_tiles_of_a_slide_that_was_repaired(tmp_path: Path) -> None:
    """It starts anew, and makes what a run that was never stopped makes."""
    slide, out = _large_slide(tmp_path), tmp_path / "out"
    whole = slide.read_bytes()
    expected = tmp_path / "expected"
    run_tile(slide, "--out", expected, "--save", "png")
    corrupt_tile(slide, 0, col=4, row=3)
    out.mkdir()
    stop = threading.Event()
    with pytest.raises(StoppedError):
        tile_slide(
            SlideInput("a", str(slide)),
            spec_of(out, patch_px=128, save="png", tissue="none"),
            progress=lambda done, _all: stop.set() if done > 40 else None,
            stop=stop,
        )
    slide.write_bytes(whole)

    done = run_tile(slide, "--out", out, "--save", "png")

    assert done.exit_code == 0, done.output
    assert "starting anew" in done.stderr
    assert written_files(out) == written_files(expected)


def test_tiles_that_cannot_be_decoded_are_left_out_and_counted(tmp_path: Path) -> None:
    """Neither patch nor line stands for what nobody can see."""
    slide = slide_file(tmp_path, downsamples=(1,))
    corrupt_tile(slide, 0, col=1, row=1)
    out = tmp_path / "out"

    result = run_tile(slide, "--out", out, "--save", "png")

    assert result.exit_code == 0, result.output
    names = {line["name"] for line in table_of(out)}
    assert len(names) == 19
    assert "a_x128_y128" not in names
    assert "1 tile left out that cannot be decoded" in result.stdout
    record = json.loads((out / "a" / "a.tiles.json").read_text("utf-8"))
    assert [(t["column"], t["row"]) for t in record["unreadable_native_tiles"]] == [(1, 1)]


def test_stopped_run_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    """What two halves write is what one run writes."""
    source = SlideInput("a", str(slide_file(tmp_path)))
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    whole.mkdir()
    halves.mkdir()
    tile_slide(source, spec_of(whole, save="png"))
    stop, seen = threading.Event(), list[int]()

    with pytest.raises(StoppedError, match="run the same command again"):
        tile_slide(source, spec_of(halves, save="png"), stop=stop, progress=lambda *_: stop.set())
    record = tile_slide(
        source, spec_of(halves, save="png"), progress=lambda done, _all: seen.append(done)
    )

    assert record.is_new
    assert seen[0] > 0
    assert written_files(halves) == written_files(whole)
    assert not [path for path in halves.iterdir() if path.name.startswith(".")]


def test_signal_stops_after_the_row_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit code says that running the same command again goes on, and it does."""
    out, slide = tmp_path / "out", slide_file(tmp_path)
    arguments = (slide, "--out", out, "--save", "png", "--patch-size", 64)

    def encode_once(pixels: NDArray[np.uint8], save: PatchFormat) -> bytes:
        monkeypatch.setattr(patch_writer, "encode_patch", encode_patch)
        os.kill(os.getpid(), signal.SIGTERM)
        return encode_patch(pixels, save)

    monkeypatch.setattr(patch_writer, "encode_patch", encode_once)
    stopped = run_tile(*arguments)
    finished = run_tile(*arguments)

    assert stopped.exit_code == 75, stopped.output
    assert "run the same command again" in stopped.stderr
    assert finished.exit_code == 0, finished.output
    assert len(list((out / "a" / "patches").iterdir())) == len(table_of(out)) == 10 * 7


def test_killed_while_putting_in_place_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was made is not made again, whichever file was the last that found its place."""
    out, slide = tmp_path / "out", slide_file(tmp_path)
    whole = tmp_path / "whole"
    run_tile(slide, "--out", whole, "--hdf5", "clam")
    monkeypatch.setattr(folder, "move_files", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tile_slide(
            SlideInput("a", str(slide)),
            spec_of(_made(out), tissue="none", patch_px=128, hdf5="clam"),
        )
    monkeypatch.undo()
    monkeypatch.setattr(slide_run, "choose_tiles", lambda *_: 1 / 0)

    result = run_tile(slide, "--out", out, "--hdf5", "clam")

    assert result.exit_code == 0, result.output
    assert [*written_files(out)] == [*written_files(whole)]


def _made(path: Path) -> Path:
    path.mkdir()
    return path


def test_resolution_of_the_slide_can_be_given(tmp_path: Path) -> None:
    """The message names the option of this command, and it helps."""
    slide, out = slide_file(tmp_path, mpp=None), tmp_path / "out"

    without = run_tile(slide, "--out", out)
    given = run_tile(slide, "--out", out, "--slide-mpp", 0.25, "--mpp", 0.5)

    assert without.exit_code == 1
    assert "pass --slide-mpp" in without.stderr
    assert given.exit_code == 0, given.output
    assert table_of(out)[1]["x"] == "256"
