"""Results of an evaluation keep counts, and read back what they wrote."""

import json

import numpy as np
import pytest

from dfaseg.classmap import ClassMap, TissueClass
from dfaseg.errors import ConfigError
from dfaseg.evaluation.boundary import SurfaceScores
from dfaseg.evaluation.calibration import CalibrationCounts
from dfaseg.evaluation.objects import ObjectScores
from dfaseg.evaluation.results import CaseResult, EvalResult, result_of_training

CLASSES = ClassMap((TissueClass(0, "stroma", (1, 2, 3)), TissueClass(1, "gland", (4, 5, 6))))


def _result(*cases: CaseResult) -> EvalResult:
    return EvalResult("trial", CLASSES, 0.5, cases, {"seed": 3})


def _full_case() -> CaseResult:
    return CaseResult(
        name="image-1",
        case="patient-1",
        confusion=np.array([[5, 1], [2, 8]]),
        surface=SurfaceScores(
            2.0, *(np.array([1.5, 0.0]) for _ in range(4)), np.array([0.1, np.nan])
        ),
        objects=ObjectScores(1, 3, 2, 1, 30, 20, 12.5, 8.0, 30, 20, 55.5, 40.0),
        calibration=CalibrationCounts(np.array([0, 3]), np.array([0, 2]), np.array([0.0, 2.7])),
    )


def test_result_survives_json() -> None:
    """What is not defined is null in the file and NaN again when read; no digit is lost."""
    result = _result(_full_case(), CaseResult("image-2", "patient-1", np.array([[1, 0], [0, 1]])))

    text = json.dumps(result.to_record(), allow_nan=False)
    back = EvalResult.from_record(json.loads(text))

    assert back.to_record() == result.to_record()
    assert back.cases[0].surface is not None
    assert np.isnan(back.cases[0].surface.hausdorff95_um[1])
    assert back.cases[1].surface is None
    assert back.facts == {"seed": 3}


def test_images_of_a_case_count_together() -> None:
    """Two images of a patient are one case, and all cases add up to the pooled counts."""
    one, two, three = (np.full((2, 2), count) for count in (1, 2, 4))
    result = _result(
        CaseResult("a", "p", one), CaseResult("b", "q", two), CaseResult("c", "p", three)
    )

    by_case = result.by_case()

    assert list(by_case) == ["p", "q"]
    assert np.array_equal(by_case["p"], np.full((2, 2), 5))
    assert np.array_equal(result.confusion(), np.full((2, 2), 7))
    assert np.array_equal(one, np.full((2, 2), 1))


def test_class_that_is_not_scored_is_so_when_read_again() -> None:
    """Its name is in the file; a file without the list scores all classes."""
    counts = np.array([[5, 3], [0, 0]])
    result = EvalResult("trial", CLASSES, None, (CaseResult("a", "p", counts),), {}, (1,))

    record = result.to_record()

    assert record["not_scored"] == ["gland"]
    assert record["pooled"]["macro_dice"] == pytest.approx(10 / 13, abs=1e-6)
    assert EvalResult.from_record(record).to_record() == record
    del record["not_scored"]
    assert EvalResult.from_record(record).pooled().macro_dice == pytest.approx(5 / 13)


def test_counts_of_other_classes_are_refused_by_name() -> None:
    """An image scored with three classes does not fit a map of two."""
    with pytest.raises(ConfigError, match="image 'a' has counts of shape"):
        _result(CaseResult("a", "p", np.zeros((3, 3), np.int64)))


@pytest.mark.parametrize(
    ("record", "problem"),
    [({}, "no record of an evaluation"), ({"format": "dfaseg-evaluation-1"}, "damaged")],
    ids=["other file", "keys missing"],
)
def test_foreign_record_is_refused(record: dict[str, str], problem: str) -> None:
    """A file that holds something else is an error and not a crash."""
    with pytest.raises(ConfigError, match=problem):
        EvalResult.from_record(record)


def test_training_run_is_read_case_by_case() -> None:
    """The counts that a training run left become cases; without them the run is refused."""
    split = {"macro_dice": 0.5, "confusion_by_case": {"p": [[3, 1], [0, 4]]}}

    result = result_of_training(split, CLASSES, "run-1", {"seed": 1})

    assert result.cases[0].case == "p"
    assert result.pooled().pixel_accuracy == pytest.approx(7 / 8)
    with pytest.raises(ConfigError, match="run 'run-2': its scores hold no counts"):
        result_of_training({}, CLASSES, "run-2", {})
