"""Labels of what people drew, filled in for a part of a slide at a time, at any resolution."""

import copy
import logging
from collections.abc import Iterator
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.annotated import Annotations
from dfaseg.annotation.class_rules import ClassRules
from dfaseg.annotation.edge_runs import EdgeRuns
from dfaseg.annotation.label_frame import LabelFrame
from dfaseg.annotation.polygon_table import PolygonTable
from dfaseg.classmap import IGNORE_INDEX
from dfaseg.errors import AnnotationError
from dfaseg.geometry import Rect
from dfaseg.native.fill import fill_shapes

logger = logging.getLogger(__name__)

MAX_MPP_ERROR = 0.05
"""Programs round the resolution of a slide, or measure it, differently."""
_REGION = -1
"""In place of a class index: a region of interest."""
_RUNS_TOGETHER = 512
"""Runs of edges that are filled, and in memory, at a time."""

Edges = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Where edges begin and end, ``(n, 2)`` each, (x, y)."""


class DrawnLabels:
    """What polygons say of each pixel of a label; see ``docs/reference/annotations.md``.

    A pixel has the class of its centre. Later polygons lie over earlier ones, classes that the
    rules order over those below them, ignored shapes (255) over all. Outside regions of interest,
    where the rules name any, all that nobody drew is 255, and if one is drawn, also what was.
    Labels do not depend on the parts in which they are read.

    Args:
        polygons: What was drawn.
        rules: What the names mean.
        frame: Size of the label, and where its pixels lie on the slide.

    Raises:
        AnnotationError: A name is unknown; better asked for by ``rules.check_names``, which says
            whose names they are.
    """

    def __init__(self, polygons: PolygonTable, rules: ClassRules, frame: LabelFrame) -> None:
        self.frame = frame
        meanings = [
            _REGION if rules.is_region_of_interest(name) else rules.index_of(name)
            for name in polygons.names
        ]
        self._meaning = np.array(meanings, np.int16)[polygons.name_numbers]
        self._layer = _layers(self._meaning, rules)
        self._has_regions = bool((self._meaning == _REGION).any())
        is_known = rules.background is not None and not (
            rules.regions_of_interest and not self._has_regions
        )
        self._background = rules.background if is_known else None
        boxes = polygons.boxes().reshape(-1, 2, 2)
        self._low, self._high = frame.place(boxes[:, 0]), frame.place(boxes[:, 1])
        self._runs = EdgeRuns.of(polygons, frame)

    @property
    def num_polygons(self) -> int:
        """Number of polygons."""
        return self._meaning.size

    @property
    def num_outside(self) -> int:
        """Number of polygons that lie nowhere on the label."""
        size = (self.frame.width, self.frame.height)
        is_inside = (self._high > 0).all(axis=1) & (self._low < size).all(axis=1)
        return int(np.count_nonzero(~is_inside))

    def read_rows(self, top: int, bottom: int) -> NDArray[np.uint8]:
        """Return class indices of rows, 255 where there is none, ``(bottom - top, width)``."""
        return self.read_rect(Rect(0, top, self.frame.width, bottom - top))

    def read_rect(self, rect: Rect) -> NDArray[np.uint8]:
        """Return class indices of a part, shape ``(h, w)``.

        Args:
            rect: In label px; what lies outside the label is 255.
        """
        inner = rect.intersection(Rect(0, 0, self.frame.width, self.frame.height))
        if inner == rect:
            return self._read(rect)
        part = np.full((rect.height, rect.width), IGNORE_INDEX, np.uint8)
        if inner.area:
            part[inner.shifted(-rect.x, -rect.y).slices] = self._read(inner)
        return part

    def within(self, top: int, bottom: int) -> Self:
        """Return the same labels for who reads only some rows, as little as another process needs.

        Of long outlines, too, only what reaches into the rows is kept.
        """
        part = copy.copy(self)
        part._runs, kept = self._runs.within(top, bottom)
        part._meaning, part._layer = self._meaning[kept], self._layer[kept]
        part._low, part._high = self._low[kept], self._high[kept]
        return part

    def _read(self, rect: Rect) -> NDArray[np.uint8]:
        background = IGNORE_INDEX if self._background is None else self._background
        label = np.full((rect.height, rect.width), background, np.uint8)
        corner = (rect.x, rect.y)
        is_of_interest = np.zeros(label.shape, np.uint8) if self._has_regions else None
        for meanings, bounds, edges in self._shapes(rect):
            fill_shapes(label, meanings, bounds, edges, corner)  # regions are negative: left out
            if is_of_interest is not None:
                regions = np.where(meanings == _REGION, np.int16(1), np.int16(-1))
                fill_shapes(is_of_interest, regions, bounds, edges, corner)
        if is_of_interest is not None:
            label[is_of_interest == 0] = IGNORE_INDEX
        return label

    def _shapes(self, rect: Rect) -> Iterator[tuple[NDArray[np.int16], NDArray[np.int64], Edges]]:
        """Yield meanings, bounds and edges of polygons in a part's rows, from below to above."""
        runs, polygon = self._runs.touching(rect.y, rect.bottom)
        is_near = (self._low[polygon, 0] < rect.right) & (self._high[polygon, 0] > rect.x)
        runs, polygon = runs[is_near], polygon[is_near]
        # Stable, so that the runs of a polygon stay together.
        upwards = np.argsort(self._layer[polygon], kind="stable")
        runs, polygon = runs[upwards], polygon[upwards]
        firsts = np.flatnonzero(np.diff(polygon, prepend=-1))
        for these in _portions(firsts, len(runs)):
            starts, ends, num_edges = self._runs.edges(runs[these[0] : these[-1]])
            # Where each polygon's runs begin, and of these their edges.
            bounds = np.cumsum([0, *num_edges])[these - these[0]]
            yield self._meaning[polygon[these[:-1]]], bounds, (starts, ends)


