"""Pictures of all cases, small and packed, until it is known which are worth showing."""

import cv2
import numpy as np
from numpy.typing import NDArray

from dfaseg.evaluation.align import Alignment
from dfaseg.evaluation.cases import choose_cases
from dfaseg.evaluation.results import EvalResult
from dfaseg.evaluation.stream import OverlaidPair
from dfaseg.evaluation.thumbnail import Thumbnail, ThumbnailMeter
from dfaseg.figures.case_pictures import PanelCase

_BEYOND = 0.02
"""Share of a picture's side by which the truth may reach beyond it."""

Picture = NDArray[np.uint8]


class Album:
    """Small pictures of the cases of an evaluation; some dozen kB each, whatever the slide's size.

    The best, the median and the worst case are known only when all are scored.
    """

    def __init__(self) -> None:
        self._thumbnails: dict[str, Thumbnail] = {}
        self._slides: dict[str, bytes] = {}

    def keep(
        self, name: str, meter: ThumbnailMeter, pair: OverlaidPair, overview: Picture | None
    ) -> None:
        """Keep the pictures of a case.

        Args:
            name: Its name.
            meter: What saw all its rows.
            pair: How prediction and truth lie.
            overview: RGB of the prediction's whole area, ``(h, w, 3)``; None where there is none.
        """
        thumbnail = self._thumbnails[name] = meter.finish()
        if overview is not None:
            seen = crop_to_truth(overview, pair)
            if seen is not None:
                height, width = thumbnail.shape
                fitted = cv2.resize(seen, (width, height), interpolation=cv2.INTER_AREA)
                self._slides[name] = cv2.imencode(".jpg", fitted[:, :, ::-1])[1].tobytes()

    def choose(self, result: EvalResult) -> tuple[PanelCase, ...]:
        """Return the best, the median and the worst case, and one for each rare class.

        Args:
            result: Scores of all cases that were kept.
        """
        in_truth = result.confusion().sum(axis=1)
        shares = tuple(in_truth / max(in_truth.sum(), 1))
        confusions = [case.matrix() for case in result.cases]
        chosen = choose_cases(confusions, result.class_map, shares, unscored=result.unscored)
        return tuple(
            self._panel_case(result.cases[case.index].name, case.caption) for case in chosen
        )

    def _panel_case(self, name: str, caption: str) -> PanelCase:
        label, mask = self._thumbnails[name].unpack()
        return PanelCase(name, self._slide(name), label, mask, caption)

    def _slide(self, name: str) -> Picture | None:
        if name not in self._slides:
            return None
        stored = np.frombuffer(self._slides[name], np.uint8)
        return np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR_RGB), np.uint8)


def crop_to_truth(overview: Picture, pair: OverlaidPair) -> Picture | None:
    """Return the part of a prediction's picture that its truth covers.

    Args:
        overview: RGB of the prediction's whole area, ``(h, w, 3)``.
        pair: How prediction and truth lie.

    Returns:
        None where the truth reaches well beyond the prediction.
    """
    alignment: Alignment = pair.alignment
    frame, predicted = pair.truth_frame, pair.prediction_frame
    sides = (
        (alignment.offset_y, frame.height * alignment.scale_y, predicted.height, overview.shape[0]),
        (alignment.offset_x, frame.width * alignment.scale_x, predicted.width, overview.shape[1]),
    )
    parts = []
    for offset, length, whole, pixels in sides:
        if offset < -_BEYOND * whole or offset + length > (1 + _BEYOND) * whole:
            return None
        first = min(max(0, round(offset * pixels / whole)), pixels - 1)
        parts.append(slice(first, max(first + 1, round((offset + length) * pixels / whole))))
    return overview[parts[0], parts[1]]
