"""BCSS is read as its authors' tools lay it out, and its traps are avoided."""

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.datasets.bcss import SOURCE, read_bcss
from dfaseg.datasets.readers import read_dataset
from dfaseg.errors import DatasetError

WIDTH, HEIGHT = 44, 30
TRAIN, VAL, TEST = (
    f"TCGA-{case}-DX1_xmin{x}_ymin25055_MPP-0.2500"
    for case, x in (("A2-A0SK", 45749), ("BH-A0AV", 77937), ("OL-A5D6", 115108))
)
CLASS_OF_CODE = [
    IGNORE_INDEX,
    *(0, 1, 2, 3, 4, 4, 4, 4, 4, 2, 2, 4, 4, 4, 4, 4, 4, 4, 0, 0, 4),
]


def make_codes() -> NDArray[np.uint8]:
    """Return a mask of all 22 codes in stripes."""
    return np.repeat(np.arange(22, dtype=np.uint8), WIDTH // 22)[np.newaxis].repeat(HEIGHT, axis=0)


def make_image(seed: int) -> NDArray[np.uint8]:
    """Return an image of random colours."""
    return np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)


def write(folder: Path, name: str, pixels: NDArray[np.uint8]) -> None:
    """Write a PNG; colours are RGB."""
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f"{name}.png"), pixels[..., ::-1] if pixels.ndim == 3 else pixels)


def write_tree(root: Path, images: str = "images", masks: str = "masks") -> None:
    """Write one region of each split."""
    for seed, name in enumerate((TRAIN, VAL, TEST)):
        write(root / images, name, make_image(seed))
        write(root / masks, name, make_codes())


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a made-up tree of the layout that the authors' script makes."""
    write_tree(tmp_path)
    return tmp_path


def test_institutes_decide_the_split(tree: Path) -> None:
    """The second field of the name is the institute; the case is the patient."""
    data = read_dataset("bcss", tree)

    assert [one.name for split in (data.train, data.val, data.test) for one in split] == [
        TRAIN,
        VAL,
        TEST,
    ]
    assert [split[0].case for split in (data.train, data.val, data.test)] == [
        "TCGA-A2-A0SK",
        "TCGA-BH-A0AV",
        "TCGA-OL-A5D6",
    ]


def test_codes_become_five_classes(tree: Path) -> None:
    """Outside the region is ignored, never "other"."""
    pixels = read_bcss(tree).val[0].read()

    assert np.array_equal(pixels.image, make_image(1))
    assert pixels.label[7, :: WIDTH // 22].tolist() == CLASS_OF_CODE


def test_unclear_codes_can_be_ignored(tree: Path) -> None:
    """Codes 7 and 15 are left out on request, and nothing else changes."""
    label = read_dataset("bcss-certain", tree).train[0].read().label

    found = label[7, :: WIDTH // 22].tolist()
    assert [code for code in range(22) if found[code] != CLASS_OF_CODE[code]] == [7, 15]
    assert found[7] == found[15] == IGNORE_INDEX


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("rgbs", "masks"),
        ("rgbs_colorNormalized", "masks"),
        ("images (2)", "masks (2)"),
        ("0_Public-data-Amgad2019_0.25MPP/rgbs", "0_Public-data-Amgad2019_0.25MPP/masks"),
        ("img", "mask"),
    ],
)
def test_all_layouts_are_read(tmp_path: Path, images: str, masks: str) -> None:
    """Folders as made by the script, the shared drive, a browser and SAM-Path."""
    write_tree(tmp_path, images, masks)
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "gtruth_codes.tsv").write_text("label\tGT_code\n")

    assert np.array_equal(read_bcss(tmp_path).test[0].read().image, make_image(2))


def test_original_colours_come_before_normalised_ones(tree: Path) -> None:
    """Two image folders are not mixed."""
    write(tree / "rgbs_colorNormalized", TRAIN, make_image(9))

    assert np.array_equal(read_bcss(tree).train[0].read().image, make_image(0))


def test_parts_of_a_download_belong_together(tree: Path) -> None:
    """What a browser unpacked into two folders is one, also if it fetched files twice."""
    for folder in ("images", "masks"):
        (tree / f"{folder} (2)").mkdir()
        (tree / folder / f"{VAL}.png").rename(tree / f"{folder} (2)" / f"{VAL}.png")
        copy = (tree / folder / f"{TEST}.png").read_bytes()
        (tree / f"{folder} (2)" / f"{TEST}.png").write_bytes(copy)

    data = read_bcss(tree)

    assert [len(split) for split in (data.train, data.val, data.test)] == [1, 1, 1]


