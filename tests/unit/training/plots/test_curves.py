"""Figures of a run hold what they should; how they look is judged by people."""

import dataclasses
import math
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from dfaseg.classmap import ClassMap
from dfaseg.errors import ConfigError
from dfaseg.training.plots import curves, draw_curves
from dfaseg.training.runlog import EpochRecord

CLASSES = ClassMap.from_records(
    [
        {"index": i, "name": name, "colour": colour}
        for i, (name, colour) in enumerate(
            (("stroma", "#d9d9d9"), ("tumour", "#c1121f"), ("fat", "#f0e442"))
        )
    ]
)
FREQUENCIES = (0.5, 0.375, 0.125)


def _history(num_epochs: int = 4) -> list[EpochRecord]:
    return [
        EpochRecord(
            epoch=number, loss=1 / number, lr=0.001, seconds=1.0, macro_dice=0.1 * number,
            pixel_accuracy=0.5, dice=[0.1 * number, 0.2, 0.3], delta=[0.1, 0.2 * number, -0.2],
            terms={"focal": 0.5 / number, "dice": 0.75}, bias=[0.0, 0.25, -0.25],
        )
        for number in range(1, num_epochs + 1)
    ]  # fmt: skip


def _draw(
    history: list[EpochRecord], class_map: ClassMap = CLASSES, **dice: list[float]
) -> dict[str, Figure]:
    """Return figures by name in place of files: writing them takes most of the time."""
    figures: dict[str, Figure] = {}

    def keep(figure: Figure, folder: Path, name: str) -> list[Path]:
        figures[name] = figure
        return [folder / f"{name}.png"]

    frequencies = [*FREQUENCIES, *[0.01] * len(class_map)][: len(class_map)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curves, "save_figure", keep)
        draw_curves(history, class_map, frequencies, Path(), **dice)
    return figures


@pytest.fixture(scope="module")
def usual() -> dict[str, Figure]:
    """Figures of a short run whose b is not its delta."""
    return _draw(_history(), baseline_dice=[0.5, 0.1, 0.9])


@pytest.fixture(scope="module")
def unusual() -> dict[str, Figure]:
    """Figures of a longer run: a class is absent, two layers have a bias each, b is delta."""
    history = [
        dataclasses.replace(
            record, dice=[math.nan, 0.25, 0.5], delta=[0.1] * 3 + [0.3, 0.1, 0.0],
            bias=[-0.9] * 3 + [-0.7, -0.9, -1.0],
        )
        for record in _history(12)
    ]  # fmt: skip
    return _draw(history, test_dice=[0.9, 0.8, 0.7])


def _texts(figure: Figure) -> str:
    parts = [text.get_text() for axes in figure.axes for text in axes.texts]
    parts += [axes.get_title(loc="left") for axes in figure.axes]
    return "\n".join(parts)


def test_files_are_png_and_svg_and_equal_for_equal_runs(tmp_path: Path) -> None:
    """Both kinds are there, nothing else, and the same run draws the same bytes."""
    history = [dataclasses.replace(record, delta=[], terms={}) for record in _history(2)]
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        paths = draw_curves(history, CLASSES, FREQUENCIES, tmp_path / folder)

    names = {"loss", "dice", "frequency_dice"}
    expected = {f"{name}.{kind}" for name in names for kind in ("png", "svg")}
    assert {path.name for path in paths} == expected
    assert {path.name for path in (tmp_path / "b").iterdir()} == expected
    for name in expected:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_loss_shows_total_terms_and_learning_rate(usual: dict[str, Figure]) -> None:
    """One line each, with their names, over the epochs; the best epoch is marked."""
    upper, lower = usual["loss"].axes

    assert len(upper.lines) == 3 + 1
    assert list(upper.lines[0].get_xdata()) == [1, 2, 3, 4]
    assert len(lower.lines) == 1 + 1
    assert {"total", "focal", "dice", "dashed: best epoch 4"} <= set(
        _texts(usual["loss"]).split("\n")
    )


def test_loss_is_logarithmic_when_it_spans_much(
    usual: dict[str, Figure], unusual: dict[str, Figure]
) -> None:
    """A fall by a factor of 24 is not squeezed to the floor; one of 6 is."""
    assert usual["loss"].axes[0].get_yscale() == "linear"
    upper = unusual["loss"].axes[0]
    assert upper.get_yscale() == "log"
    low, high = upper.get_ylim()
    # More than the powers of ten: a loss that fell from 0.8 to 0.04 had the one number 0.1.
    assert {0.1, 0.2, 0.5} <= {float(f"{tick:.3g}") for tick in upper.get_yticks()}
    assert low < 0.1
    assert high > 0.5


def test_dice_shows_each_class_and_the_mean(usual: dict[str, Figure]) -> None:
    """Three classes, the macro mean as the thickest line, the best epoch as point and line."""
    (axes,) = usual["dice"].axes
    widths = [line.get_linewidth() for line in axes.lines[:4]]

    assert len(axes.lines) == 3 + 3
    assert widths[3] > max(widths[:3])
    assert axes.get_ylim() == (0, 1)
    assert {"stroma", "tumour", "fat", "macro mean"} <= set(_texts(usual["dice"]).split("\n"))


