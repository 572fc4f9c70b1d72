"""A folder of the user's own is read by the documented format, and what is wrong is said."""

import re
from pathlib import Path

import numpy as np
import pytest

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.datasets.dataset import Dataset
from dfaseg.datasets.folder import read_folder
from dfaseg.datasets.load import load_split
from dfaseg.datasets.readers import read_dataset
from dfaseg.errors import ClassMapError, DatasetError
from tests.datasets_trees import (
    CLASSES_TOML,
    make_mask,
    write_folder_tree,
    write_pair,
    write_picture,
    write_table,
)

NAMES = [f"slide{i}__x{x}_y0" for i in range(10) for x in range(i % 3 + 1)]


def _cases(data: Dataset) -> list[set[str]]:
    return [{example.case for example in split} for split in (data.train, data.val, data.test)]


def test_codes_become_classes_and_ignore(tmp_path: Path) -> None:
    """Two codes mean one class, 255 is ignored."""
    write_folder_tree(tmp_path, NAMES)

    data = read_dataset("folder", tmp_path)

    label = load_split(data.train).labels[0]
    assert label[0].tolist() == [0, 0, 1, 1, 1, 1, IGNORE_INDEX, IGNORE_INDEX]
    assert data.info.class_map.names == ("stroma", "tumour")
    assert data.info.mpp == 0.5
    assert data.info.name == tmp_path.name


def test_example_of_the_documentation_is_read(tmp_path: Path) -> None:
    """The class file on the page of the format is a valid one."""
    page = Path(__file__).resolve().parents[3] / "docs" / "reference" / "dataset-folder.md"
    (toml,) = re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    write_folder_tree(tmp_path, NAMES, toml)

    data = read_folder(tmp_path)

    assert data.info.licence == "CC BY 4.0"
    assert np.unique(data.train[0].read().label).tolist() == [0, 1, IGNORE_INDEX]


def test_images_of_a_slide_stay_together(tmp_path: Path) -> None:
    """Without splits, whole slides are held out: the name up to the last two underscores."""
    write_folder_tree(tmp_path, NAMES)

    train, val, test = _cases(read_folder(tmp_path))

    assert train | val | test == {f"slide{i}" for i in range(10)}
    assert len(train) + len(val) + len(test) == len(train | val | test)
    assert min(len(val), len(test)) >= 1


def test_choice_of_splits_is_the_same_everywhere(tmp_path: Path) -> None:
    """The names alone decide, not the folder's place or order."""
    write_folder_tree(tmp_path / "a", NAMES)
    write_folder_tree(tmp_path / "b", NAMES[::-1])

    assert _cases(read_folder(tmp_path / "a")) == _cases(read_folder(tmp_path / "b"))


def test_table_states_splits_and_cases(tmp_path: Path) -> None:
    """What manifest.csv says holds; other columns do not matter."""
    write_folder_tree(tmp_path, ["a", "b", "c"])
    rows = [
        ("a.png", "val", "p1", "7"),
        ("b.png", "test", "p2", "7"),
        ("c.png", "train", "p3", "7"),
    ]
    write_table(tmp_path / "manifest.csv", ("name", "split", "case", "pixels"), rows)

    data = read_folder(tmp_path)

    assert [example.name for example in data.val] == ["a"]
    assert _cases(data) == [{"p3"}, {"p1"}, {"p2"}]


def test_table_without_splits_splits_by_its_cases(tmp_path: Path) -> None:
    """Patients of the table are kept together, whatever the names."""
    names = [f"{i}" for i in range(12)]
    write_folder_tree(tmp_path, names)
    write_table(
        tmp_path / "splits.csv", ("name", "case"), [(name, f"p{int(name) // 3}") for name in names]
    )

    train, val, test = _cases(read_folder(tmp_path))

    assert train | val | test == {"p0", "p1", "p2", "p3"}
    assert len(train) + len(val) + len(test) == len(train | val | test)


def test_folders_are_splits(tmp_path: Path) -> None:
    """Folders train, val and test hold images and masks each."""
    write_folder_tree(tmp_path, [])
    for split in ("train", "val", "test"):
        write_pair(tmp_path / split, f"{split}-1")

    data = read_folder(tmp_path)

    assert [split[0].name for split in (data.train, data.val, data.test)] == [
        "train-1",
        "val-1",
        "test-1",
    ]


