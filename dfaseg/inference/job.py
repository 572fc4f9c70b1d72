"""Everything that is decided about a run before its first patch is read."""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import dfaseg
from dfaseg.errors import ConfigError, SlideError
from dfaseg.geometry import TileGrid
from dfaseg.inference.spec import PredictSpec
from dfaseg.limits import available_cores
from dfaseg.model.network import Network
from dfaseg.slide.slide import Slide, SlideInfo
from dfaseg.tiler.overview import SlideOverview, read_overview
from dfaseg.tiler.plan import ReadPlan, overview_factor, plan_overview, plan_reading
from dfaseg.tiler.tissue import TissueMask, find_tissue

log = logging.getLogger(__name__)

OVERVIEW_MPP = 8.0
"""Resolution (µm/px) at which tissue is looked for and the overview is drawn."""
OVERVIEW_MIN_SIDE_PX = 1024
"""Small slides get a finer overview, so that its picture can be looked at."""
CPU_BATCH_PX, GPU_BATCH_PX = 2**21, 2**24
"""Pixels per batch that keep a device busy."""
MAX_ASPECT_ERROR = 0.02
"""A tissue picture whose shape differs more from the slide's belongs to another slide."""


@dataclass(frozen=True, slots=True)
class Job:
    """One slide, prepared.

    Attributes:
        plan: Level and scale to read.
        grid: Tiles over the mask frame.
        overview: RGB picture of the slide, shape ``(h, w, 3)``.
        tissue: What is analysed, on the overview's pixels.
        selected: Tiles with tissue, shape ``(grid.num_rows, grid.num_cols)``.
        batch_size: Patches per forward pass.
        num_workers: Threads that read.
        recipe: All that decides what the results are; equal recipes give equal bytes.
    """

    plan: ReadPlan
    grid: TileGrid
    overview: NDArray[np.uint8]
    tissue: TissueMask
    selected: NDArray[np.bool_]
    batch_size: int
    num_workers: int
    recipe: dict[str, Any]

    @property
    def num_tiles(self) -> int:
        """Patches that go through the network."""
        return int(self.selected.sum())


def prepare_job(slide: Slide, network: Network, spec: PredictSpec) -> Job:
    """Plan the reading, find the tissue and lay the grid.

    Raises:
        SlideError: The slide's resolution does not fit the model.
        ReadError: Nothing of the slide can be decoded.
        ConfigError: A setting is impossible for this slide or model.
    """
    _check_resolution(slide.info, network)
    num_workers = spec.workers or available_cores()
    plan = plan_reading(slide.info, network.card.mpp, decoding=spec.decode)
    grid = _grid(plan, network, spec)
    factor = overview_factor(plan, mpp=OVERVIEW_MPP, min_side=OVERVIEW_MIN_SIDE_PX)
    overview_plan = plan_overview(slide.info, plan, factor, decoding=spec.decode)
    overview = read_overview(slide, overview_plan, num_workers=num_workers)
    tissue = _tissue(spec.tissue, overview, overview_plan.mpp, factor)
    if overview.is_unreadable.any() and not tissue.note:
        log.warning(
            "slide '%s': parts of its overview cannot be decoded; they are taken for tissue",
            slide.info.slide_id,
        )
    return Job(
        plan=plan,
        grid=grid,
        overview=overview.pixels,
        tissue=tissue,
        selected=tissue.select_tiles(grid),
        batch_size=spec.batch_size or _batch_size(network, grid.patch_px),
        num_workers=num_workers,
        recipe=_recipe(slide.info, network, spec, grid)
        | {"reduction": {"patches": plan.reduction, "overview": overview_plan.reduction}},
    )


def _check_resolution(info: SlideInfo, network: Network) -> None:
    card = network.card
    if not card.accepts_mpp(info.mpp):
        finest, coarsest = card.mpp_range
        raise SlideError(
            info.slide_id,
            f"{info.mpp:g} µm/px (from {info.mpp_source}) does not fit model '{card.name}', which "
            f"takes {finest:g} to {coarsest:g} µm/px; if the slide's resolution is another, pass "
            "--mpp, else choose another --model",
        )


def _grid(plan: ReadPlan, network: Network, spec: PredictSpec) -> TileGrid:
    patch_px = spec.patch_px or network.card.patch_px
    overlap_px = network.card.overlap_px if spec.overlap_px is None else spec.overlap_px
    for name, value in (("patch-size", patch_px), ("overlap", overlap_px)):
        if value % network.logit_stride:
            raise ConfigError(
                f"--{name} {value}: must be a multiple of {network.logit_stride} px, the model's "
                "output stride"
            )
    return TileGrid(plan.width, plan.height, patch_px, overlap_px)


def _batch_size(network: Network, patch_px: int) -> int:
    """Patches that fill the device, in whole chunks of what the network takes at once."""
    pixels = CPU_BATCH_PX if network.device.type == "cpu" else GPU_BATCH_PX
    unit = (network.chunk_size(patch_px, patch_px) or 1) * network.useful_batch
    return max(1, pixels // (unit * patch_px**2)) * unit


def _tissue(choice: str, overview: SlideOverview, mpp: float, factor: int) -> TissueMask:
    """Find the tissue, take it all, or read it from a picture."""
    height, width = overview.is_unreadable.shape
    if choice == "auto":
        found = find_tissue(overview.pixels, mpp, factor)
        if overview.is_unreadable.any():
            # What could not be seen may be tissue; the finest level will tell.
            found = TissueMask(found.mask | overview.is_unreadable, factor)
        return found
    if choice == "none":
        return TissueMask(np.ones((height, width), bool), factor)
    mask = _read_tissue_picture(Path(choice), width, height)
    return TissueMask(mask, factor, "" if mask.any() else f"'{choice}' marks no tissue")


def _read_tissue_picture(path: Path, width: int, height: int) -> NDArray[np.bool_]:
    """Read a grey picture of the whole slide, tissue where it is not black, any size."""
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if path.is_file() else None
    if picture is None:
        raise ConfigError(
            f"tissue picture '{path}': cannot be read; give a PNG or TIFF of the whole slide, "
            "black where there is no tissue"
        )
    rows, cols = picture.shape
    if abs(cols * height / (rows * width) - 1) > MAX_ASPECT_ERROR:
        raise ConfigError(
            f"tissue picture '{path}': its shape {cols} × {rows} px is not that of the slide "
            f"({width} × {height}); it belongs to another slide"
        )
    resized = cv2.resize(picture, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(resized > 0, bool)


def _recipe(info: SlideInfo, network: Network, spec: PredictSpec, grid: TileGrid) -> dict[str, Any]:
    """List what decides the bytes of the results; batch size, threads and device do not."""
    tissue = spec.tissue
    if tissue not in {"auto", "none"}:
        tissue = "sha256:" + hashlib.sha256(Path(tissue).read_bytes()).hexdigest()
    return {
        "dfaseg": dfaseg.__version__,
        "slide": {"id": info.slide_id, "fingerprint": info.fingerprint, "mpp": info.mpp},
        "model": {"name": network.card.name, "sha256": network.sha256},
        "precision": str(network.precision),
        "mpp": network.card.mpp,
        "patch_px": grid.patch_px,
        "overlap_px": grid.overlap_px,
        "blend": spec.blend,
        "tissue": tissue,
        "origin": spec.origin,
        "simplify_um": spec.simplify_um,
        "min_area_um2": spec.min_area_um2,
    }
