"""The results of one run: each takes finished mask rows, can be saved and can be restored."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dfaseg.annotation.coordinates import MaskFrame
from dfaseg.annotation.geojson import GeoJsonWriter
from dfaseg.annotation.polygon_file import PolygonSpec
from dfaseg.annotation.polygonize import Polygonizer
from dfaseg.inference.job import Job
from dfaseg.inference.outputs import OutputPaths
from dfaseg.inference.report import mask_attributes
from dfaseg.inference.spec import PredictSpec
from dfaseg.inference.state import SavedState, State, joined, part_of
from dfaseg.inference.worker import Worker
from dfaseg.model.network import Network
from dfaseg.provenance import recipe_hash
from dfaseg.slide.origin import origin_of
from dfaseg.slide.slide import SlideInfo
from dfaseg.stitcher.areas import AreaCounter
from dfaseg.stitcher.mask_store import MaskWriter, Overview
from dfaseg.stitcher.ome import MaskSpec

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

    def finish(self) -> None:
        """Complete the result after the last row."""
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


@dataclass(frozen=True, slots=True)
class MaskResult:
    """The OME-Zarr mask."""

    writer: MaskWriter
    overview: Overview
    attributes: Mapping[str, Any]

    def begin(self) -> None:
        """Make the store with its metadata and overview."""
        self.writer.begin(self.overview)

    def write_rows(self, mask_rows: NDArray[np.uint8]) -> None:
        """Write rows; whole shards go to disk."""
        self.writer.write_rows(mask_rows)

    def finish(self) -> None:
        """Write the last shards and the run record."""
        self.writer.finish(self.attributes)

    def state(self) -> State:
        """Flush the shards that are not whole yet."""
        self.writer.flush()
        return {"next_row": np.array(self.writer.next_row)}

    def restore(self, state: SavedState) -> None:
        """Read the pending shards back."""
        self.writer.resume(int(state["next_row"]))

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

    @property
    def num_features(self) -> int:
        """GeoJSON features written so far."""
        return self._writer.num_features if self._writer else 0

    def begin(self) -> None:
        """Write the head of the file."""
        self._polygonizer = Polygonizer(self._width, spool=self._spool)
        self._writer = GeoJsonWriter(self._path, self._spec)

    def write_rows(self, mask_rows: NDArray[np.uint8]) -> None:
        """Trace rows and have the regions written that end in them."""
        polygonizer, writer = self._begun()
        self._writing.submit(writer.write, polygonizer.add_rows(mask_rows))

    def finish(self) -> None:
        """Write the regions that reach the last row, and the tail of the file."""
        polygonizer, writer = self._begun()
        self._writing.submit(writer.write, polygonizer.finish())
        self._writing.drain()
        writer.close()
        polygonizer.close()

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


@dataclass(frozen=True, slots=True)
class AreaResult:
    """Pixels per class."""

    counter: AreaCounter

    def begin(self) -> None:
        """Nothing to prepare: counting starts at 0."""

    def write_rows(self, mask_rows: NDArray[np.uint8]) -> None:
        """Count rows."""
        self.counter.add(mask_rows)

    def finish(self) -> None:
        """Nothing to complete: the table is made on demand."""

    def state(self) -> State:
        """Return the counts."""
        return self.counter.state()

    def restore(self, state: SavedState) -> None:
        """Count on from earlier counts."""
        self.counter.restore(state)

    def close(self) -> None:
        """Nothing to let go of: there is no file yet."""


@dataclass(frozen=True, slots=True)
class Results:
    """All results of one run."""

    mask: MaskResult
    polygons: PolygonResult
    areas: AreaResult

    @property
    def consumers(self) -> dict[str, RowConsumer]:
        """The results by name, in the order in which they take rows."""
        return {"mask": self.mask, "polygons": self.polygons, "areas": self.areas}


def make_results(
    info: SlideInfo, network: Network, job: Job, spec: PredictSpec, paths: OutputPaths
) -> Results:
    """Set up all results of a run, not begun yet."""
    plan, classes = job.plan, network.card.classes
    mpp_x, mpp_y = info.mpp * plan.downsample_x, info.mpp * plan.downsample_y
    mask_spec = MaskSpec(
        width=plan.width,
        height=plan.height,
        classes=classes,
        mpp_x=mpp_x,
        mpp_y=mpp_y,
        # Viewers place pixel centres, and that of the slide's own first pixel at 0.
        origin_x_um=(plan.downsample_x - 1) / 2 * info.mpp,
        origin_y_um=(plan.downsample_y - 1) / 2 * info.mpp,
    )
    mask = MaskResult(
        MaskWriter(paths.made(paths.mask), mask_spec),
        Overview(job.overview, job.tissue.factor),
        mask_attributes(info, network, job),
    )
    origin_x, origin_y = origin_of(info, spec.origin)
    polygons = PolygonResult(
        paths.polygons_text,
        paths.partial / "polygons.spool",
        plan.width,
        PolygonSpec(
            classes=classes,
            frame=MaskFrame(plan.downsample_x, plan.downsample_y, origin_x, origin_y),
            pixel_area_um2=mpp_x * mpp_y,
            identity=recipe_hash(job.recipe),
            metadata={"slide": info.slide_id, "model": network.card.name, "frame": spec.origin},
            simplify_px=spec.simplify_um / plan.mpp,
            min_area_um2=spec.min_area_um2,
        ),
    )
    return Results(mask, polygons, AreaResult(AreaCounter(classes, mpp_x, mpp_y)))
