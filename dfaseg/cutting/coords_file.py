"""Coordinates of tiles as HDF5, in the form in which CLAM or TRIDENT read them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dfaseg.cutting.job import CutPlan
from dfaseg.cutting.places import TilePlaces
from dfaseg.cutting.spec import CoordsFormat
from dfaseg.slide.slide import SlideInfo

_UM_PX_AT_1X = 10.0
"""µm per pixel at a magnification of 1, as both programs count."""


def coords_name(slide_id: str, layout: CoordsFormat) -> str:
    """Return the name under which the program looks for a slide's coordinates."""
    return f"{slide_id}_patches.h5" if layout == "trident" else f"{slide_id}.h5"


def write_coords(
    path: Path,
    places: TilePlaces,
    info: SlideInfo,
    cut: CutPlan,
    layout: CoordsFormat,
    folder: Path,
) -> None:
    """Write the data set ``coords``: upper left corners (x, y) in level-0 px, ``(n, 2)``.

    Args:
        path: File to write.
        places: The tiles.
        info: Facts about the slide.
        cut: How it is cut.
        layout: Whose attributes ``coords`` gets.
        folder: Where the file will lie in the end.
    """
    import h5py  # noqa: PLC0415 - an extra

    coords = np.stack([places.x, places.y], axis=1)
    make = _trident_attributes if layout == "trident" else _clam_attributes
    attributes = dict(make(info, cut)) | {"name": places.slide_id}
    attributes["savetodir" if layout == "trident" else "save_path"] = str(folder)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("coords", data=coords, maxshape=(None, 2), chunks=True)
        for name, value in attributes.items():
            data.attrs[name] = value


def _clam_attributes(info: SlideInfo, cut: CutPlan) -> Mapping[str, Any]:
    """CLAM reads ``patch_size`` pixels of a level, and does not resample them."""
    plan = cut.plan
    level = info.levels[plan.level]
    return {
        "patch_size": round(cut.grid.patch_px * float(plan.scale_x)),
        "patch_level": plan.level,
        "downsample": (level.downsample_x, level.downsample_y),
        "downsampled_level_dim": (level.width, level.height),
        "level_dim": (level.width, level.height),
    }


def _trident_attributes(info: SlideInfo, cut: CutPlan) -> Mapping[str, Any]:
    """TRIDENT resamples from one magnification to another."""
    magnification = info.objective_power or _UM_PX_AT_1X / info.mpp
    level0 = info.levels[0]
    return {
        "patch_size": cut.grid.patch_px,
        "patch_size_level0": round(cut.grid.patch_px * cut.plan.downsample_x),
        "level0_magnification": _whole(magnification),
        "target_magnification": _whole(magnification / cut.plan.downsample_x),
        "overlap": cut.grid.overlap_px,
        "level0_width": level0.width,
        "level0_height": level0.height,
    }


def _whole(number: float) -> int | float:
    """Return a number as whole where it is one but for the scanner's last digits."""
    nearest = round(number)
    return nearest if nearest and abs(number / nearest - 1) < 0.02 else number
