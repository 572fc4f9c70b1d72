"""The pictures of a finished run: its curves, and what the network makes of chosen test images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import ClassMap
from dfaseg.datasets.load import Split
from dfaseg.errors import OutputError
from dfaseg.evaluation.cases import choose_cases
from dfaseg.evaluation.confusion import ConfusionMatrix
from dfaseg.figures.case_pictures import PanelCase
from dfaseg.files import explain
from dfaseg.training.runlog import EpochRecord
from dfaseg.training.validation import SplitScores

PredictMasks = Callable[[Sequence[NDArray[np.uint8]]], Sequence[NDArray[np.uint8]]]
"""From images ``(h, w, 3)`` to masks ``(h, w)``."""


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """What the pictures are drawn from.

    Attributes:
        history: One record per epoch.
        class_map: The classes.
        frequencies: Share of each class in the training pixels.
        baseline_dice: Dice per class of an earlier run; empty without one.
        test_split: Test images and labels.
        test_scores: Scores on them.
        predict: The best epoch's network.
    """

    history: Sequence[EpochRecord]
    class_map: ClassMap
    frequencies: tuple[float, ...]
    baseline_dice: tuple[float, ...]
    test_split: Split
    test_scores: SplitScores
    predict: PredictMasks


def illustrate_run(folder: Path, run: FinishedRun) -> list[Path]:
    """Draw all pictures of a run.

    Args:
        folder: Where to; made if missing.
        run: The run.

    Returns:
        The files.

    Raises:
        OutputError: A file cannot be written.
    """
    # Matplotlib takes a second to import, which only a run that has ended pays for.
    from dfaseg.figures.panel import draw_panel  # noqa: PLC0415
    from dfaseg.training.plots.curves import draw_curves  # noqa: PLC0415

    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"plots '{folder}': cannot be made ({explain(error)})") from error
    files = draw_curves(
        run.history,
        run.class_map,
        run.frequencies,
        folder,
        baseline_dice=run.baseline_dice or None,
        test_dice=run.test_scores.pooled.dice.tolist(),
    )
    cases = _panel_cases(run)
    return files + (draw_panel(cases, run.class_map, folder / "panel.png") if cases else [])


def _panel_cases(run: FinishedRun) -> list[PanelCase]:
    confusions = [_matrix(counts) for counts in run.test_scores.images]
    chosen = choose_cases(confusions, run.class_map, run.frequencies)
    split = run.test_split
    masks = run.predict([split.images[case.index] for case in chosen])
    return [
        PanelCase(
            split.names[case.index],
            np.asarray(split.images[case.index]),
            np.asarray(split.labels[case.index]),
            mask,
            case.caption,
        )
        for case, mask in zip(chosen, masks, strict=True)
    ]


def _matrix(counts: NDArray[np.int64]) -> ConfusionMatrix:
    matrix = ConfusionMatrix(len(counts))
    matrix.counts = counts
    return matrix
