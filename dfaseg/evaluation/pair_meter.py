"""Everything that is measured of an image while its rows go by."""

from dataclasses import dataclass

import numpy as np

from dfaseg.evaluation.align import Frame
from dfaseg.evaluation.boundary import SurfaceMeter
from dfaseg.evaluation.objects import MAX_PIXELS, ObjectScores, score_objects
from dfaseg.evaluation.results import CaseResult
from dfaseg.evaluation.stream import Labels, PixelCounter


@dataclass(frozen=True, slots=True)
class MeasureSpec:
    """What is measured beside pixels.

    Attributes:
        tolerance_um: Distance up to which two outlines count as the same.
        object_class: Class whose objects are counted one by one; None for no class.
    """

    tolerance_um: float = 5.0
    object_class: int | None = None


class PairMeter:
    """Counts pixels, and measures outlines and objects where that is possible; see ``RowMeter``.

    Outlines need a resolution, objects an image that fits in memory.

    Attributes:
        pixels: The counts so far.
    """

    def __init__(self, frame: Frame, num_classes: int, spec: MeasureSpec) -> None:
        self.pixels = PixelCounter(num_classes)
        self._surfaces = (
            None if frame.pixel_um is None
            else SurfaceMeter(num_classes, mpp=frame.pixel_um, tolerance_um=spec.tolerance_um)
        )  # fmt: skip
        fits = frame.width * frame.height <= MAX_PIXELS
        self._object_class = spec.object_class if fits else None
        self._kept: list[tuple[Labels, Labels]] = []

    def add(self, label: Labels, mask: Labels) -> None:
        """Take rows."""
        self.pixels.add(label, mask)
        if self._surfaces is not None:
            self._surfaces.add(label, mask)
        if self._object_class is not None:
            self._kept.append((label, mask))

    def finish(self, name: str, case: str) -> CaseResult:
        """Return what was found, after the last row."""
        surface = None if self._surfaces is None else self._surfaces.finish()
        counts = self.pixels.confusion.counts
        return CaseResult(name, case, counts, surface=surface, objects=self._objects())

    def _objects(self) -> ObjectScores | None:
        if self._object_class is None:
            return None
        label, mask = (np.concatenate(rows) for rows in zip(*self._kept, strict=True))
        return score_objects(label, mask, self._object_class)
