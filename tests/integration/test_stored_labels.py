"""Masks on disk as labels of a slide."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import tifffile

from dfaseg.annotation import LabelFrame, rules_for
from dfaseg.datasets.slide_labels import PaintedLabel
from dfaseg.errors import AnnotationError, DatasetError
from dfaseg.evaluation import stored_labels, tiff_mask
from dfaseg.evaluation.stored_labels import StoredLabels, open_stored_labels
from dfaseg.geometry import Rect
from dfaseg.slide import ArraySlide, SlideInfo
from tests.evaluating import CLASSES, write_picture, write_store

RULES = rules_for(CLASSES)
MASK = (np.arange(48 * 64).reshape(48, 64) // 7 % 3).astype(np.uint8)
FRAME = LabelFrame(90, 70, 1.5, 1.5)


def slide(width: int = 128, height: int = 96, name: str = "slide") -> SlideInfo:
    """Return the facts of a slide at 0.25 µm/px."""
    pixels = np.zeros((height, width, 3), np.uint8)
    return ArraySlide(pixels, mpp=0.25, slide_id=name).info


def opened(path: Path, info: SlideInfo | None = None) -> StoredLabels:
    """Open a mask over a slide of 128 × 96 px."""
    return open_stored_labels(path, info or slide(), RULES, FRAME)


def write_tiff(path: Path) -> Path:
    """Write the mask in tiles."""
    tifffile.imwrite(path, MASK, tile=(16, 16), compression="zlib", photometric="minisblack")
    return path


@pytest.mark.parametrize("kind", ["zarr", "tif", "strip", "png"])
def test_label_is_that_of_a_painted_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """From every kind of file, in every part, however few rows are held."""
    monkeypatch.setattr(stored_labels, "_BAND_ROWS", 5)
    monkeypatch.setattr(tiff_mask, "_MOST_REOPENED_PX", 64 * 20)
    path = tmp_path / f"m.{'tif' if kind == 'strip' else kind}"
    match kind:
        case "zarr":
            write_store(path, MASK, mpp=0.5)
        case "tif":
            write_tiff(path)
        case "strip":
            tifffile.imwrite(path, MASK, rowsperstrip=48, photometric="minisblack")
        case _:
            write_picture(path, MASK)
    expected = PaintedLabel(MASK, slide().levels[0], FRAME)

    label = opened(path)

    for rect in (Rect(0, 0, 85, 64), Rect(3, 7, 11, 50), Rect(20, 60, 3, 4)):
        assert np.array_equal(label.read_rect(rect), expected.read_rect(rect))
        sent = pickle.loads(pickle.dumps(label.within(rect.y, rect.bottom)))
        assert np.array_equal(sent.read_rect(rect), expected.read_rect(rect))
    coarse = LabelFrame(8, 6, 16, 16)
    whole = Rect(0, 0, 8, 6)
    painted = PaintedLabel(MASK, slide().levels[0], coarse)
    assert np.array_equal(label.on(coarse).read_rect(whole), painted.read_rect(whole))


@pytest.mark.parametrize("kind", ["tif", "png"])
@pytest.mark.parametrize("rows", [(-9, -1), (-3, 2), (68, 75), (400, 402)], ids=str)
def test_rows_that_nobody_painted_can_be_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, rows: tuple[int, int]
) -> None:
    """A part of the slide may lie beside the mask, in part or as a whole."""
    monkeypatch.setattr(tiff_mask, "_MOST_REOPENED_PX", 1)
    path = tmp_path / f"m.{kind}"
    label = opened(write_tiff(path) if kind == "tif" else write_picture(path, MASK))
    rect = Rect(0, rows[0], 90, rows[1] - rows[0])

    sent = pickle.loads(pickle.dumps(label.within(*rows)))

    assert np.array_equal(sent.read_rect(rect), label.read_rect(rect))


def test_pixels_outside_are_not_labelled(tmp_path: Path) -> None:
    """Neither outside the label nor where the mask does not reach."""
    label = opened(write_tiff(tmp_path / "m.tif"))
    found = label.read_rect(Rect(84, -1, 8, 2))
    assert (found[0] == 255).all()
    assert (found[1] == 255).tolist() == [False, *[True] * 7]


def test_mask_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    """Another shape, another slide, an unknown code."""
    tiff, store = write_tiff(tmp_path / "m.tif"), write_store(tmp_path / "m.zarr", MASK)

    with pytest.raises(AnnotationError, match=r"m\.tif': 64 × 48 px do not lie over 128 × 60 px"):
        opened(tiff, slide(height=60))
    with pytest.raises(AnnotationError, match=r"m\.zarr': is of slide 'slide', not of 'other'"):
        opened(store, slide(name="other"))
    label = opened(write_picture(tmp_path / "m.png", np.full((48, 64), 9, np.uint8)))
    with pytest.raises(DatasetError, match="code 9 in 1 pixels is unknown"):
        label.read_rect(Rect(0, 0, 1, 1))
