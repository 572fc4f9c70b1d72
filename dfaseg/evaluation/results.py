"""What an evaluation found: counts of each image, from which every score follows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from dfaseg.classmap import ClassMap
from dfaseg.errors import ClassMapError, ConfigError
from dfaseg.evaluation.boundary import SurfaceScores
from dfaseg.evaluation.calibration import CalibrationCounts
from dfaseg.evaluation.confusion import ConfusionMatrix
from dfaseg.evaluation.metrics import Scores, compute_scores
from dfaseg.evaluation.objects import ObjectScores
from dfaseg.evaluation.records import CountArray, to_plain

FORMAT = "dfaseg-evaluation-1"
"""Marks a scores.json that holds an evaluation; the number changes when old readers would fail."""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What was counted in one image.

    Attributes:
        name: Name of the image or slide.
        case: What it was taken from (patient or slide): what is drawn when scores are resampled.
        confusion: Pixels, int64 ``(k, k)``: true class (row) by predicted class (column).
        surface: Distances between outlines, where they were measured.
        objects: Objects one by one, where they were counted.
        calibration: Pixels by confidence, where there were probabilities.
    """

    name: str
    case: str
    confusion: CountArray
    surface: SurfaceScores | None = None
    objects: ObjectScores | None = None
    calibration: CalibrationCounts | None = None

    def matrix(self) -> ConfusionMatrix:
        """Return the counts as a matrix that scores are computed from."""
        matrix = ConfusionMatrix(len(self.confusion))
        matrix.counts = self.confusion
        return matrix

    def to_record(self) -> dict[str, Any]:
        """Return a plain table for JSON that ``from_record`` reads back."""
        parts = {"surface": self.surface, "objects": self.objects, "calibration": self.calibration}
        return {"name": self.name, "case": self.case, "confusion": to_plain(self.confusion)} | {
            key: part.to_record() for key, part in parts.items() if part is not None
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "CaseResult":
        """Read what ``to_record`` made."""
        surface, objects = record.get("surface"), record.get("objects")
        calibration = record.get("calibration")
        return cls(
            name=str(record["name"]),
            case=str(record["case"]),
            confusion=np.array(record["confusion"], np.int64),
            surface=SurfaceScores.from_record(surface) if surface else None,
            objects=ObjectScores.from_record(objects) if objects else None,
            calibration=CalibrationCounts.from_record(calibration) if calibration else None,
        )


@dataclass(frozen=True, slots=True)
class EvalResult:
    """One evaluation: a model on a split, or predictions against their truth.

    Attributes:
        title: Name in tables and figures.
        class_map: Classes in the order of the counts.
        mpp: Resolution at which it was scored (µm per px); None where it is unknown.
        cases: Images in the order in which they were scored.
        facts: What else a report states (paths, seed, class bias, ...); only what JSON can hold.
        unscored: Indices of classes that the truth ignores on request: none has scores of its own,
            but a pixel that is predicted as one is wrong.
    """

    title: str
    class_map: ClassMap
    mpp: float | None
    cases: tuple[CaseResult, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    unscored: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        shape = (len(self.class_map), len(self.class_map))
        for case in self.cases:
            if case.confusion.shape != shape:
                raise ConfigError(
                    f"evaluation '{self.title}': image '{case.name}' has counts of shape "
                    f"{case.confusion.shape}, the class map needs {shape}"
                )

    def confusion(self) -> CountArray:
        """Return the counts of all images together, ``(k, k)``."""
        total = np.zeros((len(self.class_map), len(self.class_map)), np.int64)
        for case in self.cases:
            total += case.confusion
        return total

    def calibration(self) -> CalibrationCounts | None:
        """Return the pixels of all images by confidence; None where there were no probabilities."""
        counts = [case.calibration for case in self.cases if case.calibration is not None]
        return reduce(add, counts) if counts else None

    def by_case(self) -> dict[str, CountArray]:
        """Return the counts of each case, in order of appearance."""
        totals: dict[str, CountArray] = {}
        for case in self.cases:
            totals[case.case] = totals.get(case.case, 0) + case.confusion
        return totals

    def pooled(self) -> Scores:
        """Return the scores of all pixels in one confusion matrix."""
        return self.scores_of(self.confusion())

    def scores_of(self, counts: CountArray) -> Scores:
        """Return the scores of some of the pixels.

        Args:
            counts: Those of one image, say, ``(k, k)``.
        """
        matrix = ConfusionMatrix(len(counts))
        matrix.counts = counts
        return compute_scores(matrix, self.unscored)

    def to_record(self) -> dict[str, Any]:
        """Return a plain table for JSON that ``from_record`` reads back.

        It also holds the pooled scores, for whoever reads the file; ``from_record`` counts anew.
        """
        return {
            "format": FORMAT,
            "title": self.title,
            "mpp": self.mpp,
            "classes": self.class_map.to_records(),
            "not_scored": [self.class_map[index].name for index in self.unscored],
            "facts": dict(self.facts),
            "pooled": self.pooled().to_record(self.class_map.names),
            "cases": [case.to_record() for case in self.cases],
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "EvalResult":
        """Read what ``to_record`` made.

        Raises:
            ConfigError: The record is no evaluation, or not one of this version.
        """
        if record.get("format") != FORMAT:
            raise ConfigError(f"no record of an evaluation of the format '{FORMAT}'")
        try:
            class_map = ClassMap.from_records(record["classes"])
            return cls(
                title=str(record["title"]),
                class_map=class_map,
                mpp=None if record["mpp"] is None else float(record["mpp"]),
                cases=tuple(CaseResult.from_record(case) for case in record["cases"]),
                facts=dict(record["facts"]),
                # Not there in files of the time before classes could be left out of the means.
                unscored=tuple(map(class_map.names.index, record.get("not_scored", ()))),
            )
        except (KeyError, TypeError, AttributeError, ValueError, ClassMapError) as error:
            raise ConfigError(f"the record of its evaluation is damaged ({error!r})") from error


def result_of_training(
    split: Mapping[str, Any], class_map: ClassMap, title: str, facts: Mapping[str, Any]
) -> EvalResult:
    """Read the counts that a training run left of one split.

    Args:
        split: The table "val" or "test" of the run's scores.json.
        class_map: The classes of the run's model, from its card.
        title: Name in tables and figures.
        facts: What else is known of the run.

    Raises:
        ConfigError: The table has no counts by case, or of other classes.
    """
    try:
        counts = {
            str(case): np.array(matrix, np.int64)
            for case, matrix in split["confusion_by_case"].items()
        }
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"run '{title}': its scores hold no counts by case; train anew"
        ) from error
    cases = tuple(CaseResult(case, case, matrix) for case, matrix in counts.items())
    return EvalResult(title, class_map, None, cases, facts)
