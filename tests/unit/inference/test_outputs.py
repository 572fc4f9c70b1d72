"""Result files: checked before the work, published together, never at the user's expense."""

import json
import os

import pytest

from dfaseg.errors import OutputError, OutputExistsError
from dfaseg.files import locked
from dfaseg.inference.outputs import OutputPaths


@pytest.fixture
def paths(tmp_path):
    """Paths of a result in an empty folder."""
    return OutputPaths.beside(tmp_path / "slide.1.zarr")


def make_results(paths, text="new"):
    """Put finished files into the hidden folder."""
    paths.partial.mkdir(exist_ok=True)
    for final in paths.finals[1:]:
        paths.made(final).write_text(text, encoding="utf-8")
    paths.made(paths.mask).mkdir()
    (paths.made(paths.mask) / "zarr.json").write_text(
        json.dumps({"attributes": {"dfaseg": {"text": text}}}), encoding="utf-8"
    )


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
    """Without --overwrite any file in the way ends the run before it begins."""
    paths.areas.write_text("precious", encoding="utf-8")

    with pytest.raises(OutputExistsError, match="--overwrite"):
        paths.check(overwrite=False)

    assert paths.areas.read_text(encoding="utf-8") == "precious"


def test_overwrite_replaces_only_when_published(paths):
    """The old result stays until the new one is whole."""
    make_results(paths, "old")
    paths.publish()
    make_results(paths, "new")

    paths.check(overwrite=True)
    assert "old" in (paths.mask / "zarr.json").read_text(encoding="utf-8")
    paths.publish()

    assert "new" in (paths.mask / "zarr.json").read_text(encoding="utf-8")
    assert paths.areas.read_text(encoding="utf-8") == "new"


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
