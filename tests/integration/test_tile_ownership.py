"""``dfaseg tile`` replaces what it has written itself, and nothing else."""

import shutil
from pathlib import Path

import pytest

from dfaseg.cutting import folder, slide_run
from dfaseg.cutting.slide_run import tile_slide
from dfaseg.errors import OutputExistsError
from dfaseg.slide.inputs import SlideInput
from tests.cutting import box, run_tile, slide_file, spec_of, write_annotations, written_files

SHAPES = [("Stroma", box(0, 0, 600, 256)), ("Tumor", box(100, 50, 300, 200))]
CLASS_MAP = """
background = "Stroma"
ignore = ["Artefact"]
class = [
    {index = 0, name = "Stroma", colour = "#00ff00"},
    {index = 1, name = "Tumor", colour = "#ff0000", names = ["Cancer"]},
]
"""


def _drawn(tmp_path: Path, *slide_ids: str) -> Path:
    """Write annotations of slides; return their folder."""
    drawn = tmp_path / "drawn"
    drawn.mkdir()
    for slide_id in slide_ids:
        write_annotations(drawn / f"{slide_id}.geojson", SHAPES)
    return drawn


def _put(path: Path, text: str = "dear") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(
    "name",
    ["classes.toml", "manifest.csv", "slides.csv", "images/a_x0_y0.png", "masks/a_x9_y9.png"],
)
@pytest.mark.parametrize("options", [(), ("--overwrite",)])
def test_data_set_replaces_no_file_of_others(
    tmp_path: Path, name: str, options: tuple[str, ...]
) -> None:
    """The file is named, it stays as it is, and nothing is cut."""
    slide, drawn, out = slide_file(tmp_path), _drawn(tmp_path, "a"), tmp_path / "out"
    path = _put(out / name)

    result = run_tile(slide, "--out", out, "--annotations", drawn, *options)

    assert result.exit_code == 1
    assert str(path) in result.stderr
    assert "choose another --out" in result.stderr
    assert written_files(out) == {name: b"dear"}


@pytest.mark.parametrize("name", ["slides.csv", "patches/a.h5"])
def test_plain_run_replaces_no_file_of_others(tmp_path: Path, name: str) -> None:
    """Neither a list of slides nor coordinates that another program has written."""
    slide, out = slide_file(tmp_path), tmp_path / "out"
    _put(out / name)

    result = run_tile(slide, "--out", out, "--hdf5", "clam", "--overwrite")

    assert result.exit_code == 1
    assert name in result.stderr
    assert written_files(out) == {name: b"dear"}


def test_plain_run_leaves_the_files_of_a_data_set_alone(tmp_path: Path) -> None:
    """It does not write them, so they may be anybody's."""
    slide, out = slide_file(tmp_path), tmp_path / "out"
    names = ("classes.toml", "manifest.csv", "images/a_x0_y0.png")
    for name in names:
        _put(out / name)

    result = run_tile(slide, "--out", out)

    assert result.exit_code == 0, result.output
    assert [written_files(out)[name] for name in names] == [b"dear"] * len(names)