def test_unknown_patients_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where every image counts as a patient, the log and the model's card say so."""
    write_folder_tree(tmp_path, ["a", "b", "c", "d"])

    data = read_folder(tmp_path)

    assert "no cases are known" in caplog.text
    assert "Patients are not known" in data.info.limits


def test_all_facts_of_the_class_file_are_used(tmp_path: Path) -> None:
    """Name, terms, glass, patch and ignored codes are stated once."""
    toml = (
        'name = "Ours"\nmpp_note = "scanner"\nlicence = "CC0"\nglass = "stroma"\npatch_px = 64\n'
        "ignore = [0, 255]\n" + CLASSES_TOML.replace("index = 0", "index = 0\ncodes = [7]")
    )
    write_folder_tree(tmp_path, NAMES, toml)

    data = read_folder(tmp_path)

    assert (data.info.name, data.info.mpp_note, data.info.licence) == ("Ours", "scanner", "CC0")
    assert (data.info.glass_index, data.info.patch_px) == (0, 64)
    assert np.unique(data.train[0].read().label).tolist() == [1, IGNORE_INDEX]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("mpp = 0.5", ""), "mpp is None; state the µm per pixel"),
        (("mpp = 0.5", "mpp = 0"), "mpp is 0"),
        (("mpp = 0.5", "mpp = true"), "mpp is True"),
        (("mpp", "glass = 'fat'\nmpp"), "glass is 'fat', but the classes are stroma, tumour"),
        (("mpp", "patch_px = 0\nmpp"), "patch_px is 0"),
        (("mpp", "licence = 3\nmpp"), "licence is 3"),
        (("[1, 19]", "[1, 0]"), "code 0 means two things"),
        (("[1, 19]", "[1, 255]"), "code 255 means two things"),
        (("[1, 19]", "'1'"), "must be a list of whole numbers"),
        (("[1, 19]", "[-1]"), "must be a list of whole numbers"),
    ],
)
def test_impossible_class_file_is_refused(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    """The key and its value are named."""
    write_folder_tree(tmp_path, NAMES, CLASSES_TOML.replace(*change))

    with pytest.raises(ClassMapError, match=rf"classes\.toml': .*{message}"):
        read_folder(tmp_path)


def test_key_that_means_nothing_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A misspelt key is not passed over in silence."""
    write_folder_tree(tmp_path, NAMES, "ignores = [3]\n" + CLASSES_TOML)

    read_folder(tmp_path)

    assert "ignores" in caplog.text


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("case\np1\n", "lacks the column 'name'"),
        ("name\na\na\n", "names the image 'a' twice"),
        ("name,split\na,training\n", "split 'training' of 'a' is unknown; use one of train"),
        ("name,split\na,val\nb,\n", "some images have a split and some have none"),
        ("name\na\nb\nc\nd\n", r"names images that are not there \(1, the first is 'd'\)"),
        ("name\na\n", r"does not name all images \(2, the first is 'b'\)"),
        (
            "name,split,case\na,train,p\nb,val,q\nc,test,p\n",
            "case 'p': lies in the splits train and test",
        ),
        ("name,case\na,p\nb,q\nc,p\n", "2 cases, but at least 3 are needed"),
    ],
)
def test_impossible_table_is_refused(tmp_path: Path, table: str, message: str) -> None:
    """What is wrong with the table is said."""
    write_folder_tree(tmp_path, ["a", "b", "c"])
    (tmp_path / "manifest.csv").write_text(table, encoding="utf-8")

    with pytest.raises(DatasetError, match=message):
        read_folder(tmp_path)


def test_table_against_folders_is_refused(tmp_path: Path) -> None:
    """An image lies in one split, and the table names another."""
    write_folder_tree(tmp_path, [])
    for split in ("train", "val", "test"):
        write_pair(tmp_path / split, f"{split}-1")
    rows = [("train-1", "test"), ("val-1", "val"), ("test-1", "train")]
    write_table(tmp_path / "splits.csv", ("name", "split"), rows)

    with pytest.raises(DatasetError, match="puts 'train-1' into the split test, but it lies in"):
        read_folder(tmp_path)


def test_two_tables_are_refused(tmp_path: Path) -> None:
    """Which of both holds cannot be known."""
    write_folder_tree(tmp_path, ["a"])
    for name in ("manifest.csv", "splits.csv"):
        (tmp_path / name).write_text("name\na\n", encoding="utf-8")

    with pytest.raises(DatasetError, match=r"manifest\.csv and splits\.csv"):
        read_folder(tmp_path)


def test_image_without_mask_is_named(tmp_path: Path) -> None:
    """Images and masks come in pairs of one name."""
    write_folder_tree(tmp_path, NAMES)
    (tmp_path / "masks" / "slide4__x1_y0.png").unlink()

    with pytest.raises(DatasetError, match=r"1 of 19 files.*slide4__x1_y0\.png"):
        read_folder(tmp_path)


def test_mask_as_jpeg_is_not_taken(tmp_path: Path) -> None:
    """JPEG makes new codes along every border."""
    write_folder_tree(tmp_path, ["a", "b", "c"])
    (tmp_path / "masks" / "a.png").unlink()
    write_picture(tmp_path / "masks" / "a.jpg", make_mask(8, 6, (0, 1)))

    with pytest.raises(DatasetError, match="lossless format"):
        read_folder(tmp_path)


def test_key_of_a_class_that_means_nothing_is_refused(tmp_path: Path) -> None:
    """A class without its codes would be learnt from other pixels."""
    write_folder_tree(tmp_path, NAMES, CLASSES_TOML.replace("codes =", "code ="))

    with pytest.raises(ClassMapError, match=r"'code' \(is 'codes' meant\?\) is unknown"):
        read_folder(tmp_path)


def test_mask_without_image_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is dropped in silence."""
    write_folder_tree(tmp_path, NAMES)
    write_picture(tmp_path / "masks" / "extra.png", make_mask(8, 6, (0,)))

    read_folder(tmp_path)

    assert "1 masks have no image, the first is 'extra'" in caplog.text


def test_folder_of_a_single_split_is_read(tmp_path: Path) -> None:
    """Images of another hospital are for testing only, and may be few."""
    write_folder_tree(tmp_path, [])
    write_pair(tmp_path / "test", "only")

    data = read_folder(tmp_path)

    assert [len(split) for split in (data.train, data.val, data.test)] == [0, 0, 1]


def test_table_may_name_a_single_split(tmp_path: Path) -> None:
    """The same by a table."""
    write_folder_tree(tmp_path, ["a", "b"])
    (tmp_path / "manifest.csv").write_text("name,split\na,test\nb,test\n", encoding="utf-8")

    data = read_folder(tmp_path)

    assert [len(split) for split in (data.train, data.val, data.test)] == [0, 0, 2]


def test_images_beside_a_split_are_refused(tmp_path: Path) -> None:
    """Nobody could tell whether they are meant to be left out."""
    write_folder_tree(tmp_path, ["a"])
    write_pair(tmp_path / "test", "b")

    with pytest.raises(DatasetError, match="has the folders 'images' and 'test'"):
        read_folder(tmp_path)


def test_folder_without_images_is_refused(tmp_path: Path) -> None:
    """An empty folder is told."""
    write_folder_tree(tmp_path, [])

    with pytest.raises(DatasetError, match="no picture in"):
        read_folder(tmp_path)


def test_folder_without_class_file_names_the_format(tmp_path: Path) -> None:
    """The message says where the format is written down."""
    with pytest.raises(DatasetError, match=r"no classes\.toml.*dataset-folder\.md"):
        read_folder(tmp_path)


def test_unknown_code_names_mask_and_pixels(tmp_path: Path) -> None:
    """A code that no class has is an error when the mask is read."""
    write_folder_tree(tmp_path, ["a", "b", "c"])
    write_picture(tmp_path / "masks" / "a.png", make_mask(8, 6, (0, 42)))

    data = read_folder(tmp_path)

    with pytest.raises(DatasetError, match=r"a\.png': code 42 in 24 pixels.*0, 1, 19, 255"):
        load_split((*data.train, *data.val, *data.test))
