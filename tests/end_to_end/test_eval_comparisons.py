"""``dfaseg eval RUN RUN``: evaluations of predictions side by side, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX
from tests.evaluating import blotches, run_eval, scores_of, write_classes, write_picture

TRUTH = {f"slide{i}": blotches(40, 60, seed=i) for i in range(3)}


def shifted(mask: NDArray[np.uint8], by: int) -> NDArray[np.uint8]:
    """Return a mask that is wrong at the borders, and analysed everywhere."""
    filled = np.where(mask == IGNORE_INDEX, 0, mask).astype(np.uint8)
    return np.roll(filled, by, axis=1)


def score(folder: Path, model: str, masks: dict[str, NDArray[np.uint8]]) -> Path:
    """Write predictions to MODEL/predictions, score them, and return the folder of the scores."""
    predictions, truth = folder / model / "predictions", folder / "truth"
    for place, found in ((predictions, masks), (truth, TRUTH)):
        place.mkdir(parents=True, exist_ok=True)
        for name, mask in found.items():
            write_picture(place / f"{name}.png", mask)
    classes = write_classes(folder / "classes.toml")
    out = folder / f"scores-{model}"
    said = run_eval(predictions, "--truth", truth, "--class-map", classes, "--out", out)
    assert said.exit_code == 0, said.output
    return out


@pytest.fixture
def evaluations(tmp_path: Path) -> list[Path]:
    """Return two evaluations of predictions in folders of the same name."""
    return [
        score(tmp_path, model, {name: shifted(mask, by) for name, mask in TRUTH.items()})
        for model, by in (("modelA", 0), ("modelB", 2))
    ]


def test_predictions_in_folders_of_one_name_are_compared(
    tmp_path: Path, evaluations: list[Path]
) -> None:
    """They are named by the folders above."""
    said = run_eval(*evaluations, "--out", tmp_path / "compared")

    assert said.exit_code == 0, said.output
    methods = scores_of(tmp_path / "compared")["methods"]
    assert [method["name"] for method in methods] == ["modelA", "modelB"]


def test_the_same_evaluation_twice_is_one_line(tmp_path: Path, evaluations: list[Path]) -> None:
    """However its folder is written."""
    link = tmp_path / "link"
    link.symlink_to(evaluations[0])

    said = run_eval(evaluations[0], link, "--out", tmp_path / "compared")

    assert said.exit_code == 1
    assert f"run '{link}': is the same folder as '{evaluations[0]}'" in said.output


def test_what_one_prediction_did_not_analyse_is_told(
    tmp_path: Path, evaluations: list[Path]
) -> None:
    """The slide and the class, instead of other cases."""
    masks = {name: shifted(mask, 0) for name, mask in TRUTH.items()}
    masks["slide1"][:20] = IGNORE_INDEX
    partial = score(tmp_path, "partial", masks)

    said = run_eval(evaluations[0], partial, "--out", tmp_path / "compared")

    assert said.exit_code == 1
    assert "in case 'slide1' its prediction left out" in said.output
    assert "compare predictions that analysed the same pixels" in said.output


@pytest.mark.parametrize("written", ["{run}", "{run}/", "{run}/../scores-modelA", "link"])
def test_comparison_is_not_written_over_a_run(
    tmp_path: Path, evaluations: list[Path], monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    """Not even with --overwrite, which is for comparisons of before."""
    monkeypatch.chdir(tmp_path)
    Path("link").symlink_to(evaluations[0])
    before = (evaluations[0] / "scores.json").read_bytes()

    out = written.format(run=evaluations[0].name)
    said = run_eval(*evaluations, "--out", out, "--overwrite")

    assert said.exit_code == 1
    assert f"is the folder of the compared run '{evaluations[0]}'" in said.output
    assert "choose another --out" in said.output
    assert (evaluations[0] / "scores.json").read_bytes() == before