def test_class_that_never_occurs_is_said_so(unusual: dict[str, Figure]) -> None:
    """It has no curve and no label, but is not passed over in silence."""
    assert "not in this split: stroma" in _texts(unusual["dice"])
    assert "stroma" not in _texts(unusual["dice"]).split("\n")


def test_many_absent_classes_do_not_run_out_of_the_figure() -> None:
    """Their names are cut off with dots, where the figure's edge cut through a letter."""
    records = [
        {"index": index, "name": f"MUCOSA WWWW {index}", "colour": "#c1121f"} for index in range(20)
    ]
    history = [
        dataclasses.replace(record, dice=[0.5] + [math.nan] * 19, delta=[], bias=[])
        for record in _history()
    ]

    figure = _draw(history, ClassMap.from_records(records))["dice"]

    (remark,) = [t for t in figure.axes[0].texts if "not in this split" in t.get_text()]
    assert remark.get_text().endswith("…")
    assert remark.get_window_extent().x1 < figure.bbox.x1


def test_bias_is_centred_and_drawn_once_if_b_is_delta(unusual: dict[str, Figure]) -> None:
    """Only differences mean anything: the curves of an epoch sum to 0."""
    (axes,) = unusual["delta"].axes

    last = [line.get_ydata()[-1] for line in axes.lines[1:4]]
    assert sum(last) == pytest.approx(0)
    assert last[0] == pytest.approx((0 + 0.3 - 0.4 / 3) / 2)


def test_sets_of_layers_are_drawn_as_mean_and_range(unusual: dict[str, Figure]) -> None:
    """One line per class and a band, however many layers have their own bias."""
    assert len(unusual["delta"].axes[0].collections) == 3
    assert "band: range over layers or heads" in _texts(unusual["delta"])


def test_bias_that_holds_a_prior_is_drawn_below_delta(usual: dict[str, Figure]) -> None:
    """With an anchor, b is not delta."""
    titles = [axes.get_title(loc="left") for axes in usual["delta"].axes]

    assert [title[:9] for title in titles] == ["Learned δ", "Class bia"]


def test_frequency_axis_is_logarithmic_with_a_point_per_class(
    unusual: dict[str, Figure],
) -> None:
    """Test scores take the place of validation scores when given."""
    (axes,) = unusual["frequency_dice"].axes
    points = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines]

    assert axes.get_xscale() == "log"
    assert points == [(50.0, 0.9), (37.5, 0.8), (12.5, 0.7)]
    assert "test split" in axes.get_ylabel()
    assert "Spearman ρ = +1.00, n = 3 classes" in _texts(unusual["frequency_dice"])


def test_difficulty_is_drawn_with_its_trend(usual: dict[str, Figure]) -> None:
    """The hard class has the high delta, so the line falls."""
    (axes,) = usual["delta_dice"].axes
    trend = axes.lines[1].get_ydata()

    assert trend[0] > 0 > trend[-1]
    assert "Pearson r = −" in _texts(usual["delta_dice"])
    assert "n = 3 classes" in _texts(usual["delta_dice"])


def test_difficulty_needs_a_baseline(unusual: dict[str, Figure]) -> None:
    """Without another run's Dice there is nothing to compare delta with."""
    assert set(unusual) == {"loss", "dice", "delta", "frequency_dice"}


def test_runs_without_delta_have_no_figure_of_it() -> None:
    """A constant is no curve."""
    history = [dataclasses.replace(r, delta=[], terms={}) for r in _history()]

    figures = _draw(history, baseline_dice=[0.5, 0.1, 0.9])

    assert set(figures) == {"loss", "dice", "frequency_dice"}


@pytest.mark.parametrize("num_classes", [1, 21])
def test_any_number_of_classes_is_drawn_after_one_epoch(num_classes: int) -> None:
    """From a single class to all of BCSS, whatever their colours."""
    names = [{"index": i, "name": f"k{i}", "colour": "#ffffff"} for i in range(num_classes)]
    zeros = [0.0] * num_classes
    (record,) = _history(1)
    record = dataclasses.replace(record, dice=zeros, delta=zeros, bias=[])

    figures = _draw([record], ClassMap.from_records(names), baseline_dice=zeros)

    assert set(figures) == {"loss", "dice", "delta", "frequency_dice", "delta_dice"}
    assert len(figures["dice"].axes[0].lines) == num_classes + 3


def test_nothing_is_drawn_before_the_first_score(tmp_path: Path) -> None:
    """An empty or unscored history is no error."""
    unscored = dataclasses.replace(_history(1)[0], macro_dice=math.nan)

    assert draw_curves([], CLASSES, FREQUENCIES, tmp_path) == []
    assert draw_curves([unscored], CLASSES, FREQUENCIES, tmp_path) == []


def test_dice_of_another_class_map_is_refused(tmp_path: Path) -> None:
    """Points must not get the names of other classes."""
    with pytest.raises(ConfigError, match="2 values for 3 classes"):
        draw_curves(_history(), CLASSES, FREQUENCIES, tmp_path, baseline_dice=[0.5, 0.5])
