"""The results of one run: each takes finished mask rows, can be saved and can be restored."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.geojson import GeoJsonWriter
from dfaseg.annotation.polygon_file import PolygonSpec
from dfaseg.annotation.polygonize import Polygonizer
from dfaseg.classmap import ClassMap
from dfaseg.inference.state import SavedState, State, joined, part_of
from dfaseg.inference.worker import Worker
from dfaseg.stitcher.areas import AreaCounter, AreaTable
from dfaseg.stitcher.mask_store import MaskWriter
from dfaseg.stitcher.ome import MaskSpec
from dfaseg.stitcher.overview_store import Overview

POLYGONS_AHEAD = 2
"""Sets of polygons, each of at most some 8 megapixels of mask, that wait to be written."""


class RowConsumer(Protocol):
    """Takes finished mask rows from top to bottom."""

    def begin(self) -> None:
        """Start anew, before the first row."""
        ...

    def write_rows(self, mask_rows: NDArray[np.uint8]) -> None:
        """Take the next rows, shape ``(n, width)``."""
        ...

    def finish(self) -> Any:
        """Complete the result after the last row; return what a report says of it."""
        ...

    def state(self) -> State:
        """Put everything taken so far on disk and return what a later run needs to go on."""
        ...

    def restore(self, state: SavedState) -> None:
        """Go on from what ``state`` returned, instead of ``begin``.

        Raises:
            DfasegError: What lies on disk does not fit the state.
        """
        ...

    def close(self) -> None:
        """Let go of open files, finished or not; what ``state`` returned still holds."""
        ...


class MaskResult:
    """The OME-Zarr mask.

    Args:
        path: Folder to make.
        spec: What the mask is.
        overview: Picture of the slide.
        attributes: The record inside the mask.
        shown: Height and width of what the overlay shows of it.
    """

    def __init__(
        self,
        path: Path,
        spec: MaskSpec,
        overview: Overview,
        attributes: Mapping[str, Any],
        shown: tuple[int, int],
    ) -> None:
        self._writer = MaskWriter(path, spec)
        self._shown = shown
        self._overview: Overview | None = overview
        self._overview_level = min(overview.factor.bit_length(), spec.num_levels) - 1
        self._attributes = attributes

    def begin(self) -> None:
        """Make the store with its metadata and overview."""
        overview, self._overview = self._overview, None  # nobody needs it after this
        assert overview is not None
        self._writer.begin(overview)

    def write_rows(self, mask_rows: NDArray[np.uint8]) -> None:
        """Write rows; whole shards go to disk."""
        self._writer.write_rows(mask_rows)

    def finish(self) -> NDArray[np.uint8]:
        """Write the last shards and the run record.

        Returns:
            What the overlay shows: of the level that is as coarse as the overview, or the coarsest.
        """
        self._writer.finish(self._attributes)
        return self._writer.sample(self._overview_level, self._shown)

    def state(self) -> State:
        """Flush the shards that are not whole yet."""
        self._writer.flush()
        return {"next_row": np.array(self._writer.next_row)}

    def restore(self, state: SavedState) -> None:
        """Read the pending shards back."""
        self._overview = None
        self._writer.resume(int(state["next_row"]))

    def close(self) -> None:
        """Nothing to let go of: shards are written whole."""


class PolygonResult:
    """The GeoJSON polygons, streamed to a file while regions finish.

    Regions are traced in the thread that hands on rows; their text is written in another.

    Args:
        path: File to write, not compressed.
        spool: File for the borders of unfinished regions.
        width: Columns of the mask.
        spec: What is written about each polygon.
    """

    def __init__(self, path: Path, spool: Path, width: int, spec: PolygonSpec) -> None:
        self._path = path
        self._spool = spool
        self._width = width
        self._spec = spec
        self._polygonizer: Polygonizer | None = None
        self._writer: GeoJsonWriter | None = None
        self._writing = Worker("polygon text", POLYGONS_AHEAD)

    def begin(self) -> None:
        """Write the head of the file."""
        self._polygonizer = Polygonizer(self._width, spool=self._spool)
        self._writer = GeoJsonWriter(self._path, self._spec)

    def write_rows(self, mask_rows: NDArray[np.uint8]) -> None:
        """Trace rows and have the regions written that end in them."""
        polygonizer, writer = self._begun()
        self._writing.submit(writer.write, polygonizer.add_rows(mask_rows))

    def finish(self) -> int:
        """Write the regions that reach the last row, and the tail of the file.

        Returns:
            Number of GeoJSON features.
        """
        polygonizer, writer = self._begun()
        self._writing.submit(writer.write, polygonizer.finish())
        self._writing.drain()
        writer.close()
        polygonizer.close()
        return writer.num_features

    def state(self) -> State:
        """Keep the open regions, and how far the file has come."""
        polygonizer, writer = self._begun()
        self._writing.drain()
        file = {key: np.array(value) for key, value in writer.state().items()}
        return joined({"tracing": polygonizer.state(), "file": file})

    def restore(self, state: SavedState) -> None:
        """Take the open regions up again and cut the file back to where they were saved."""
        self._polygonizer = Polygonizer(self._width, spool=self._spool)
        self._polygonizer.restore(part_of(state, "tracing"))
        file = {key: int(value) for key, value in part_of(state, "file").items()}
        self._writer = GeoJsonWriter(self._path, self._spec, state=file)

    def close(self) -> None:
        """Close the file and the spool; an unfinished file stays as it is."""
        self._writing.close()
        if self._writer:
            self._writer.abandon()
        if self._polygonizer:
            self._polygonizer.close()

    def _begun(self) -> tuple[Polygonizer, GeoJsonWriter]:
        assert self._polygonizer is not None
        assert self._writer is not None
        return self._polygonizer, self._writer


class AreaResult:
    """Pixels per class.

    Args:
        classes: Classes of the mask.
        mpp_x: µm per mask pixel, horizontally.
        mpp_y: The same, vertically.
    """

    def __init__(self, classes: ClassMap, mpp_x: float, mpp_y: float) -> None:
        self._counter = AreaCounter(classes, mpp_x, mpp_y)

    def begin(self) -> None:
        """Nothing to prepare: counting starts at 0."""

    def write_rows(self, mask_rows: NDArray[np.uint8]) -> None:
        """Count rows."""
        self._counter.add(mask_rows)

    def finish(self) -> AreaTable:
        """Return the table."""
        return self._counter.table()

    def state(self) -> State:
        """Return the counts."""
        return self._counter.state()

    def restore(self, state: SavedState) -> None:
        """Count on from earlier counts."""
        self._counter.restore(state)

    def close(self) -> None:
        """Nothing to let go of: there is no file yet."""