def test_class_map_is_never_written_over(tmp_path: Path) -> None:
    """Not beside the slides, under no other name, and not where ours lies already."""
    slide, drawn = slide_file(tmp_path), _drawn(tmp_path, "a")
    rules = _put(tmp_path / "classes.toml", CLASS_MAP)
    (tmp_path / "linked.toml").symlink_to(rules)
    out = tmp_path / "out"
    assert run_tile(slide, "--out", out, "--annotations", drawn).exit_code == 0

    refused = [
        run_tile(slide, "--out", folder, "--annotations", drawn, "--class-map", class_map)
        for folder, class_map in (
            *((tmp_path, rules), (tmp_path, tmp_path / "linked.toml")),
            (out, out / "classes.toml"),
        )
    ]

    assert [result.exit_code for result in refused] == [1, 1, 1]
    assert all("pass the copy" in result.stderr for result in refused)
    assert rules.read_text("utf-8") == CLASS_MAP
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
def test_manifest_that_was_changed_is_kept(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Splits that a person chose were lost when slides were added."""
    slides = [slide_file(tmp_path, name) for name in ("a", "b")]
    drawn, out = _drawn(tmp_path, "a", "b"), tmp_path / "out"
    run_tile(slides[0], "--out", out, "--annotations", drawn)
    manifest = out / "manifest.csv"
    written = manifest.read_text("utf-8")
    manifest.write_text(written.replace(",a,,", ",a,test,"), "utf-8")

    refused = run_tile(*slides, "--out", out, "--annotations", drawn, *options)
    is_cut = (out / "b").exists()
    kept = manifest.read_text("utf-8")
    manifest.write_text(written, "utf-8")
    taken_back = run_tile(*slides, "--out", out, "--annotations", drawn, *options)

    assert refused.exit_code == 1
    assert f"{manifest}': was not written by dfaseg tile, or was changed since" in refused.stderr
    assert not is_cut
    assert kept.count(",test,") == written.count(",a,,") > 0
    assert taken_back.exit_code == 0, taken_back.output


def test_changed_manifest_loses_slides_without_annotations_only(tmp_path: Path) -> None:
    """What is said of the others stays, and stays theirs who said it."""
    slides = [slide_file(tmp_path, name) for name in ("a", "b")]
    drawn, out = _drawn(tmp_path, "a", "b"), tmp_path / "out"
    run_tile(*slides, "--out", out, "--annotations", drawn)
    manifest = out / "manifest.csv"
    manifest.write_text(manifest.read_text("utf-8").replace(",a,,", ",a,test,"), "utf-8")

    plain = run_tile(slides[1], "--out", out, "--overwrite")
    lines = manifest.read_text("utf-8").splitlines()[1:]
    refused = run_tile(slides[1], "--out", out, "--annotations", drawn, "--overwrite")

    assert plain.exit_code == 0, plain.output
    assert lines
    assert all(",a,test," in line for line in lines)
    assert "was changed since" in refused.stderr


def test_class_file_that_was_changed_is_kept(tmp_path: Path) -> None:
    """A licence or a remark that somebody added beside finished slides."""
    slides = [slide_file(tmp_path, name) for name in ("a", "b")]
    drawn, out = _drawn(tmp_path, "a", "b"), tmp_path / "out"
    run_tile(slides[0], "--out", out, "--annotations", drawn / "a.geojson")
    with (out / "classes.toml").open("a", encoding="utf-8") as file:
        file.write("# CC BY 4.0\n")

    result = run_tile(slides[1], "--out", out, "--annotations", drawn / "b.geojson")

    assert result.exit_code == 1
    assert "was changed since" in result.stderr
    assert "CC BY" in (out / "classes.toml").read_text("utf-8")
    assert not (out / "b").exists()


def test_data_set_without_its_slides_is_kept(tmp_path: Path) -> None:
    """A copy of images, masks and tables is its owner's, though we once wrote them."""
    slide, drawn, out = slide_file(tmp_path), _drawn(tmp_path, "a"), tmp_path / "out"
    run_tile(slide, "--out", out, "--annotations", drawn)
    shutil.rmtree(out / "a")
    before = written_files(out)

    result = run_tile(slide, "--out", out, "--annotations", drawn, "--overwrite")

    assert result.exit_code == 1
    assert "may be yours" in result.stderr
    assert written_files(out) == before


def test_table_without_lines_is_nobodys(tmp_path: Path) -> None:
    """A run in which all slides failed can be repeated when they are mended."""
    slides = [tmp_path / "a.tiff", tmp_path / "b.tiff"]
    for path in slides:
        path.write_bytes(b"nothing")
    failed = run_tile(*slides, "--out", tmp_path / "out")
    for path in slides:
        slide_file(tmp_path, path.stem)

    mended = run_tile(*slides, "--out", tmp_path / "out")

    assert (failed.exit_code, mended.exit_code) == (3, 0), mended.output


def test_killed_while_putting_in_place_is_not_taken_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images that lie there without a record are ours where the hidden folder says so."""
    slide, drawn, out = slide_file(tmp_path), _drawn(tmp_path, "a"), tmp_path / "out"
    run_tile(slide, "--out", out, "--annotations", drawn)
    move = folder.move_files

    def move_images_only(made: Path, final: Path) -> None:
        move(made, final)
        if made.name == "images":
            raise KeyboardInterrupt

    monkeypatch.setattr(folder, "move_files", move_images_only)
    arguments = (slide, "--out", out, "--annotations", drawn, "--min-tissue", 0.1, "--overwrite")
    run_tile(*arguments)
    assert not (out / "a" / "a.tiles.json").exists()
    monkeypatch.undo()
    monkeypatch.setattr(slide_run, "choose_tiles", lambda *_: 1 / 0)

    result = run_tile(*arguments)

    assert result.exit_code == 0, result.output
    images, masks = (sorted(p.name for p in (out / d).iterdir()) for d in ("images", "masks"))
    assert images == masks
    assert len(images) == 10


@pytest.mark.parametrize("name", ["a/thesis.txt", "patches/a.h5"])
def test_file_that_came_while_a_slide_was_cut_is_kept(tmp_path: Path, name: str) -> None:
    """What is made stays hidden until the place is free."""
    source, out = SlideInput("a", str(slide_file(tmp_path))), tmp_path / "out"
    out.mkdir()
    spec = spec_of(out, save="png", hdf5="clam")

    with pytest.raises(OutputExistsError, match="not written by dfaseg tile"):
        tile_slide(source, spec, progress=lambda *_: _put(out / name) and None)

    assert (out / name).read_text("utf-8") == "dear"
    (out / name).unlink()
    shutil.rmtree((out / name).parent)
    assert tile_slide(source, spec).num_tiles > 0


def test_files_beside_those_of_a_slide_outlive_it(tmp_path: Path) -> None:
    """Remarks in its folder; all of an earlier cut goes, whatever its settings were."""
    slide, drawn, out = slide_file(tmp_path), _drawn(tmp_path, "a"), tmp_path / "out"
    fresh = tmp_path / "fresh"
    everything = ("--save", "jpeg", "--table", "parquet", "--hdf5", "trident")
    assert run_tile(slide, "--out", out, *everything).exit_code == 0
    _put(out / "a" / "review.txt")
    _put(out / "a" / "patches" / "best.txt")

    for options in (("--annotations", drawn), ("--save", "png")):
        result = run_tile(slide, "--out", out, *options, "--overwrite")
        assert result.exit_code == 0, result.output

    assert run_tile(slide, "--out", fresh, "--save", "png").exit_code == 0
    kept = {"a/review.txt": b"dear", "a/patches/best.txt": b"dear"}
    left = {"classes.toml", "manifest.csv"}
    files = {name: content for name, content in written_files(out).items() if name not in left}
    assert files == written_files(fresh) | kept
