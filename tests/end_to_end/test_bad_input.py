"""Whatever is wrong: one line that says which thing, what is wrong and what to do, and no trace."""

import errno
import json
import os
import pickle
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dfaseg import files
from dfaseg.classmap import IGNORE_INDEX
from dfaseg.model.checkpoint import CARD_KEY
from tests.factories import (
    corrupt_tile,
    stored_tile,
    tissue_like_image,
    truncate,
    write_tiff_slide,
)
from tests.model_files import TOML_CARD, tiny_card, write_tiny_model
from tests.predicting import everything_below, mask_of, record_of, run_command

SLIDE_PX = (300, 260)
"""Width and height of the slide."""


class Canary:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a good slide and a good model; tests only read it."""
    folder = tmp_path_factory.mktemp("good")
    write_tiff_slide(folder / "slide.tif", tissue_like_image(*SLIDE_PX), tile_px=64)
    write_tiny_model(folder / "tiny.safetensors")
    return folder


@pytest.fixture
def place(tmp_path: Path, good: Path) -> Path:
    """Return the user's folder: slide, model, something precious, and an empty ``out``."""
    for path in good.iterdir():
        shutil.copyfile(path, tmp_path / path.name)
    (tmp_path / "out").mkdir()
    (tmp_path / "precious.txt").write_text("precious", encoding="utf-8")
    return tmp_path


def newer_model(path: Path) -> None:
    """Write a model file whose card is of a later format."""
    card = json.loads(tiny_card().to_json()) | {"format_version": 99}
    save_file({"w": torch.zeros(1)}, path, metadata={CARD_KEY: json.dumps(card)})


# Each entry: what to do to the user's folder, other arguments, exit code, words of the message.
SPOILED_SLIDES: dict[str, tuple[Any, list[str], list[str]]] = {
    "missing": (lambda p: p.unlink(), [], ["no such file", "check the path"]),
    "folder": (lambda p: (p.unlink(), p.mkdir()), [], ["is a folder", "pass the slide file"]),
    "text": (lambda p: p.write_text("hello"), [], ["no reader understands it", "convert"]),
    "empty": (lambda p: p.write_bytes(b""), [], ["no reader understands it", "convert"]),
    "1 kB of a slide": (lambda p: truncate(p, 1000), [], ["cut short", "get the file again"]),
    "no resolution": (
        lambda p: write_tiff_slide(p, tissue_like_image(99, 80), tile_px=64, mpp=None),
        [],
        ["no resolution", "pass --mpp"],
    ),
    "implausible resolution": (
        lambda p: write_tiff_slide(p, tissue_like_image(99, 80), tile_px=64, mpp=0.004),
        [],
        ["which no slide has", "pass --mpp"],
    ),
    "far from the model's resolution": (
        lambda _: None,
        ["--mpp", "4"],
        ["4 µm/px", "does not fit model 'tiny'", "--model"],
    ),
    "impossible --mpp": (lambda _: None, ["--mpp", "400"], ["--mpp 400", "e.g. --mpp 0.25"]),
}

SPOILED_MODELS: dict[str, tuple[Any, str, list[str]]] = {
    "missing": (lambda p: p.unlink(), "tiny.safetensors", ["neither a file nor a model"]),
    "text": (lambda p: p.write_text("hello there"), "tiny.safetensors", ["not a dfaseg model"]),
    "empty": (lambda p: p.write_bytes(b""), "tiny.safetensors", ["tiny.safetensors"]),
    "cut": (lambda p: truncate(p, 5000), "tiny.safetensors", ["damaged or cut-off", "get"]),
    "newer": (newer_model, "tiny.safetensors", ["newer dfaseg", "upgrade with"]),
    "other weights": (
        lambda p: save_file({"w": torch.zeros(1)}, p),
        "tiny.safetensors",
        ["without a dfaseg card", "give a file"],
    ),
    "onnx without card": (
        lambda p: p.with_name("m.onnx").write_bytes(b"\x08\x07\x12\x04" * 9),
        "m.onnx",
        ["m.toml", "needs a card"],
    ),
    "onnx of nonsense": (
        lambda p: (
            p.with_name("m.onnx").write_bytes(b"\x08\x07\x12\x04" * 9),
            p.with_name("m.toml").write_text(TOML_CARD),
        ),
        "m.onnx",
        ["m.onnx"],
    ),
    "pt2 without card": (
        lambda p: torch.export.save(
            torch.export.export(torch.nn.Conv2d(3, 2, 1).eval(), (torch.zeros(1, 3, 32, 32),)),
            p.with_name("m.pt2"),
        ),
        "m.pt2",
        ["m.toml", "needs a card"],
    ),
}

