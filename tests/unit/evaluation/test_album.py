"""Pictures of cases are sampled while rows go by, and kept small."""

import numpy as np
import pytest

from dfaseg.classmap import ClassMap
from dfaseg.evaluation.album import Album, crop_to_truth
from dfaseg.evaluation.align import Alignment, Frame
from dfaseg.evaluation.results import CaseResult, EvalResult
from dfaseg.evaluation.stream import OverlaidPair
from dfaseg.evaluation.thumbnail import ThumbnailMeter

CLASSES = ClassMap.from_records(
    [{"index": i, "name": f"class {i}", "colour": f"#{i}02030"} for i in range(2)]
)


class Rows:
    """Class indices in memory."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels

    def read_rows(self, top: int, bottom: int) -> np.ndarray:
        """Return rows."""
        return self.pixels[top:bottom]


def pair(truth: np.ndarray, mask: np.ndarray, alignment: Alignment | None = None) -> OverlaidPair:
    """Return two masks, one over the other."""
    frames = [Frame(pixels.shape[1], pixels.shape[0]) for pixels in (truth, mask)]
    return OverlaidPair(
        Rows(truth), frames[0], Rows(mask), frames[1], alignment or Alignment()
    )  # fmt: skip


@pytest.mark.parametrize("strip", [1, 3, 50])
def test_thumbnail_has_the_pixels_at_the_centres(strip: int) -> None:
    """Of 50 × 30 px every fifth is kept, whatever strips they come in."""
    pixels = np.arange(1500, dtype=np.int64).reshape(50, 30) % 251
    label, mask = pixels.astype(np.uint8), pixels[::-1].astype(np.uint8)
    meter = ThumbnailMeter(Frame(30, 50), longest_px=10)

    for top in range(0, 50, strip):
        meter.add(label[top : top + strip], mask[top : top + strip])
    small_label, small_mask = meter.finish().unpack()

    assert np.array_equal(small_label, label[2::5, 2::5])
    assert np.array_equal(small_mask, mask[2::5, 2::5])


def test_small_slide_is_kept_as_it_is() -> None:
    """Nothing is enlarged."""
    label = np.array([[0, 1, 255]], np.uint8)
    meter = ThumbnailMeter(Frame(3, 1))

    meter.add(label, label)

    assert np.array_equal(meter.finish().unpack()[0], label)


def test_album_shows_best_median_and_worst() -> None:
    """Each with its own truth and mask, and the slide where a picture of it is known."""
    album, cases = Album(), []
    for number, right in enumerate((9, 5, 1)):
        label = np.zeros((4, 6), np.uint8)
        label[0, 0] = number
        meter = ThumbnailMeter(Frame(6, 4))
        meter.add(label, label)
        overview = np.full((4, 6, 3), 200, np.uint8) if number == 0 else None
        album.keep(f"slide {number}", meter, pair(label, label), overview)
        counts = np.array([[right, 10 - right], [0, 10]])
        cases.append(CaseResult(f"slide {number}", f"slide {number}", counts))

    shown = album.choose(EvalResult("x", CLASSES, None, tuple(cases)))

    assert [case.caption.partition(",")[0] for case in shown] == ["best", "median", "worst"]
    assert [int(case.truth[0, 0]) for case in shown] == [0, 1, 2]
    assert shown[0].image is not None
    assert shown[0].image.shape == (4, 6, 3)
    assert abs(int(shown[0].image[2, 2, 0]) - 200) < 3
    assert shown[1].image is None


def test_overview_is_cut_to_what_the_truth_covers() -> None:
    """A truth of a quarter, in finer pixels, that begins in the middle of the prediction."""
    overview = np.zeros((10, 20, 3), np.uint8)
    overview[5:, 10:] = 7
    truth, mask = np.zeros((100, 200), np.uint8), np.zeros((100, 200), np.uint8)

    seen = crop_to_truth(overview, pair(truth, mask, Alignment(0.5, 0.5, 100.0, 50.0)))

    assert seen is not None
    assert seen.shape == (5, 10, 3)
    assert (seen == 7).all()


def test_truth_beyond_the_prediction_has_no_picture() -> None:
    """Its slide was not seen there."""
    pixels = np.zeros((100, 200), np.uint8)

    overview = np.zeros((10, 20, 3), np.uint8)
    assert crop_to_truth(overview, pair(pixels, pixels, Alignment(1, 1, 20.0, 0.0))) is None
    assert crop_to_truth(overview, pair(pixels, pixels, Alignment(1, 1, -20.0, 0.0))) is None
