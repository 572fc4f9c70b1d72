"""OME-Zarr 0.5 metadata of a mask: axes, scales, names and colours."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dfaseg.classmap import IGNORE_INDEX, ClassMap, TissueClass
from dfaseg.errors import ConfigError

OME_VERSION = "0.5"
TISSUE = "tissue"
"""What ``predict`` segments; the name of its label image."""
RECORD_KEY = "dfaseg"
"""Attribute of the root group that holds the run record."""
NOT_ANALYSED = "not analysed"
"""Name of 255 in viewers."""

_COARSEST_PX = 512
"""Levels are added until the longest side is at most this: what a viewer shows at first."""


@dataclass(frozen=True, slots=True)
class MaskSpec:
    """What a mask is, apart from its pixels.

    Attributes:
        width: Columns, in mask pixels.
        height: Rows, in mask pixels.
        classes: Name and colour of each index.
        mpp_x: µm per mask pixel, horizontally.
        mpp_y: The same, vertically.
        task: What was segmented; the name of the label image.
        origin_x_um: Centre of the first pixel in the slide's frame, horizontally.
        origin_y_um: The same, vertically.
    """

    width: int
    height: int
    classes: ClassMap
    mpp_x: float
    mpp_y: float
    task: str = TISSUE
    origin_x_um: float = 0.0
    origin_y_um: float = 0.0

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0:
            raise ConfigError(f"mask of {self.width} × {self.height} px: nothing to write")
        if not self.task.isidentifier():
            raise ConfigError(f"task '{self.task}': its name must be letters, digits and '_'")

    @property
    def num_levels(self) -> int:
        """Steps of the pyramid, the finest included."""
        halvings, longest = 0, max(self.width, self.height)
        while longest > _COARSEST_PX:
            halvings, longest = halvings + 1, -(-longest // 2)
        return halvings + 1


def image_attributes(spec: MaskSpec, factor: int) -> dict[str, Any]:
    """Return the root group's ``ome`` entry: an RGB overview, ``factor`` mask px per pixel."""
    channels = [("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF")]
    window = {"min": 0, "start": 0, "end": 255, "max": 255}
    return {
        "version": OME_VERSION,
        "multiscales": [_multiscale(spec, "overview", "mean", factor, ("c", "y", "x"))],
        "omero": {
            "channels": [
                {"label": name, "color": colour, "active": True, "window": window}
                for name, colour in channels
            ],
            "rdefs": {"model": "color"},
        },
    }


def labels_attributes(spec: MaskSpec) -> dict[str, Any]:
    """Return the ``ome`` entry of the group that lists label images."""
    return {"version": OME_VERSION, "labels": [spec.task]}


def label_attributes(spec: MaskSpec) -> dict[str, Any]:
    """Return the ``ome`` entry of the label image."""
    colours = [{"label-value": entry.index, "rgba": [*entry.colour, 255]} for entry in spec.classes]
    # White, because some viewers ignore transparency.
    colours.append({"label-value": IGNORE_INDEX, "rgba": [255, 255, 255, 0]})
    names = [{"label-value": entry.index, "name": entry.name} for entry in spec.classes]
    names.append({"label-value": IGNORE_INDEX, "name": NOT_ANALYSED})
    return {
        "version": OME_VERSION,
        "multiscales": [_multiscale(spec, spec.task, "mode", 1, ("y", "x"))],
        "image-label": {
            "colors": colours,
            "properties": names,
            "source": {"image": "../../"},
        },
    }


def parse_label_attributes(ome: Mapping[str, Any], task: str, shape: tuple[int, int]) -> MaskSpec:
    """Read back what ``label_attributes`` wrote.

    Args:
        ome: The label image's ``ome`` entry.
        task: Its name.
        shape: ``(height, width)`` of its finest level.

    Raises:
        KeyError: An entry is missing.
        ValueError: An entry has an impossible value.
    """
    label = ome["image-label"]
    colours = {entry["label-value"]: tuple(entry["rgba"][:3]) for entry in label["colors"]}
    classes = tuple(
        TissueClass(int(entry["label-value"]), str(entry["name"]), colours[entry["label-value"]])
        for entry in label["properties"]
        if entry["label-value"] != IGNORE_INDEX
    )
    transformations = ome["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    vectors = {entry["type"]: entry[entry["type"]] for entry in transformations}
    mpp_y, mpp_x = vectors["scale"]
    origin_y, origin_x = vectors["translation"]
    height, width = shape
    return MaskSpec(width, height, ClassMap(classes), mpp_x, mpp_y, task, origin_x, origin_y)


def _multiscale(
    spec: MaskSpec, name: str, method: str, factor: int, axes: tuple[str, ...]
) -> dict[str, Any]:
    """Describe a pyramid whose finest pixel spans ``factor`` mask pixels."""
    return {
        "name": name,
        "type": method,
        "metadata": {"description": f"halved level by level, {method} of 2 × 2 pixels"},
        "axes": [_axis(axis) for axis in axes],
        "datasets": [
            {
                "path": str(level),
                "coordinateTransformations": _placement(spec, factor * 2**level, len(axes)),
            }
            for level in range(spec.num_levels)
        ],
    }


def _axis(name: str) -> dict[str, str]:
    if name == "c":
        return {"name": name, "type": "channel"}
    return {"name": name, "type": "space", "unit": "micrometer"}


def _placement(spec: MaskSpec, downsample: int, num_axes: int) -> list[dict[str, Any]]:
    """Place pixel centres: a coarse pixel's centre is the mean of those it covers."""
    shift = (downsample - 1) / 2
    scale = [spec.mpp_y * downsample, spec.mpp_x * downsample]
    translation = [spec.origin_y_um + shift * spec.mpp_y, spec.origin_x_um + shift * spec.mpp_x]
    if num_axes == 3:
        scale, translation = [1.0, *scale], [0.0, *translation]
    return [
        {"type": "scale", "scale": scale},
        {"type": "translation", "translation": translation},
    ]