@pytest.mark.parametrize(("lacking", "kind"), [("images", "image"), ("masks", "mask")])
def test_file_without_its_partner_is_named(tree: Path, lacking: str, kind: str) -> None:
    """An incomplete download is told before training starts."""
    (tree / lacking / f"{VAL}.png").unlink()

    with pytest.raises(DatasetError, match=rf"1 of 3 files have no {kind}.*BH-A0AV.*{SOURCE}"):
        read_bcss(tree)


def test_small_set_is_warned_of(tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Scores on a part of the slides mean something else."""
    with caplog.at_level(logging.WARNING):
        read_bcss(tree)

    assert "3 of 151 slides (train 1 of 76, val 1 of 30, test 1 of 45)" in caplog.text


def test_empty_split_is_named(tree: Path) -> None:
    """Without one slide of an institute that validates there is nothing to validate on."""
    for folder in ("images", "masks"):
        (tree / folder / f"{VAL}.png").unlink()

    with pytest.raises(DatasetError, match="no slide of the split 'val'"):
        read_bcss(tree)


@pytest.mark.parametrize(
    ("ending", "stated"),
    [("MPP-0.2300", "MPP-0.2300"), ("MAG-40.00", "MAG-40.00"), ("", "nothing")],
)
def test_other_resolutions_are_refused(tree: Path, ending: str, stated: str) -> None:
    """The script's own setting is 0.23 µm/px; the first one did not resample at all."""
    name = TRAIN.replace("MPP-0.2500", ending)
    write(tree / "images", name, make_image(0))
    write(tree / "masks", name, make_codes())

    with pytest.raises(DatasetError, match=rf"not say MPP-0\.2500 but '{stated}'.*MPP = 0\.25"):
        read_bcss(tree)


def test_other_names_are_refused(tree: Path) -> None:
    """A file whose institute cannot be known cannot be put into a split."""
    for folder in ("images", "masks"):
        (tree / folder / f"{TRAIN}.png").rename(tree / folder / "tumour.png")

    with pytest.raises(DatasetError, match=r"tumour\.png': is not named like"):
        read_bcss(tree)


def test_other_folder_names_the_official_source(tmp_path: Path) -> None:
    """A wrong folder is one line that says where the data come from."""
    with pytest.raises(DatasetError, match=rf"no folder 'masks'.*{SOURCE}"):
        read_bcss(tmp_path)


def test_unknown_code_is_named(tree: Path) -> None:
    """A mask of another make is not silently misread."""
    write(tree / "masks", TRAIN, make_codes() + np.uint8(1))

    with pytest.raises(DatasetError, match=r"A2-A0SK.*code 22 in 60 pixels"):
        read_bcss(tree).train[0].read()


def cut(root: Path, name: str, image: NDArray[np.uint8], codes: NDArray[np.uint8]) -> None:
    """Write a region as SAM-Path cuts it: overlapping tiles, row and column in the name."""
    for y in (0, 14):
        for x in (0, 14, 28):
            window = slice(y, y + 16), slice(x, x + 16)
            write(root / "img", f"{name}_{y}_{x}", image[window])
            write(root / "mask", f"{name}_{y}_{x}", codes[window])


def test_tiles_are_put_together(tmp_path: Path) -> None:
    """The tiles of a region are one example again, each pixel once, in one split."""
    for seed, name in enumerate((TRAIN, VAL, TEST)):
        cut(tmp_path, name, make_image(seed), make_codes())

    data = read_bcss(tmp_path)
    pixels = data.train[0].read()

    assert [len(split) for split in (data.train, data.val, data.test)] == [1, 1, 1]
    assert data.train[0].name == TRAIN
    assert np.array_equal(pixels.image, make_image(0))
    assert pixels.label[7, :: WIDTH // 22].tolist() == CLASS_OF_CODE


def test_missing_tile_is_noticed(tmp_path: Path) -> None:
    """A hole in a region is not filled with anything."""
    for name in (TRAIN, VAL, TEST):
        cut(tmp_path, name, make_image(0), make_codes())
    for folder in ("img", "mask"):
        (tmp_path / folder / f"{TRAIN}_0_14.png").unlink()

    with pytest.raises(DatasetError, match=r"A2-A0SK.*pixel \(16, 0\).*tiles is missing"):
        read_bcss(tmp_path).train[0].read()