SPOILED_SETTINGS: dict[str, tuple[list[str], list[str]]] = {
    "patch of no multiple": (["--patch-size", "66"], ["--patch-size 66", "multiple of 4 px"]),
    "overlap of no multiple": (["--overlap", "7"], ["--overlap 7", "multiple of 4 px"]),
    "overlap as large as the patch": (["--overlap", "64"], ["overlap", "smaller than the patch"]),
    "no tissue picture": (["--tissue", "no.png"], ["tissue picture 'no.png'", "give a PNG"]),
    "bounds on a slide without": (["--origin", "bounds"], ["states no bounds", "auto or level0"]),
    "device that is not there": (["--device", "cuda:77"], ["cuda:77"]),
    "polygons of a strange name": (["--geojson", "p.txt"], ["p.txt", ".geojson"]),
    "polygons over the record": (["--geojson", "{out}/m.run.json"], ["choose another --geojson"]),
}


def run(place: Path, *more: object, model: str = "tiny.safetensors", out: object = None) -> Any:
    """Run the command on the folder's slide; later arguments win."""
    slide, target = place / "slide.tif", out or place / "out" / "m.zarr"
    return run_command(slide, "--out", target, "--model", place / model, "--workers", 1, *more)


def assert_one_line(result: Any, words: list[str], code: int = 1) -> None:
    """Check that stderr is one line of the right form, stdout is empty, and the exit code."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("dfaseg: error: ")
    for word in words:
        assert word in line
    # which thing: what is wrong
    assert ": " in line.removeprefix("dfaseg: error: ")


@contextmanager
def untouched(folder: Path) -> Iterator[None]:
    """Check that nothing in a folder is new, gone or changed, hidden files included."""
    before = everything_below(folder)
    yield
    assert everything_below(folder) == before


@pytest.mark.parametrize("name", SPOILED_SLIDES)
def test_bad_slide_is_refused(place: Path, name: str) -> None:
    """The message names the slide."""
    spoil, arguments, words = SPOILED_SLIDES[name]
    spoil(place / "slide.tif")

    with untouched(place):
        result = run(place, *arguments)

    assert_one_line(result, words)


@pytest.mark.parametrize("name", SPOILED_MODELS)
def test_bad_model_is_refused(place: Path, name: str) -> None:
    """The message names the model file."""
    spoil, model, words = SPOILED_MODELS[name]
    spoil(place / "tiny.safetensors")

    with untouched(place):
        result = run(place, model=model)

    assert_one_line(result, ["model", *words])


def test_pickle_posing_as_a_model_is_not_run(place: Path) -> None:
    """Whatever its name, it is refused before a byte of it is believed."""
    for model in ("evil.safetensors", "evil.pt"):
        (place / model).write_bytes(pickle.dumps(Canary(place / "canary")))
        torch.save({"w": Canary(place / "canary")}, place / f"zip-{model}")
        for posing in (model, f"zip-{model}"):
            assert_one_line(run(place, model=posing), ["pickled", "could run any code", "ask"])

    assert not (place / "canary").exists()


@pytest.mark.parametrize("name", SPOILED_SETTINGS)
def test_bad_setting_is_refused(place: Path, name: str) -> None:
    """The message names the option and what would do."""
    arguments, words = SPOILED_SETTINGS[name]

    with untouched(place):
        result = run(place, *(text.format(out=place / "out") for text in arguments))

    assert_one_line(result, words)


def test_tissue_picture_of_another_slide_is_refused(place: Path) -> None:
    """Its shape tells."""
    cv2.imwrite(str(place / "tissue.png"), np.full((90, 30), 255, np.uint8))

    with untouched(place):
        result = run(place, "--tissue", place / "tissue.png")

    assert_one_line(result, ["tissue.png", "30 × 90 px", "another slide"])


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
@pytest.mark.parametrize("ending", ["zarr", "geojson", "overlay.png", "areas.csv", "run.json"])
def test_file_of_somebody_else_is_not_replaced(
    place: Path, ending: str, options: tuple[str, ...]
) -> None:
    """Any in the way ends the run before it begins, and no advice would end in its loss."""
    (place / "out" / f"m.{ending}").write_text("precious", encoding="utf-8")

    with untouched(place):
        result = run(place, *options)

    assert_one_line(result, [f"m.{ending}", "not written by dfaseg", "move it away"])
    assert "--overwrite" not in result.stderr


def test_existing_result_is_not_replaced_unasked(place: Path) -> None:
    """It ends the run before it begins."""
    assert run(place).exit_code == 0

    with untouched(place):
        result = run(place)

    assert_one_line(result, ["m.zarr", "already there", "--overwrite"])


# Names of slide, model and tissue picture, and the arguments with which one of them is a result.
INPUTS_IN_THE_WAY: dict[str, tuple[dict[str, str], list[str], str]] = {
    "slide among polygons": ({"slide": "slide.geojson"}, ["--out", "{p}/slide.zarr"], "slide"),
    "slide as polygons": ({"slide": "s.json"}, ["--geojson", "{p}/s.json"], "slide"),
    "model as polygons": ({"model": "m.json"}, ["--geojson", "{p}/m.json"], "model"),
    "slide as overlay": ({"slide": "j.overlay.png"}, ["--out", "{p}/j.zarr"], "slide"),
    "tissue as overlay": ({"tissue": "k.overlay.png"}, ["--out", "{p}/k.zarr"], "tissue picture"),
    "link to the slide": ({"slide": "l.json"}, ["--geojson", "{p}/link.json"], "slide"),
    "hard link to the slide": ({"slide": "h.json"}, ["--geojson", "{p}/hard.json"], "slide"),
}


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
@pytest.mark.parametrize("has_results", [False, True])
@pytest.mark.parametrize("case", INPUTS_IN_THE_WAY)
def test_input_is_no_output(
    place: Path, case: str, has_results: bool, options: tuple[str, ...]
) -> None:
    """Whatever lies beside it and whatever it is called."""
    names, arguments, word = INPUTS_IN_THE_WAY[case]
    names = {"slide": "slide.tif", "model": "tiny.safetensors", "tissue": "tissue.png"} | names
    cv2.imwrite(str(place / names["tissue"]), np.full(SLIDE_PX[::-1], 255, np.uint8))
    (place / "slide.tif").rename(place / names["slide"])
    (place / "tiny.safetensors").rename(place / names["model"])
    if "link" in case:
        (place / "link.json").symlink_to(place / names["slide"])
        (place / "hard.json").hardlink_to(place / names["slide"])
    arguments = [text.format(p=place) for text in arguments]
    if has_results and "--out" in arguments:
        mask = Path(arguments[1])
        mask.mkdir()
        (mask / "zarr.json").write_text('{"attributes": {"dfaseg": {}}}', encoding="utf-8")

    with untouched(place):
        result = run_command(
            place / names["slide"], "--model", place / names["model"], "--tissue",
            place / names["tissue"], "--out", place / "out" / "m.zarr", *arguments, *options,
        )  # fmt: skip

    assert_one_line(result, ["output '", f"is the {word} itself", "choose another"])
    assert "--overwrite" not in result.stderr


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
def test_input_inside_an_output_is_kept(place: Path, options: tuple[str, ...]) -> None:
    """A mask is replaced as a whole, the hidden folder emptied: what is read must lie elsewhere."""
    assert run(place).exit_code == 0
    hidden = place / "out" / ".m.zarr.partial"
    hidden.mkdir()
    (place / "link.tif").symlink_to(place / "out" / "m.zarr" / "slide.tif")
    for folder, slide in (
        (place / "out" / "m.zarr", place / "out" / "m.zarr" / "slide.tif"),
        (place / "out" / "m.zarr", place / "link.tif"),
        (hidden, hidden / "slide.tif"),
    ):
        (place / "slide.tif").rename(folder / "slide.tif")
        with untouched(place):
            result = run_command(
                slide, "--out", place / "out" / "m.zarr", *options,
                "--model", place / "tiny.safetensors",
            )  # fmt: skip
        assert_one_line(result, [f"output '{folder}'", "holds the slide", "would be lost", "move"])
        assert "--overwrite" not in result.stderr
        (folder / "slide.tif").rename(place / "slide.tif")


def test_mask_with_drawn_labels_is_kept(place: Path) -> None:
    """Real masks hold nothing else, so they are replaced until something is drawn."""
    assert run(place).exit_code == 0
    assert run(place, "--overwrite").exit_code == 0
    drawn = place / "out" / "m.zarr" / "labels" / "my_drawn"
    shutil.copytree(drawn.with_name("tissue"), drawn)

    with untouched(place):
        result = run(place, "--overwrite")

    assert_one_line(result, ["m.zarr'", "holds 'labels/my_drawn'", "would be lost", "move that"])


def test_hidden_folder_of_somebody_else_is_kept(place: Path) -> None:
    """It has the name of ours by chance."""
    hidden = place / "out" / ".m.zarr.partial"
    hidden.mkdir()
    (hidden / "n.txt").write_text("precious", encoding="utf-8")

    with untouched(place):
        result = run(place)

    assert_one_line(result, [f"'{hidden}'", "holds 'n.txt'", "would be lost", "move that away"])


@pytest.mark.parametrize("out", ["in.zarr", "in", "labels/in"])
def test_results_are_not_put_into_a_mask(place: Path, out: str) -> None:
    """Its next --overwrite would remove them; folders for many slides count as well."""
    assert run(place).exit_code == 0

    for options in ((), ("--dry-run",)) if out != "in.zarr" else ((),):
        with untouched(place):
            result = run(place, *options, out=place / "out" / "m.zarr" / out)

        assert_one_line(result, ["would lie inside", "m.zarr", "choose another place"])


def test_drawn_annotations_beside_a_slide_are_kept(place: Path) -> None:
    """QuPath gives them the slide's name, and results of many slides may go to the slides' folder.

    Nor is a list of slides replaced that is called like areas.
    """
    (place / "slide.geojson").write_text('{"type":"FeatureCollection","features":[]}')
    shutil.copyfile(place / "slide.tif", place / "other.tif")
    (place / "other.areas.csv").write_text(f"path\n{place}/other.tif\n{place}/slide.tif\n")
    before = everything_below(place)
    arguments = (place / "other.areas.csv", "--out", place, "--model", place / "tiny.safetensors")

    for options in ((), ("--overwrite",), ("--dry-run",), ("--dry-run", "--overwrite")):
        result = run_command(*arguments, *options)
        assert "slide.geojson': is there already, was not written by dfaseg" in result.output
        assert "other.areas.csv': is there already, was not written by" in result.output
        assert "pass --overwrite" not in result.output
        assert "failed                  2" in result.output or "2 refuse" in result.output
        assert before.items() <= everything_below(place).items()


def test_results_that_were_edited_are_not_offered_for_replacement(place: Path) -> None:
    """Polygons saved from QuPath under their old name are the user's now."""
    folder = place / "out"
    arguments = (place / "slide.tif", "--out", folder, "--model", place / "tiny.safetensors")
    assert run_command(*arguments).exit_code == 0
    edited = '{"type":"FeatureCollection","features":[]}'
    (folder / "slide.geojson").write_text(edited)

    for options in ((), ("--overwrite",), ("--dry-run",)):
        result = run_command(*arguments, "--overlap", "4", *options)
        assert "slide.geojson': is there already, was not written by dfaseg" in result.output
        assert "--overwrite" not in result.output
    assert (folder / "slide.geojson").read_text() == edited


