"""The mask on disk: an OME-Zarr 0.5 image with the classes as its label image."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfaseg.errors import OutputExistsError
from dfaseg.files import write_aside
from dfaseg.stitcher.ome import (
    RECORD_KEY,
    MaskSpec,
    image_attributes,
    label_attributes,
    labels_attributes,
)
from dfaseg.stitcher.overview_store import Overview, write_overview
from dfaseg.stitcher.pyramid import PyramidRows, level_shapes
from dfaseg.stitcher.shards import CHUNK_PX, ShardRows, create_level, read_rows
from dfaseg.stitcher.store_errors import mapped_errors
from dfaseg.stitcher.zarr_nodes import METADATA, create_group

Labels = NDArray[np.uint8]


class MaskWriter:
    """Writes a mask, rows from the top, with its pyramid, while they are made.

    Call ``begin`` or ``resume``, then ``write_rows`` until every row is given, then ``finish``.
    Nothing is written over: the caller gives a path of its own and renames it at the end.

    Args:
        path: Folder to make, by custom ``*.zarr``.
        spec: What the mask is.
    """

    def __init__(self, path: Path, spec: MaskSpec) -> None:
        self._path = path
        self._spec = spec
        self._label_path = path / "labels" / spec.task
        self._shapes = level_shapes(spec.height, spec.width, spec.num_levels)
        self._pyramid = PyramidRows(spec.height, spec.width, spec.num_levels)
        self._levels = [
            ShardRows(self._label_path / str(level), height, width)
            for level, (height, width) in enumerate(self._shapes)
        ]

    @property
    def next_row(self) -> int:
        """First row of the mask that is not written yet."""
        return self._levels[0].next_row

    def begin(self, overview: Overview) -> None:
        """Make the store: all metadata, the overview, and no label pixels.

        Raises:
            OutputExistsError: The path is taken.
            OutputError: The store cannot be written.
        """
        if self._path.exists():
            raise OutputExistsError(f"output '{self._path}': it exists; remove or rename it")
        with mapped_errors(self._path):
            root = {"ome": image_attributes(self._spec, overview.factor)}
            create_group(self._path, root)
            write_overview(self._path, overview.pixels, self._spec.num_levels)
            for group, ome in (
                (self._label_path.parent, labels_attributes(self._spec)),
                (self._label_path, label_attributes(self._spec)),
            ):
                create_group(group, {"ome": ome})
            for level, (height, width) in enumerate(self._shapes):
                create_level(self._label_path / str(level), height, width)

    def resume(self, row: int) -> None:
        """Go on where a former run was when it called ``flush``.

        Args:
            row: ``next_row`` at that moment; rows from there on are forgotten.

        Raises:
            OutputError: The store is missing, damaged or cannot be written.
        """
        with mapped_errors(self._path):
            for leftover in self._path.rglob(".*.tmp"):
                leftover.unlink()
            state = self._pyramid_state(row)
            self._pyramid.restore(state)
            for level, level_row in zip(self._levels, state["rows_done"], strict=True):
                level.resume(int(level_row))

    def write_rows(self, labels: Labels) -> None:
        """Write the next rows of the mask.

        Args:
            labels: Class indices, 255 where not analysed, uint8 ``(n, width)``.

        Raises:
            OutputError: The store cannot be written.
            ValueError: The rows are too many or of another width.
        """
        for level, rows in zip(self._levels, self._pyramid.add(labels), strict=True):
            level.write(rows)

    def flush(self) -> None:
        """Write all rows given so far to disk, so that a killed run can go on from here.

        Raises:
            OutputError: The store cannot be written.
        """
        for level in self._levels:
            level.flush()

    def finish(self, record: Mapping[str, Any]) -> None:
        """Add the run record to the root's attributes.

        Args:
            record: How the mask was made; must be fit for JSON.

        Raises:
            OutputError: The store cannot be written.
            ValueError: Rows are missing.
        """
        if self.next_row != self._spec.height:
            raise ValueError(f"mask has {self.next_row} of its {self._spec.height} rows")
        path = self._path / METADATA
        with mapped_errors(self._path), write_aside(path) as aside:
            metadata = json.loads(path.read_text(encoding="utf-8"))
            metadata["attributes"][RECORD_KEY] = dict(record)
            aside.write_text(json.dumps(metadata, indent=2), encoding="utf-8")

    def sample(self, level: int, shape: tuple[int, int]) -> Labels:
        """Read a level back in another size, a few rows at a time, once all of them are written.

        Args:
            level: Step of the pyramid.
            shape: Height and width to return.

        Returns:
            At each place the pixel of the level that is nearest to it, as OpenCV has it.

        Raises:
            OutputError: The store cannot be read.
        """
        stored = self._shapes[level]
        rows, cols = (_nearest(*lengths) for lengths in zip(stored, shape, strict=True))
        labels = np.empty(shape, np.uint8)
        folder = self._label_path / str(level)
        with mapped_errors(self._path):
            for top in range(0, stored[0], CHUNK_PX):
                first, end = np.searchsorted(rows, (top, top + CHUNK_PX)).tolist()
                if first < end:
                    strip = read_rows(folder, stored, top, min(top + CHUNK_PX, stored[0]))
                    labels[first:end] = strip[rows[first:end] - top][:, cols]
        return labels

    def _pyramid_state(self, row: int) -> dict[str, NDArray[np.generic]]:
        """Work out from the stored pixels where each level stood when ``row`` was next."""
        rows_done = [row]
        pending: list[Labels] = []
        for level, (height, width) in enumerate(self._shapes):
            is_odd = rows_done[level] % 2 == 1 and rows_done[level] < height
            first = rows_done[level] - 1 if is_odd else rows_done[level]
            folder = self._label_path / str(level)
            pending.append(read_rows(folder, (height, width), first, rows_done[level]))
            complete = rows_done[level] == height
            rows_done.append(-(-height // 2) if complete else rows_done[level] // 2)
        # A level keeps the odd row of the level above it; the finest keeps none.
        kept = [np.empty((0, self._shapes[0][1]), np.uint8), *pending[:-1]]
        state: dict[str, NDArray[np.generic]] = {
            f"pending_{level}": rows for level, rows in enumerate(kept)
        }
        return {"rows_done": np.array(rows_done[:-1], dtype=np.int64), **state}


def _nearest(stored: int, wanted: int) -> NDArray[np.intp]:
    """Return which pixel each of as many as are wanted takes, along an axis."""
    places: NDArray[np.intp] = np.floor(np.arange(wanted) * (1 / (wanted / stored))).astype(np.intp)
    places.clip(max=stored - 1, out=places)
    return places
