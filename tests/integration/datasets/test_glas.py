"""GlaS is read as published and as commonly rearranged, by patient."""

from pathlib import Path

import numpy as np
import pytest

from dfaseg.datasets.glas import RELEASE_FOLDER, read_glas
from dfaseg.datasets.load import load_split
from dfaseg.datasets.pixel_counts import pixel_counts, pixel_frequencies
from dfaseg.datasets.readers import read_dataset
from dfaseg.errors import DatasetError
from tests.datasets_trees import GLAS_ROWS, write_glas_table, write_glas_tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a made-up tree of the genuine layout."""
    write_glas_tree(tmp_path)
    return tmp_path


def test_glands_are_one_class_whatever_their_number(tree: Path) -> None:
    """Each gland has a number of its own; sizes vary from image to image."""
    data = read_dataset("glas", tree)
    train = load_split(data.train)

    assert data.info.class_map.names == ("Background", "Gland")
    assert np.unique(train.labels[0]).tolist() == [0, 1]
    assert len({label.shape for label in train.labels}) == len(train)


def test_validation_is_by_patient(tree: Path) -> None:
    """Training and validation share no patient; cases are patients."""
    data = read_glas(tree)

    assert {example.case for example in (*data.train, *data.val)} == {"1", "2", "3", "4"}
    assert not {example.case for example in data.train} & {example.case for example in data.val}


def test_official_test_images_stay_and_their_leak_is_told(tree: Path) -> None:
    """The official test patients overlap the training patients, and the facts say so."""
    data = read_glas(tree)

    assert [example.name for example in data.test] == ["testA_1", "testA_2", "testB_1"]
    assert "shares patients" in data.info.limits
    assert "not to be passed on" in data.info.weights_licence


def test_release_folder_and_folders_by_part_are_found(tree: Path) -> None:
    """The folder inside the official archive, and images sorted into folders, are read too."""
    inner = tree / RELEASE_FOLDER
    inner.mkdir()
    for path in list(tree.iterdir()):
        if path.name == "Grade.csv":
            path.rename(inner / path.name)
        elif path.is_file():
            kind = "masks" if "_anno" in path.name else "images"
            folder = inner / path.name.partition("_")[0] / kind
            folder.mkdir(parents=True, exist_ok=True)
            path.rename(folder / path.name)

    assert len(load_split(read_glas(tree).test)) == 3


def test_endings_in_capitals_are_read(tree: Path) -> None:
    """Windows does not tell .BMP from .bmp."""
    for path in tree.glob("*.bmp"):
        path.rename(path.with_suffix(".BMP"))

    assert len(read_glas(tree).test) == 3


@pytest.mark.parametrize("name", ["train_2", "train_2_anno"])
def test_two_files_of_one_picture_are_refused(tree: Path, name: str) -> None:
    """Which of both is meant? A corrected mask beside the old one was not read, in silence."""
    (tree / f"{name}.png").write_bytes((tree / f"{name}.bmp").read_bytes())

    with pytest.raises(DatasetError, match=rf"'{name}\.bmp' and '{name}\.png' have one name"):
        read_glas(tree)


def test_copy_without_test_b_is_read(tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Some copies lack all of testB: said, not refused."""
    for path in tree.glob("testB_*"):
        path.unlink()

    assert [example.name for example in read_glas(tree).test] == ["testA_1", "testA_2"]
    assert "testB 0 of 20" in caplog.text


def test_folder_without_table_names_the_official_source(tmp_path: Path) -> None:
    """A wrong folder is one line that says where the data come from."""
    with pytest.raises(DatasetError, match=r"no Grade\.csv.*glas\.grand-challenge\.org"):
        read_glas(tmp_path)


def test_missing_mask_is_named(tree: Path) -> None:
    """An incomplete download is told before training starts."""
    (tree / "train_2_anno.bmp").unlink()

    with pytest.raises(DatasetError, match=r"1 of 18 files.*train_2_anno\.bmp.*download"):
        read_glas(tree)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row for row in GLAS_ROWS if not row[0].startswith("testA")], "parts testB, train"),
        ([("image_1", "1", "benign")], "parts image"),
        ([*GLAS_ROWS, GLAS_ROWS[0]], "'train_1': comes twice"),
        ([row for row in GLAS_ROWS if row[1] == "1"], "at least two"),
    ],
    ids=["no testA", "another table", "name twice", "one patient"],
)
def test_table_of_another_make_is_refused(
    tree: Path, rows: list[tuple[str, str, str]], message: str
) -> None:
    """What the table lacks is said."""
    write_glas_table(tree, rows)

    with pytest.raises(DatasetError, match=message):
        read_glas(tree)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,patient\n", "lacks the column 'patient id'"),
        ("", "lacks the column 'name'"),
        ("name,patient ID, grade (GlaS)\ntrain_1,4\n", "has 2 of 3 columns"),
    ],
    ids=["column", "empty", "cut line"],
)
def test_damaged_table_is_refused(tree: Path, text: str, message: str) -> None:
    """A table that cannot be read says why."""
    (tree / "Grade.csv").write_text(text, encoding="utf-8")

    with pytest.raises(DatasetError, match=message):
        read_glas(tree)


@pytest.mark.slow
def test_real_data_set_is_split_by_patient(real_data: Path) -> None:
    """The real images: 85 + 60, glands in half of the pixels, a fifth held out by patient."""
    root = real_data / "glas"
    if not root.is_dir():
        pytest.skip(f"no GlaS in '{real_data}'")

    data = read_glas(root)

    assert [len(split) for split in (data.train, data.val, data.test)] == [67, 18, 60]
    frequencies = pixel_frequencies(pixel_counts(load_split(data.train), 2))
    assert frequencies == pytest.approx([0.511, 0.489], abs=0.001)
