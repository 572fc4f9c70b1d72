"""Result files: checked before the work, published together, never at the user's expense."""

import gzip
import json
import os
import shutil
from contextlib import suppress
from itertools import product
from pathlib import Path

import pytest

from dfaseg.errors import OutputError, OutputExistsError
from dfaseg.files import locked
from dfaseg.inference.outputs import OutputPaths


@pytest.fixture
def paths(tmp_path):
    """Paths of a result in an empty folder."""
    return OutputPaths.beside(tmp_path / "slide.1.zarr")


def make_results(paths, text="new"):
    """Put finished files into the hidden folder, each with what tells that it is ours."""
    paths.partial.mkdir(exist_ok=True)
    for final, content in (
        (
            paths.polygons,
            f'{{"type":"FeatureCollection","dfaseg":{{"slide":"{text}"}},"features":[',
        ),
        (paths.overlay, text),
        (paths.areas, f"index,class,pixels,mm2,percent\n{text}"),
        (paths.record, json.dumps({"result": {"tool": "dfaseg", "text": text}})),
    ):
        paths.made(final).write_text(content, encoding="utf-8")
    paths.made(paths.mask).mkdir()
    (paths.made(paths.mask) / "zarr.json").write_text(
        json.dumps({"attributes": {"dfaseg": {"text": text}}}), encoding="utf-8"
    )


def place_results(paths, text="old"):
    """Let finished files be there under their final names."""
    make_results(paths, text)
    paths.publish()


def texts_of(paths):
    """Return what stands in each final file; that of the mask is its metadata."""
    files = [paths.mask / "zarr.json", *paths.finals[1:]]
    return [path.read_text(encoding="utf-8") if path.exists() else None for path in files]


def test_files_lie_beside_the_mask(paths):
    """All names begin with the mask's."""
    assert [final.name for final in paths.finals] == [
        "slide.1.zarr",
        "slide.1.geojson",
        "slide.1.overlay.png",
        "slide.1.areas.csv",
        "slide.1.run.json",
    ]


def test_publish_renames_everything_and_cleans_up(paths):
    """After publishing, only the final files are there."""
    make_results(paths)

    paths.publish()

    assert sorted(entry.name for entry in paths.mask.parent.iterdir()) == sorted(
        final.name for final in paths.finals
    )


def test_publish_goes_on_after_an_interruption(paths):
    """What was renamed before a crash is simply not there any more."""
    make_results(paths)
    paths.made(paths.mask).rename(paths.mask)

    paths.publish()

    assert all(final.exists() for final in paths.finals)
    assert not paths.partial.exists()


def test_existing_result_is_refused(paths):
    """Without --overwrite any of its files ends the run before it begins."""
    place_results(paths)

    with pytest.raises(OutputExistsError, match="--overwrite"):
        paths.check(overwrite=False)


def test_overwrite_replaces_only_when_published(paths):
    """The old result stays until the new one is whole."""
    place_results(paths, "old")
    make_results(paths, "new")

    paths.check(overwrite=True)
    assert all("old" in text for text in texts_of(paths))
    paths.put_in_place(overwrite=True)

    assert all("new" in text for text in texts_of(paths))