def _portions(firsts: NDArray[np.intp], num_runs: int) -> Iterator[NDArray[np.intp]]:
    """Yield the first run of each polygon, and the end of the last, some polygons at a time."""
    bounds = np.append(firsts, num_runs)
    changes = np.flatnonzero(np.diff(firsts // _RUNS_TOGETHER)) + 1
    for first, end in pairwise([0, *changes.tolist(), len(firsts)]):
        if end > first:
            yield bounds[first : end + 1]


def check_place(what: str, labels: DrawnLabels, place: str) -> None:
    """Refuse polygons that all lie elsewhere, and say how many do.

    Args:
        what: Whose polygons they are, e.g. "annotations 'a.geojson'".
        labels: The polygons over the slide.
        place: Where they should lie, e.g. "the slide (1024 × 768 px)".

    Raises:
        AnnotationError: None of them touches the label, though there are some.
    """
    outside, count = labels.num_outside, labels.num_polygons
    if count and outside == count:
        raise AnnotationError(
            f"{what}: none of {count} polygons touches {place}; they belong to another slide or are"
            " not in pixels of its finest level"
        )
    if outside:
        noun = place.split(" (", maxsplit=1)[0]
        logger.warning("%s: %d of %d polygons lie outside %s", what, outside, count, noun)


def check_slide(
    what: str, annotations: Annotations, slide_id: str, mpp: float | None = None
) -> None:
    """Refuse annotations that say they are of another slide, and warn of another resolution.

    Args:
        what: Which annotations, e.g. "annotations 'a.geojson'".
        annotations: As read.
        slide_id: The slide they are used for.
        mpp: Its µm per level-0 px, where that is known.

    Raises:
        AnnotationError: The file names another slide.
    """
    stated = annotations.slide_name
    if stated is not None and stated != slide_id:
        raise AnnotationError(
            f"{what}: are of slide '{stated}', not of '{slide_id}'; give those of '{slide_id}'"
        )
    if annotations.mpp and mpp and abs(annotations.mpp / mpp - 1) > MAX_MPP_ERROR:
        logger.warning(
            "%s: state %g µm per px, but slide '%s' has %g; they may be of another slide or level",
            what,
            annotations.mpp,
            slide_id,
            mpp,
        )


def _layers(meaning: NDArray[np.int16], rules: ClassRules) -> NDArray[np.int16]:
    """Return how high each polygon lies; polygons of one height lie as in the file."""
    heights = np.zeros(IGNORE_INDEX + 1, np.int16)
    heights[list(rules.order)] = np.arange(1, len(rules.order) + 1)
    heights[IGNORE_INDEX] = len(rules.order) + 1
    return np.where(meaning == _REGION, np.int16(0), heights[meaning])
