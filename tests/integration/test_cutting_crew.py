"""Patches cut by processes are those cut by threads, and the processes end when they should."""

import errno
import json
import logging
import os
import signal
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from dfaseg.annotation import ClassRules, rules_from_names
from dfaseg.classmap import IGNORE_INDEX
from dfaseg.cutting import crew, patches
from dfaseg.cutting.crew import num_processes, processes
from dfaseg.cutting.labelling import Labelling
from dfaseg.cutting.slide_run import tile_slide
from dfaseg.errors import EvaluationError, OutputError, SlideError, StoppedError
from dfaseg.evaluation import tiff_mask
from dfaseg.slide import open_slide
from dfaseg.slide.inputs import SlideInput
from tests.cutting import (
    box,
    memory_slide,
    run_tile,
    slide_file,
    spec_of,
    write_annotations,
    written_files,
)
from tests.factories import corrupt_tile, write_tiff_slide
from tests.unit.tiler.test_patch_jobs import rows_of

BY_THREADS = 2**62


@pytest.fixture(autouse=True)
def apart(monkeypatch):
    """Let two processes cut every slide, however small, a row of tiles at a turn."""
    monkeypatch.setattr(processes, "_num_px", 0)
    monkeypatch.setattr(crew, "LEAST_WORKERS", 2)
    monkeypatch.setattr(crew, "PX_PER_PROCESS", 1)
    monkeypatch.setattr(crew, "_MOST_UNEVEN", 100)
    monkeypatch.setattr(crew, "LEAST_PX_PER_PART", 1)
    yield
    processes.close()


def cut(out: Path, slide: Path, **settings):
    """Cut a slide with two threads and return its files and its record."""
    given = {"workers": 2, "save": "png", "tissue": "none"} | settings
    out.mkdir(exist_ok=True)
    record = tile_slide(SlideInput("a", str(slide)), spec_of(out, **given))
    return written_files(out), record


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"patch_px": 128}, id="whole native tiles"),
        pytest.param({"patch_px": 128, "save": "jpeg"}, id="jpeg"),
        pytest.param({"patch_px": 96, "workers": 5}, id="some share native tiles"),
        pytest.param({"patch_px": 64, "mpp": 1.0}, id="strips"),
        pytest.param({"patch_px": 64, "tissue": "auto", "min_tissue": 0.3}, id="tissue only"),
    ],
)
def test_files_are_those_of_threads(tmp_path, monkeypatch, settings) -> None:
    """Every file has the same bytes; the processes are kept for the next slide."""
    slide = slide_file(tmp_path)
    found, record = cut(tmp_path / "apart", slide, **settings)
    pids = {process.pid for process in processes._idle}
    again, _ = cut(tmp_path / "again", slide, **settings)
    assert {process.pid for process in processes._idle} == pids
    monkeypatch.setattr(crew, "PX_PER_PROCESS", BY_THREADS)

    expected, expected_record = cut(tmp_path / "here", slide, **settings)

    assert len(pids) >= 2
    assert found == again == expected
    assert record.num_tiles == expected_record.num_tiles > 0


def test_unreadable_tiles_are_told(tmp_path, monkeypatch) -> None:
    """The reasons of all processes are in the record, and their patches are left out."""
    slide = slide_file(tmp_path)
    corrupt_tile(slide, 0, col=0, row=0)
    corrupt_tile(slide, 0, col=3, row=2)
    found, record = cut(tmp_path / "apart", slide, patch_px=128)
    monkeypatch.setattr(crew, "PX_PER_PROCESS", BY_THREADS)

    expected, expected_record = cut(tmp_path / "here", slide, patch_px=128)

    assert record.num_unreadable == expected_record.num_unreadable == 2
    assert found == expected
    notes = [
        json.loads((tmp_path / out / "a" / "a.tiles.json").read_text()) for out in ("apart", "here")
    ]
    assert notes[0]["unreadable_native_tiles"] == notes[1]["unreadable_native_tiles"]


