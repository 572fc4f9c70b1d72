"""Reading a mask store back."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.geometry import Rect
from dfaseg.late_module import LateModule
from dfaseg.stitcher.ome import RECORD_KEY, MaskSpec, parse_label_attributes
from dfaseg.stitcher.store_errors import mapped_errors

if TYPE_CHECKING:
    import zarr
else:
    zarr = LateModule("zarr")

Labels = NDArray[np.uint8]


class MaskReader:
    """A finished mask, read piece by piece.

    Attributes:
        spec: What the mask is.
        record: How it was made; empty where the store says nothing.
    """

    def __init__(
        self, spec: MaskSpec, record: Mapping[str, Any], levels: "list[zarr.Array[Any]]"
    ) -> None:
        self.spec = spec
        self.record = record
        self._levels = levels

    @property
    def num_levels(self) -> int:
        """Steps of the pyramid, the finest included."""
        return len(self._levels)

    def shape(self, level: int = 0) -> tuple[int, int]:
        """Return ``(height, width)`` of a level."""
        height, width = self._levels[level].shape
        return height, width

    def read(self, level: int = 0, rect: Rect | None = None) -> Labels:
        """Read pixels of one level.

        Args:
            level: Step of the pyramid.
            rect: Part to read, in pixels of that level; the whole level if not given.

        Returns:
            Class indices, shape ``(rect.height, rect.width)``; 255 where not analysed and outside
            the mask.
        """
        height, width = self.shape(level)
        whole = Rect(0, 0, width, height)
        rect = rect or whole
        if rect == rect.intersection(whole):
            return np.asarray(self._levels[level][rect.slices], np.uint8)
        labels = np.full((rect.height, rect.width), IGNORE_INDEX, np.uint8)
        inside = rect.intersection(whole)
        if inside.area:
            labels[inside.shifted(-rect.x, -rect.y).slices] = self._levels[level][inside.slices]
        return labels


def read_overview(path: Path, longest_px: int) -> NDArray[np.uint8] | None:
    """Read the slide's picture that lies below a mask, no larger than needed.

    Args:
        path: The ``*.zarr`` folder.
        longest_px: Longer side that is wanted: the coarsest level that has it is read.

    Returns:
        RGB, uint8 ``(h, w, 3)``, of the mask's whole area; None where the store has no picture.

    Raises:
        OutputError: The store is damaged.
    """
    with mapped_errors(path):
        multiscales = _attributes(path).get("ome", {}).get("multiscales", [])
        if not multiscales:
            return None
        levels = [
            zarr.open_array(path / dataset["path"], mode="r")
            for dataset in multiscales[0]["datasets"]
        ]
        fine_enough = [level for level in levels if max(level.shape[1:]) >= longest_px]
        return np.moveaxis(np.asarray((fine_enough or levels[:1])[-1][:], np.uint8), 0, -1)


def open_mask(path: Path, task: str | None = None) -> MaskReader:
    """Open a mask store.

    Args:
        path: The ``*.zarr`` folder.
        task: Which label image; the first if not given.

    Raises:
        OutputError: There is no mask of that kind at the path.
    """
    with mapped_errors(path):
        name = task or _attributes(path / "labels")["ome"]["labels"][0]
        ome = _attributes(path / "labels" / name)["ome"]
        levels = [
            zarr.open_array(path / "labels" / name / dataset["path"], mode="r")
            for dataset in ome["multiscales"][0]["datasets"]
        ]
        height, width = levels[0].shape
        spec = parse_label_attributes(ome, name, (height, width))
        return MaskReader(spec, _attributes(path).get(RECORD_KEY, {}), levels)


def read_mask(path: Path, level: int = 0, rect: Rect | None = None) -> Labels:
    """Read pixels of the first label image of a store; see ``MaskReader.read``.

    Raises:
        OutputError: There is no mask at the path.
    """
    return open_mask(path).read(level, rect)


def _attributes(group: Path) -> dict[str, Any]:
    return dict(zarr.open_group(group, mode="r", zarr_format=3).attrs)
