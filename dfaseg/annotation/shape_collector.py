"""Drawn shapes of a file, made valid and counted while it is read."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.annotated import Annotations
from dfaseg.annotation.polygon_table import AnnotatedPolygon, PolygonTableBuilder
from dfaseg.annotation.repair import NO_AREA, repair

Ring = NDArray[np.float64]
MAX_COORDINATE_PX = 1e9
"""Far beyond any slide. What is larger would overflow further on and vanish."""


class ShapeCollector:
    """Gathers what a reader finds.

    Attributes:
        origin: Where the (0, 0) of the file lies on the slide, (x, y) in level-0 px, if it says so.
        slide_name: The slide that the file names, if any.
        mpp: The resolution that it states, if any.
        are_valid: Whether shapes are known to be valid, which takes long to find out.
    """

    def __init__(self) -> None:
        self.origin: tuple[float, float] | None = None
        self.slide_name: str | None = None
        self.mpp: float | None = None
        self.are_valid = False
        self._builder = PolygonTableBuilder()
        self._skipped: Counter[str] = Counter()
        self._num_repaired = 0

    def add(self, class_name: str, exterior: Ring, holes: Sequence[Ring] = ()) -> None:
        """Take a shape; rings are ``(n, 2)``, (x, y), closed or open.

        Raises:
            ValueError: A coordinate is no place on a slide.
        """
        rings = [_open_ring(ring) for ring in (exterior, *holes)]
        if self.are_valid and min(map(len, rings)) >= 3:
            self._builder.add(AnnotatedPolygon(class_name, rings[0], tuple(rings[1:])))
            return
        polygons, was_repaired = repair(class_name, rings[0], rings[1:])
        for polygon in polygons:
            self._builder.add(polygon)
        self._num_repaired += was_repaired and bool(polygons)
        if not polygons:
            self.skip(NO_AREA)

    def skip(self, kind: str) -> None:
        """Count an object that is left out."""
        self._skipped[kind] += 1

    def rename(self, name: str, new_name: str) -> None:
        """Give the shapes of a name another one."""
        self._builder.rename(name, new_name)

    def note_facts(self, facts: Any) -> None:
        """Note what dfaseg writes about its own polygons: their slide, and what is (0, 0).

        Those that were not simplified are valid.

        Args:
            facts: As read; None where the file has nothing of the kind.

        Raises:
            ValueError: The origin is no place, or not that of polygons read before.
        """
        self.are_valid = isinstance(facts, dict) and facts.get("simplify_px") == 0
        if not isinstance(facts, dict):
            return
        slide, origin = facts.get("slide"), facts.get("origin")
        if isinstance(slide, str) and slide:
            self.slide_name = slide
        if origin is None:
            return
        try:
            x, y = map(float, origin)
            check_places(np.array([x, y]))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"its origin {origin!r} is no place on a slide; export it again"
            ) from error
        if self.origin not in {None, (x, y)}:
            raise ValueError("its annotations have different origins; read them one by one")
        self.origin = (x, y)

    def finish(self, format_name: str) -> Annotations:
        """Return all that was taken."""
        return Annotations(
            self._builder.finish(self.origin or (0.0, 0.0)),
            self._num_repaired,
            dict(self._skipped),
            format_name,
            self.origin,
            self.slide_name,
            self.mpp,
        )


def check_places(coordinates: NDArray[np.float64]) -> None:
    """Refuse coordinates that are not on any slide.

    Args:
        coordinates: In level-0 px, of any shape.

    Raises:
        ValueError: One is not a number, or larger than any slide.
    """
    are_places = np.abs(coordinates) <= MAX_COORDINATE_PX
    if are_places.all():
        return
    if not np.isfinite(coordinates).all():
        raise ValueError("a coordinate is not a number")
    raise ValueError(f"coordinate {coordinates[~are_places][0]:g} is no place on a slide")


def _open_ring(ring: Ring) -> Ring:
    check_places(ring)
    is_closed = len(ring) > 1 and ring[0, 0] == ring[-1, 0] and ring[0, 1] == ring[-1, 1]
    return ring[:-1] if is_closed else ring