def test_stopped_run_goes_on_to_the_same_bytes(tmp_path, monkeypatch) -> None:
    """Stopped with processes, continued with threads, stopped again and continued with them."""
    slide = slide_file(tmp_path)
    expected, _ = cut(tmp_path / "whole", slide)
    (tmp_path / "parts").mkdir()
    spec = spec_of(tmp_path / "parts", workers=2, save="png", tissue="none")
    for limit, most in ((1, 11), (BY_THREADS, 31)):
        monkeypatch.setattr(crew, "PX_PER_PROCESS", limit)
        stop = threading.Event()

        def watch(done: int, _all: int, stop=stop, most=most) -> None:
            if done >= most:
                stop.set()

        with pytest.raises(StoppedError, match=r"stopped after \d+ of 70 tiles"):
            tile_slide(SlideInput("a", str(slide)), spec, progress=watch, stop=stop)
        assert not processes._idle
    monkeypatch.setattr(crew, "PX_PER_PROCESS", 1)

    found, _ = cut(tmp_path / "parts", slide)

    assert found == expected


def test_process_that_ends_is_named(tmp_path) -> None:
    """One line that says what to do; what others cut meanwhile is not left half done."""
    slide = slide_file(tmp_path)
    cut(tmp_path / "first", slide)
    for process in processes._idle:
        os.kill(process.pid, signal.SIGSTOP)
    ending = threading.Timer(0.3, lambda: [os.kill(p, signal.SIGKILL) for p in pids])
    pids = [process.pid for process in processes._idle]
    ending.start()

    with pytest.raises(SlideError, match=r"slide 'a': a process that cuts it has ended.*--workers"):
        cut(tmp_path / "second", slide)

    ending.join()
    assert not processes._idle
    assert processes._num_taken == 0
    found, _ = cut(tmp_path / "second", slide)
    assert found == written_files(tmp_path / "first")


def test_error_of_a_process_is_raised_here(tmp_path, monkeypatch) -> None:
    """As it is with threads: which output, and why."""
    slide = slide_file(tmp_path)
    make = patches.PatchCutter._crew

    def lose_folder(self, rows, parts):
        self._writer.images.rmdir()
        return make(self, rows, parts)

    monkeypatch.setattr(patches.PatchCutter, "_crew", lose_folder)

    with pytest.raises(OutputError, match=r"output 'a_x0_y0.png': cannot be written"):
        cut(tmp_path / "out", slide)
    assert not processes._idle


def test_threads_do_it_where_no_process_can_be_had(tmp_path, monkeypatch, caplog) -> None:
    """The first one that was to be had is let go again."""
    slide = slide_file(tmp_path)
    expected, _ = cut(tmp_path / "apart", slide)
    processes.close()
    start, left = processes._start, iter(range(1))

    def start_few():
        if next(left, None) is None:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return start()

    monkeypatch.setattr(processes, "_start", start_few)

    with caplog.at_level(logging.WARNING):
        found, _ = cut(tmp_path / "here", slide)

    assert found == expected
    assert "slide 'a': is cut by threads, no process can be started" in caplog.text
    assert processes._num_taken == 0


def test_command_ends_them(tmp_path) -> None:
    """A run of the command leaves all files, and says the same as ever."""
    slide = slide_file(tmp_path)
    out = tmp_path / "out"

    done = run_tile(slide, "--out", out, "--save", "png", "--workers", "2")

    assert done.exit_code == 0, done.output
    assert len(processes._idle) == 2
    assert len(list((out / "a" / "patches").glob("*.png"))) == 20


def labels_as(kind: str, folder: Path) -> tuple[Path, ClassRules]:
    """Write labels of the slide, and return them with what they mean."""
    if kind == "drawn":
        shapes = [("Tumour", box(10, 10, 300, 300)), ("Stroma", box(200, 40, 590, 130))]
        path = write_annotations(folder / "a.geojson", [*shapes, ("Region*", box(0, 0, 600, 310))])
        return path, rules_from_names(["Tumour", "Stroma", "Region*"])
    codes = np.full((100, 150), 255, np.uint8)
    codes[5:80, 3:60], codes[20:30, 50:140] = 0, 1
    path = folder / f"mask.{kind.rsplit(maxsplit=1)[-1]}"
    match kind:
        case "png":
            Image.fromarray(codes).save(path)
        case "tiled tif":
            tifffile.imwrite(path, codes, tile=(16, 16))
        case _:
            tifffile.imwrite(path, codes, rowsperstrip=100)
    rules = rules_from_names(["Tumour", "Stroma"])
    return path, replace(rules, codes={0: 0, 1: 1, 255: IGNORE_INDEX})


