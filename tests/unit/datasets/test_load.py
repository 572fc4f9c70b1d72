"""Splits are decoded once; what does not fit in memory lies on disk and reads the same."""

import errno
import logging
import tempfile
from pathlib import Path

import numpy as np
import pytest

from dfaseg.datasets.dataset import Example, LabelledImage
from dfaseg.datasets.load import load_split
from dfaseg.datasets.scratch import ArrayStore
from dfaseg.errors import DatasetError, OutputError
from tests.labelled import make_examples

BYTES_PER_IMAGE = 16 * 16 * 4


@pytest.fixture
def scratch_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of temporary files, empty."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("fitting", [0, 2, 5], ids=["none", "some", "all"])
@pytest.mark.parametrize("workers", [1, 3])
def test_images_are_the_same_wherever_they_lie(
    scratch_folder: Path, fitting: int, workers: int
) -> None:
    """Memory decides where pixels lie, not what they are; the scratch file has no name."""
    examples = make_examples(5, side_px=16)

    split = load_split(examples, workers=workers, memory_bytes=fitting * BYTES_PER_IMAGE)

    for example, image, label in zip(examples, split.images, split.labels, strict=True):
        assert np.array_equal(image, example.read().image)
        assert np.array_equal(label, example.read().label)
    assert list(scratch_folder.iterdir()) == []


def test_images_on_disk_are_told_in_one_line(
    scratch_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The line says how much and where."""
    with caplog.at_level(logging.INFO):
        load_split(make_examples(3, side_px=16), memory_bytes=BYTES_PER_IMAGE)

    (message,) = caplog.messages
    assert "do not fit in memory" in message
    assert str(scratch_folder) in message


def test_images_that_fit_make_no_file(scratch_folder: Path) -> None:
    """Nothing is written, and nothing said, where memory is enough."""
    store = ArrayStore(100)

    (array,) = store.open_arrays([store.keep(np.arange(10, dtype=np.uint8))])

    assert array.tolist() == list(range(10))
    assert store.file_bytes == 0
    assert list(scratch_folder.iterdir()) == []


def test_full_scratch_disk_names_the_folder(
    scratch_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full says which and how to use another."""

    def fail(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", fail)

    with pytest.raises(OutputError, match=rf"{scratch_folder}.*No space.*TMPDIR"):
        load_split(make_examples(1), memory_bytes=0)


def test_error_in_a_thread_stops_loading() -> None:
    """The first error comes out as it is."""

    def fail() -> LabelledImage:
        raise DatasetError("file 'b.png': broken")

    examples = [*make_examples(2), Example("b", "b", fail)]

    with pytest.raises(DatasetError, match=r"b\.png"):
        load_split(examples, workers=2)


def test_memory_that_runs_out_names_the_image() -> None:
    """An image too large to decode is named."""

    def fail() -> LabelledImage:
        raise MemoryError

    with pytest.raises(DatasetError, match="image 'large': not enough memory"):
        load_split([Example("large", "case", fail)])
