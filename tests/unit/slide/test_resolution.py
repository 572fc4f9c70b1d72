"""Which resolution is believed."""

import pytest

from dfaseg.errors import ConfigError, MissingResolutionError
from dfaseg.slide.resolution import StatedResolution, choose_resolution

GOOD = StatedResolution(0.25, 0.25, "metadata")
TAGS = StatedResolution(0.5, 0.5, "tiff tags")
WRONG = StatedResolution(0.00499, 0.00499, "tiff tags")


@pytest.mark.parametrize(
    ("stated", "power", "wanted", "mpp", "source"),
    [
        ((GOOD, TAGS), 20.0, None, 0.25, "metadata"),
        ((TAGS,), 20.0, None, 0.5, "tiff tags"),
        ((WRONG, GOOD), None, None, 0.25, "metadata"),
        ((), 40.0, None, 0.25, "objective power"),
        ((WRONG,), 20.0, None, 0.5, "objective power"),
        ((GOOD,), 20.0, 1.0, 1.0, "--mpp"),
        ((WRONG,), None, 1.0, 1.0, "--mpp"),
    ],
    ids=["first", "tags", "skip wrong", "power", "wrong, power", "user", "user over wrong"],
)
def test_first_believable_statement_wins(
    stated: tuple[StatedResolution, ...],
    power: float | None,
    wanted: float | None,
    mpp: float,
    source: str,
) -> None:
    """The user's value comes first, then the file's in order, then the objective."""
    resolution = choose_resolution("a.svs", stated, power, wanted)

    assert (resolution.mpp, resolution.source) == (mpp, source)


def test_nothing_stated_is_an_error_that_tells_what_to_do() -> None:
    """The message is fit for a user."""
    with pytest.raises(MissingResolutionError) as caught:
        choose_resolution("a.svs", (), None, None)

    assert str(caught.value) == (
        "slide 'a.svs': no resolution in its metadata; pass --mpp (µm per pixel), e.g. --mpp 0.25"
    )


def test_implausible_statement_is_named_in_the_error() -> None:
    """A wrong value is shown, so that its origin can be found."""
    with pytest.raises(MissingResolutionError, match=r"states 0\.00499 µm/px \(tiff tags\), which"):
        choose_resolution("a.svs", (WRONG,), None, None)


def test_implausible_statement_is_a_warning_where_another_is_believed() -> None:
    """What was not believed is told."""
    resolution = choose_resolution("a.svs", (WRONG, GOOD), None, None)

    assert "0.00499" in resolution.warnings[0]


def test_objective_power_is_a_last_resort_with_a_warning() -> None:
    """A guess is announced as one."""
    resolution = choose_resolution("a.svs", (), 20.0, None)

    assert "20× objective" in resolution.warnings[0]
    assert "--mpp" in resolution.warnings[0]


@pytest.mark.parametrize("power", [0.0, 0.5, 4000.0])
def test_impossible_objective_power_is_not_believed(power: float) -> None:
    """An objective of this power does not exist."""
    with pytest.raises(MissingResolutionError):
        choose_resolution("a.svs", (), power, None)


@pytest.mark.parametrize(
    ("mpp_y", "num_warnings"), [(0.501, 0), (0.52, 1)], ids=["square", "nearly square"]
)
def test_both_axes_are_averaged(mpp_y: float, num_warnings: int) -> None:
    """A difference above one per cent is worth a warning."""
    stated = StatedResolution(0.5, mpp_y, "metadata")

    resolution = choose_resolution("a.svs", (stated,), None, None)

    assert resolution.mpp == pytest.approx((0.5 + mpp_y) / 2)
    assert len(resolution.warnings) == num_warnings


def test_oblong_pixels_are_an_error_unless_the_user_insists() -> None:
    """One number cannot stand for axes that differ by more than ten per cent."""
    stated = StatedResolution(0.25, 0.5, "metadata")

    with pytest.raises(MissingResolutionError, match="must be square"):
        choose_resolution("a.svs", (stated,), None, None)

    assert choose_resolution("a.svs", (stated,), None, 0.3).mpp == 0.3


@pytest.mark.parametrize("wanted", [0.0, -1.0, 0.001, 250.0, float("nan"), float("inf")])
def test_impossible_wish_is_refused(wanted: float) -> None:
    """The user's own value is checked too."""
    with pytest.raises(ConfigError, match="--mpp"):
        choose_resolution("a.svs", (GOOD,), None, wanted)