@pytest.mark.parametrize("kind", ["drawn", "png", "tiled tif", "whole tif"])
def test_pairs_are_those_of_threads(tmp_path, monkeypatch, kind) -> None:
    """So are their class counts, and what is left out without labels or for lack of pixels."""
    slide = slide_file(tmp_path)
    corrupt_tile(slide, 0, col=1, row=1)
    path, rules = labels_as(kind, tmp_path)
    monkeypatch.setattr(tiff_mask, "_MOST_REOPENED_PX", 16 * 150)
    results = []
    for name, limit in (("apart", 1), ("here", BY_THREADS)):
        monkeypatch.setattr(crew, "PX_PER_PROCESS", limit)
        out = tmp_path / name
        out.mkdir()
        spec = spec_of(out, workers=2, save="png", tissue="none")
        record = tile_slide(SlideInput("a", str(slide)), spec, Labelling({"a": path}, rules))
        results.append((written_files(out), record.num_unreadable, record.content["tiles"]))
        assert bool(processes._idle) == (limit == 1)
        processes.close()

    assert results[0] == results[1]
    names = results[0][0].keys()
    assert 10 < sum(name.startswith("masks/") for name in names) < 40


@pytest.mark.parametrize(
    ("replace_by", "problem"),
    [(None, "not a readable TIFF"), ((8, 8, 3), "is another file than it was")],
)
def test_mask_that_is_gone_is_named(tmp_path, monkeypatch, replace_by, problem) -> None:
    """The processes open it anew, and here find nothing, or another one."""
    slide = slide_file(tmp_path)
    path, rules = labels_as("tiled tif", tmp_path)
    make = patches.PatchCutter._crew

    def lose_mask(self, rows, parts):
        path.unlink()
        if replace_by:
            tifffile.imwrite(path, np.zeros(replace_by, np.uint8), photometric="rgb")
        return make(self, rows, parts)

    monkeypatch.setattr(patches.PatchCutter, "_crew", lose_mask)
    (tmp_path / "out").mkdir()
    spec = spec_of(tmp_path / "out", workers=2, save="png", tissue="none")

    with pytest.raises(EvaluationError, match=rf"mask '.*mask.tif': {problem}"):
        tile_slide(SlideInput("a", str(slide)), spec, Labelling({"a": path}, rules))

    assert not processes._idle


@pytest.mark.parametrize(
    ("workers", "rows_per_part", "expected"),
    [
        pytest.param(1, 1, 0, id="few cores"),
        pytest.param(2, 1, 2, id="two"),
        pytest.param(8, 1, 5, id="what is to do"),
        pytest.param(8, 7, 3, id="even shares"),
        pytest.param(8, 20, 0, id="one part"),
    ],
)
def test_work_and_parts_decide_how_many_there_are(
    tmp_path, monkeypatch, workers, rows_per_part, expected
) -> None:
    """On a slide of 20 rows with six tiles each; a process is worth its start for 23 of them."""
    monkeypatch.setattr(crew, "PX_PER_PROCESS", 23 * 16 * 16)
    monkeypatch.setattr(crew, "_MOST_UNEVEN", 1.1)
    path = write_tiff_slide(tmp_path / "s.tif", np.zeros((320, 96, 3), np.uint8), tile_px=16)
    parts = [range(row, min(20, row + rows_per_part)) for row in range(0, 20, rows_per_part)]

    with closing(open_slide(str(path))) as slide:
        assert num_processes(rows_of(slide, 16), parts, workers) == expected


def test_slide_in_memory_is_for_threads() -> None:
    """No other process can open it."""
    assert num_processes(rows_of(memory_slide(), 16), [range(5), range(5, 10)], 2) == 0


def test_many_small_slides_are_worth_processes_too(tmp_path, monkeypatch) -> None:
    """They are kept, so what was cut before counts: here the third slide is the first they cut."""
    monkeypatch.setattr(crew, "PX_PER_PROCESS", 100_000)
    path = write_tiff_slide(tmp_path / "s.tif", np.zeros((320, 256, 3), np.uint8), tile_px=16)

    with closing(open_slide(str(path))) as slide:
        parts = [range(row, row + 1) for row in range(20)]
        counts = [num_processes(rows_of(slide, 16), parts, 4) for _ in range(5)]

    assert counts == [0, 0, 2, 3, 4]
