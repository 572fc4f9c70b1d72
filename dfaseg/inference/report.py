"""What a finished run says of itself: areas, overlay picture, run record."""

import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import dfaseg
from dfaseg.files import write_json
from dfaseg.inference.job import Job
from dfaseg.inference.outputs import OutputPaths
from dfaseg.inference.overlay import Legend, save_overlay
from dfaseg.inference.spec import PredictSpec
from dfaseg.limits import available_cores
from dfaseg.model.network import Network
from dfaseg.provenance import recipe_hash, software_record
from dfaseg.slide.slide import SlideInfo
from dfaseg.stitcher.areas import AreaTable
from dfaseg.tiler.unreadable import Reasons

if TYPE_CHECKING:
    from dfaseg.inference.workshop import Outputs


@dataclass(frozen=True, slots=True)
class PredictResult:
    """What a run found and where it is.

    Attributes:
        slide_id: The slide's name in them.
        places: Where the files are.
        areas: Pixels, mm² and percent per class.
        num_tiles: Patches that went through the network.
        num_polygons: GeoJSON features written.
        num_unreadable: Native tiles that could not be decoded; their pixels are 255.
        note: Why nothing was analysed; empty where something was.
        seconds: How long this call took.
        cpu_seconds: Core-seconds of this process so far, and of the one that made the results.
        peak_memory_bytes: Their largest resident sizes, added up.
        num_bytes: Size of all files, once they are written.
    """

    slide_id: str
    places: "Outputs"
    areas: AreaTable
    num_tiles: int
    num_polygons: int
    num_unreadable: int
    note: str
    seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    num_bytes: int = 0


def mask_attributes(info: SlideInfo, network: Network, job: Job) -> dict[str, Any]:
    """Return the record inside the mask: what it is made of, without times or places."""
    bounds = info.level0_bounds
    return {
        "tool": "dfaseg",
        "version": dfaseg.__version__,
        "recipe": job.recipe,
        "recipe_hash": recipe_hash(job.recipe),
        "slide": {
            "id": info.slide_id,
            "fingerprint": info.fingerprint,
            "reader": info.reader,
            "mpp": info.mpp,
            "mpp_source": info.mpp_source,
            "width": info.levels[0].width,
            "height": info.levels[0].height,
            "bounds": [bounds.x, bounds.y, bounds.width, bounds.height] if bounds else None,
        },
        "model": {"name": network.card.name, "sha256": network.sha256},
        "level0_px_per_mask_px": [job.plan.downsample_x, job.plan.downsample_y],
    }


def write_pictures_and_areas(
    info: SlideInfo,
    network: Network,
    job: Job,
    areas: AreaTable,
    labels: NDArray[np.uint8],
    unreadable: Reasons,
    paths: OutputPaths,
) -> None:
    """Write the overlay picture and the table of areas.

    Args:
        info: Facts about the slide.
        network: What segmented it.
        job: What was planned.
        areas: Pixels per class.
        labels: The mask, about as coarse as the overview.
        unreadable: Native tiles that could not be decoded.
        paths: Where to write.

    Raises:
        OutputError: A file cannot be written.
    """
    areas.write_csv(paths.made(paths.areas))
    legend = Legend(
        title=info.slide_id,
        subtitle=f"model {network.card.name}",
        classes=network.card.classes,
        percent={area.index: area.percent for area in areas.areas},
        num_unreadable=len(unreadable),
    )
    save_overlay(
        paths.made(paths.overlay),
        job.picture.small,
        labels,
        job.plan.mpp * job.tissue.factor / job.picture.shrink,
        legend,
        _unreadable_pixels(info, job, unreadable),
    )


def _unreadable_pixels(info: SlideInfo, job: Job, unreadable: Reasons) -> NDArray[np.bool_]:
    """Tell which pixels of the whole picture touch a native tile that could not be decoded."""
    level, factor = info.levels[job.plan.level], job.tissue.factor
    found = np.zeros(job.picture.shape, bool)
    for col, row in unreadable:
        rect = job.plan.mask_rect_of(level.tile_rect(col, row))
        rows = slice(rect.y // factor, -(-rect.bottom // factor))
        found[rows, rect.x // factor : -(-rect.right // factor)] = True
    return found


def write_record(
    info: SlideInfo,
    network: Network,
    job: Job,
    spec: PredictSpec,
    result: PredictResult,
    unreadable: Reasons,
    paths: OutputPaths,
) -> None:
    """Write the run record, with everything that may help to understand a result later.

    Raises:
        OutputError: The file cannot be written.
    """
    record: dict[str, Any] = {
        "software": software_record(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "host": socket.gethostname(),
        "slide": {"location": spec.slide, "properties": dict(info.properties)},
        "result": mask_attributes(info, network, job),
        "settings": {
            "device": ",".join(map(str, network.devices)),
            "precision": str(network.precision),
            "batch_size": job.batch_size,
            "workers": job.num_workers,
            "cores": available_cores(),
            "level": job.plan.level,
            "checkpoint_seconds": spec.checkpoint_seconds,
        },
        "files": [path.name for path in paths.finals],
        "note": result.note,
        "tiles": {"analysed": result.num_tiles, "in_grid": int(job.selected.size)},
        "polygons": result.num_polygons,
        "unreadable_native_tiles": [
            {"column": col, "row": row, "problem": problem}
            for (col, row), problem in sorted(unreadable.items())
        ],
        "memory": {
            "limit_bytes": job.memory.limit_bytes,
            "resident_bytes": job.memory.resident_bytes,
            "estimate_bytes": job.memory.estimate_bytes,
            "terms_bytes": job.memory.terms,
        },
        "seconds": round(result.seconds, 3),
        "cpu_seconds": round(result.cpu_seconds, 3),
        "peak_memory_bytes": result.peak_memory_bytes,
    }
    write_json(paths.made(paths.record), record)