# A picture beside results of ours cannot be told from ours.
@pytest.mark.parametrize(
    ("name", "is_beside_results"),
    [*product(("polygons", "areas", "record"), (False, True)), ("overlay", False)],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_file_of_somebody_else_is_never_replaced(paths, name, overwrite, is_beside_results):
    """Whatever its name; a line that advised --overwrite would send the user into a wall."""
    if is_beside_results:
        place_results(paths)
    file = getattr(paths, name)
    file.write_text('{"type":"FeatureCollection","features":[]}', encoding="utf-8")

    with pytest.raises(OutputExistsError, match="not written by dfaseg") as raised:
        paths.check(overwrite=overwrite)

    assert f"output '{file}'" in str(raised.value)
    assert "--overwrite" not in str(raised.value)


@pytest.mark.parametrize("gone", ["mask", "record"])
def test_picture_is_ours_beside_a_mask_or_a_record(paths, gone):
    """Masks are large and are removed; records are removed to have a slide done again."""
    place_results(paths)
    file = getattr(paths, gone)
    shutil.rmtree(file) if file.is_dir() else file.unlink()

    paths.check(overwrite=True)


def test_compressed_polygons_are_ours_too(tmp_path):
    """What tells is looked for inside."""
    paths = OutputPaths.beside(tmp_path / "x.zarr", tmp_path / "x.geojson.gz")
    head = b'{"type":"FeatureCollection","dfaseg":{"slide":"x"},"features":['
    paths.polygons.write_bytes(gzip.compress(head))
    paths.check(overwrite=True)

    for content in (gzip.compress(b'{"type":"FeatureCollection"}'), b"\x1f\x8bdamaged"):
        paths.polygons.write_bytes(content)
        with pytest.raises(OutputExistsError, match="another --geojson"):
            paths.check(overwrite=True)


@pytest.mark.parametrize("renames", range(1, 10))
@pytest.mark.parametrize("has_record", [True, False])
def test_replacing_goes_on_after_a_kill_at_any_rename(paths, monkeypatch, renames, has_record):
    """What of the old and of the new lies there is known as ours, and the new comes in place."""
    place_results(paths, "old")
    if not has_record:
        paths.record.unlink()
    make_results(paths, "new")
    left = [renames]

    def kill(method):
        def rename(self, target):
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            return method(self, target)

        return rename

    with monkeypatch.context() as patched:
        for name in ("rename", "replace"):
            patched.setattr(Path, name, kill(getattr(Path, name)))
        with suppress(KeyboardInterrupt):
            paths.put_in_place(overwrite=True)
    if paths.finished_record() is not None:
        assert len({"new" in text for text in texts_of(paths)}) == 1, "half old and half new"
    paths.finish_publishing(overwrite=True)
    paths.check(overwrite=True)

    assert all("new" in text for text in texts_of(paths))
    assert not paths.partial.exists()


def test_what_lacks_a_file_is_not_finished(paths):
    """Whichever it is: the mask alone does not do."""
    place_results(paths)
    for final in paths.finals:
        elsewhere = final.with_name("elsewhere")
        assert paths.finished_record() is not None
        final.rename(elsewhere)
        assert paths.finished_record() is None
        elsewhere.rename(final)


def test_polygons_that_wait_under_another_name_are_kept(tmp_path):
    """They are finished; a command without --geojson would remove them with the hidden folder."""
    asked = OutputPaths.beside(tmp_path / "s.zarr", tmp_path / "x.geojson")
    make_results(asked)
    (asked.partial / "publishing").touch()

    with pytest.raises(OutputExistsError, match=r"'x\.geojson' wait.*--geojson"):
        OutputPaths.beside(tmp_path / "s.zarr").finish_publishing(overwrite=True)
    assert asked.finish_publishing(overwrite=False)

    assert all("new" in text for text in texts_of(asked))


@pytest.mark.parametrize("overwrite", [False, True])
def test_file_that_comes_up_during_the_run_is_kept(paths, overwrite):
    """So is the result, which comes in place when the file has been moved away."""
    make_results(paths)
    paths.polygons.write_text("drawn meanwhile", encoding="utf-8")

    with pytest.raises(OutputExistsError, match="move it away"):
        paths.put_in_place(overwrite=overwrite)
    if overwrite:
        with pytest.raises(OutputExistsError, match="move it away"):
            paths.finish_publishing(overwrite=True)
    else:
        assert not paths.finish_publishing(overwrite=False)

    assert paths.polygons.read_text(encoding="utf-8") == "drawn meanwhile"
    paths.polygons.unlink()
    assert paths.finish_publishing(overwrite=overwrite)
    assert all("new" in text for text in texts_of(paths))


def test_folder_of_somebody_else_is_never_replaced(paths):
    """--overwrite does not reach a folder that dfaseg did not write."""
    paths.mask.mkdir()
    (paths.mask / "thesis.docx").write_text("precious", encoding="utf-8")

    with pytest.raises(OutputExistsError, match="not written by dfaseg"):
        paths.check(overwrite=True)

    assert (paths.mask / "thesis.docx").exists()


def test_file_in_place_of_the_mask_is_never_replaced(paths):
    """A mask is a folder: a file of its name is somebody else's, and is noticed before the work."""
    paths.mask.write_text("precious", encoding="utf-8")

    with pytest.raises(OutputExistsError, match="not written by dfaseg"):
        paths.check(overwrite=True)


@pytest.mark.parametrize("is_absolute", [True, False])
@pytest.mark.parametrize("has_broken_off", [True, False])
def test_link_to_a_mask_is_replaced_and_not_what_it_leads_to(paths, is_absolute, has_broken_off):
    """All results come in place, also where an earlier version broke off at the link."""
    theirs = OutputPaths.beside(paths.mask.with_name("theirs.zarr"))
    place_results(theirs, "theirs")
    place_results(paths, "old")
    shutil.rmtree(paths.mask)
    paths.mask.symlink_to(theirs.mask if is_absolute else theirs.mask.name)
    make_results(paths, "new")
    if has_broken_off:
        paths.mask.rename(paths.partial / f"replaced-{paths.mask.name}")
        paths.made(paths.mask).rename(paths.mask)
        (paths.partial / "publishing").touch()

    paths.check(overwrite=True)
    if has_broken_off:
        assert paths.finish_publishing(overwrite=True)
    else:
        paths.put_in_place(overwrite=True)

    assert all("new" in text for text in texts_of(paths))
    assert all("theirs" in text for text in texts_of(theirs))
    assert not paths.mask.is_symlink()
    assert not paths.partial.exists()


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "name", ["labels/my_drawn/zarr.json", "notes.txt", "0/c/0/old.png", "labels/tissue/edit.json"]
)
def test_mask_that_holds_something_else_is_not_replaced(paths, name, overwrite):
    """Tools for OME-Zarr put corrections there; the first such thing is named."""
    place_results(paths)
    file = paths.mask / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("precious", encoding="utf-8")

    with pytest.raises(OutputExistsError, match="dfaseg did not write") as raised:
        paths.check(overwrite=overwrite)

    first = "labels/my_drawn" if "my_drawn" in name else name
    assert f"holds '{first}'" in str(raised.value)
    assert "--overwrite" not in str(raised.value)


