"""How a prediction lies over its truth."""

import pytest

from dfaseg.errors import EvaluationError
from dfaseg.evaluation.align import Alignment, Frame, align


def whole(width: int, height: int, mpp: float, slide_mpp: float = 0.25) -> Frame:
    """Return the frame of a mask of a whole slide."""
    corner = (-slide_mpp / 2, -slide_mpp / 2)
    scale = mpp / slide_mpp
    return Frame(width, height, (mpp, mpp), corner, (scale, scale))


def test_equal_sizes_without_resolution_lie_pixel_on_pixel() -> None:
    """Pictures say nothing but their size."""
    assert align(Frame(7, 5), Frame(7, 5)).is_identity
    assert align(Frame(7, 5), whole(7, 5, 0.5)).is_identity


def test_rounded_resolutions_move_no_pixel() -> None:
    """One file says 0.5, the other 0.4999."""
    assert align(whole(1000, 800, 0.5), whole(1000, 800, 0.4999)).is_identity


@pytest.mark.parametrize(
    ("truth_mpp", "columns"),
    [(1.0, [1, 3, 5, 7]), (0.25, [0, 0, 1, 1]), (0.75, [0, 2, 3, 5])],
    ids=["coarser", "finer", "one and a half"],
)
def test_truth_of_another_resolution_takes_the_pixel_at_its_centre(
    truth_mpp: float, columns: list[int]
) -> None:
    """Worked out by hand; a centre on a border belongs to the pixel right of it."""
    width = round(40 * 0.5 / truth_mpp)

    found = align(whole(width, width, truth_mpp), whole(40, 40, 0.5))

    assert found.columns(4).tolist() == columns
    assert found.rows(0, 4).tolist() == columns
    assert found.rows(2, 4).tolist() == columns[2:]


def test_part_of_a_slide_lies_where_it_says() -> None:
    """Ten prediction pixels to the right and four down."""
    truth = Frame(20, 10, (0.5, 0.5), corner_um=(5 - 0.125, 2 - 0.125))

    found = align(truth, whole(100, 80, 0.5))

    assert found == Alignment(1.0, 1.0, 10.0, 4.0)
    assert found.columns(3).tolist() == [10, 11, 12]


@pytest.mark.parametrize(
    ("truth", "prediction"),
    [
        (Frame(10, 10), Frame(10, 11)),
        (Frame(10, 10), whole(20, 20, 0.5)),
    ],
    ids=["neither", "one of them"],
)
def test_sizes_that_differ_need_resolutions(truth: Frame, prediction: Frame) -> None:
    """The message names both sizes."""
    sizes = f"the prediction has {prediction.width} × {prediction.height} px.*the truth 10 × 10 px"
    with pytest.raises(EvaluationError, match=sizes):
        align(truth, prediction)


@pytest.mark.parametrize(
    ("truth", "prediction", "remedy"),
    [
        (Frame(40, 20), Frame(10, 5), "enlarge the prediction 4 times, each pixel to 4 × 4 equal"),
        (Frame(10, 5), Frame(20, 10), "enlarge the truth 2 times"),
        (Frame(40, 20), Frame(10, 10), "give masks of one size"),
        (Frame(41, 20), Frame(10, 5), "give masks of one size"),
        (Frame(10, 20), Frame(10, 10), "give masks of one size"),
    ],
    ids=["prediction", "truth", "two factors", "no whole factor", "one side"],
)
def test_smaller_copy_is_to_be_enlarged(truth: Frame, prediction: Frame, remedy: str) -> None:
    """A picture may as well show a part of the slide, which only its maker knows."""
    with pytest.raises(EvaluationError, match=remedy):
        align(truth, prediction)


@pytest.mark.parametrize(
    "truth",
    [
        whole(100, 60, 0.5),
        whole(100, 80, 0.6),
        Frame(100, 80, (0.5, 0.5), corner_um=(50.0, 0.0)),
    ],
    ids=["shorter", "same size, coarser", "beyond the edge"],
)
def test_other_areas_are_refused(truth: Frame) -> None:
    """The truth of another slide often has another extent."""
    with pytest.raises(EvaluationError, match="cover different areas"):
        align(truth, whole(100, 80, 0.5))


def test_corner_of_a_whole_slide_is_0_at_level_0() -> None:
    """Whatever the mask's resolution."""
    frame = Frame(10, 10, (0.75, 0.75), (-0.125, -0.125), (3.0, 3.0))
    assert frame.level0_corner == (0.0, 0.0)
    assert Frame(10, 10).level0_corner == (0.0, 0.0)


def test_corner_of_a_part_is_in_level0_pixels() -> None:
    """50 µm at 0.25 µm per px are 200 px."""
    frame = Frame(10, 10, (0.5, 0.5), (50 - 0.125, -0.125), (2.0, 2.0))
    assert frame.level0_corner == (200.0, 0.0)