def test_folder_of_somebody_else_is_not_replaced(place: Path) -> None:
    """Not even with --overwrite."""
    (place / "out" / "m.zarr").mkdir()
    (place / "out" / "m.zarr" / "thesis.docx").write_text("precious", encoding="utf-8")

    with untouched(place):
        result = run(place, "--overwrite")

    assert_one_line(result, ["m.zarr", "not written by dfaseg", "choose another --out"])


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("no/m.zarr", ["does not exist", "create it first"]),
        ("precious.txt/m.zarr", ["precious.txt", "is no folder", "choose another"]),
        ("notes", ["notes", "is no folder", "choose another"]),
        ("m.tif", ["must end in .zarr"]),
    ],
)
def test_impossible_output_is_refused(place: Path, out: str, words: list[str]) -> None:
    """Before any work is done."""
    (place / "notes").touch()
    with untouched(place):
        result = run(place, out=place / out)

    assert_one_line(result, words)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc")
def test_unwritable_output_is_refused(place: Path) -> None:
    """Also where permissions alone do not tell."""
    with untouched(place):
        result = run(place, out="/proc/m.zarr")

    assert_one_line(result, ["/proc", "choose another --out"])


def test_full_disk_leaves_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a state to go on from, the hidden folder goes as well."""

    def no_space(_path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "_flush_to_disk", no_space)

    with untouched(place):
        result = run(place)

    assert_one_line(result, ["No space left on device", "free some space"])


@pytest.mark.parametrize("free_kb", [0, 4, 12, 30, 60, 90])
def test_disk_that_fills_up_leaves_nothing(place: Path, small_disk: Path, free_kb: int) -> None:
    """At whatever file the last byte is written."""
    with (small_disk / "filler").open("wb") as file:
        file.write(bytes((400 - free_kb) * 1024 - 8192) if free_kb < 390 else b"")

    result = run(place, "--tissue", "none", out=small_disk / "m.zarr")

    assert [path.name for path in small_disk.iterdir()] == ["filler"]
    assert_one_line(result, ["No space left on device", "free some space"])


def test_corrupt_tile_becomes_255_and_is_reported(place: Path) -> None:
    """The rest of the slide is done, and the exit code is 0."""
    corrupt_tile(place / "slide.tif", 0, 2, 1)

    result = run(place, "--tissue", "none")

    mask = mask_of(place / "out" / "m.zarr")
    expected = np.zeros(mask.shape, bool)
    expected[64:128, 128:192] = True
    np.testing.assert_array_equal(mask == IGNORE_INDEX, expected)
    (entry,) = record_of(place / "out" / "m.zarr")["unreadable_native_tiles"]
    assert (entry["column"], entry["row"]) == (2, 1)
    assert "cannot be decoded" in entry["problem"]
    assert result.exit_code == 0
    assert "warning: slide 'slide': 1 tile could not be decoded" in result.stderr
    assert "warning" not in result.stdout


@pytest.mark.parametrize("tissue", ["auto", "none"])
def test_slide_cut_in_the_middle_is_done_as_far_as_it_goes(place: Path, tissue: str) -> None:
    """What is lost is 255, counted, and never taken for glass in silence."""
    slide = write_tiff_slide(
        place / "slide.tif",
        np.full((256, 384, 3), (226, 158, 190), np.uint8),
        tile_px=64,
        compression="none",
        downsamples=(1,),
    )
    truncate(slide, stored_tile(slide, 0, 1, 2)[0] + 100)

    result = run(place, "--tissue", tissue)

    mask = mask_of(place / "out" / "m.zarr")
    assert result.exit_code == 0
    assert "warning: slide 'slide': 11 tiles could not be decoded" in result.stderr
    assert len(record_of(place / "out" / "m.zarr")["unreadable_native_tiles"]) == 11
    assert (mask[128:192, 64:] == IGNORE_INDEX).all()
    assert (mask[192:] == IGNORE_INDEX).all()
    assert (mask[:128] != IGNORE_INDEX).all()