@pytest.mark.parametrize("group", ["zarr.json", "labels/zarr.json", "labels/tissue/zarr.json"])
def test_mask_with_attributes_of_others_is_not_replaced(paths, group):
    """Tools note regions, reviews and the like there; ours are made anew by every run."""
    place_results(paths)
    file = paths.mask / group
    file.parent.mkdir(parents=True, exist_ok=True)
    ours = json.loads(file.read_bytes())["attributes"] if file.is_file() else {"ome": {}}
    for attributes in (ours, {**ours, "reviewed_by": "A. B."}):
        file.write_text(json.dumps({"attributes": attributes}), encoding="utf-8")
        if attributes is ours:
            paths.check(overwrite=True)

    with pytest.raises(OutputExistsError, match=f"holds the attribute 'reviewed_by' in '{group}'"):
        paths.check(overwrite=True)


def test_what_programs_leave_in_any_folder_does_no_harm(paths):
    """A mask that was looked at in a file browser can still be replaced."""
    place_results(paths)
    (paths.mask / "labels" / "tissue").mkdir(parents=True)
    for folder in (paths.mask, paths.mask / "labels" / "tissue"):
        (folder / ".DS_Store").touch()

    paths.check(overwrite=True)


@pytest.mark.parametrize("metadata", ["zarr.json", ".zgroup", ".zarray"])
def test_nothing_is_written_into_a_zarr_folder(tmp_path, metadata):
    """Neither a mask nor polygons, however deep; a link does not hide it."""
    deep = tmp_path / "other.zarr" / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "other.zarr" / metadata).write_text("{}", encoding="utf-8")
    (tmp_path / "link").symlink_to(deep)

    for mask, polygons in (
        (deep / "x.zarr", None),
        (tmp_path / "link" / "x.zarr", None),
        (tmp_path / "x.zarr", tmp_path / "other.zarr" / "zarr.json"),
    ):
        with pytest.raises(OutputError, match=r"would lie inside '.*other\.zarr'"):
            OutputPaths.beside(mask, polygons).check(overwrite=True)


@pytest.mark.parametrize("is_publishing", [False, True])
@pytest.mark.parametrize("name", ["n.txt", "drawn.geojson", "folder"])
def test_hidden_folder_of_somebody_else_is_kept(paths, name, is_publishing):
    """A run empties and removes it: what no run puts there is named instead."""
    make_results(paths)
    if is_publishing:
        (paths.partial / "publishing").touch()
    if name == "folder":
        (paths.partial / name).mkdir()
    else:
        (paths.partial / name).write_text('{"type":"FeatureCollection"}', encoding="utf-8")

    for look in (paths.check, paths.finish_publishing) if is_publishing else (paths.check,):
        with pytest.raises(OutputExistsError, match=f"holds '{name}', which no run puts there"):
            look(overwrite=True)

    assert (paths.partial / name).exists()


def test_hidden_folder_of_any_run_is_taken_over(paths):
    """Also of one with another --geojson, or that was killed while it wrote."""
    make_results(paths)
    for name in ("state.npz", "recipe", "lock", "parked.tar", "polygons.spool", "publishing"):
        (paths.partial / name).touch()
    (paths.partial / f"replaced-{paths.mask.name}").mkdir()
    (paths.partial / ".state.npz.0123abcd.tmp").touch()
    (paths.partial / "just_begun.geojson").touch()
    paths.made(paths.polygons).rename(paths.partial / "other.json")

    paths.check(overwrite=False)


def test_polygons_may_not_have_the_name_of_the_record(tmp_path):
    """All results are made in one folder, wherever they go in the end."""
    (tmp_path / "other").mkdir()
    paths = OutputPaths.beside(tmp_path / "x.zarr", tmp_path / "other" / "x.run.json")

    with pytest.raises(OutputError, match="name of another result"):
        paths.check(overwrite=False)


def test_missing_folder_is_named(tmp_path):
    """A folder that does not exist is an error before any work."""
    with pytest.raises(OutputError, match="does not exist"):
        OutputPaths.beside(tmp_path / "no" / "x.zarr").check(overwrite=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder_is_named(tmp_path):
    """A folder without write permission is an error before any work."""
    tmp_path.chmod(0o500)

    with pytest.raises(OutputError, match="not writable"):
        OutputPaths.beside(tmp_path / "x.zarr").check(overwrite=False)


def test_second_run_of_the_same_result_is_refused(paths):
    """Two runs never write to the same hidden folder."""
    with locked(paths.partial), pytest.raises(OutputError, match="another run"):  # noqa: SIM117
        with locked(paths.partial):
            pass


def test_polygons_may_go_elsewhere(tmp_path):
    """Polygons have a path of their own when asked for, compressed or not."""
    other = tmp_path / "other"
    other.mkdir()
    paths = OutputPaths.beside(tmp_path / "x.zarr", other / "p.geojson.gz")

    assert paths.polygons == other / "p.geojson.gz"
    assert paths.polygons_text.name == "p.geojson"
