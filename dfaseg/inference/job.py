"""Everything that is decided about a run before its first patch is read."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import dfaseg
from dfaseg.errors import ConfigError, SlideError
from dfaseg.geometry import TileGrid
from dfaseg.inference.memory import MemoryPlan, fit_to_memory
from dfaseg.inference.slide_picture import SlidePicture
from dfaseg.inference.spec import PredictSpec
from dfaseg.limits import available_cores
from dfaseg.model.network import Network
from dfaseg.slide.slide import Slide, SlideInfo
from dfaseg.tiler.plan import ReadPlan, plan_reading
from dfaseg.tiler.survey import plan_survey, survey_slide, tissue_identity
from dfaseg.tiler.tissue import TissueMask

_FEW_BYTES = 16 * 2**20
"""For pictures, records and metadata."""
_USUAL_TISSUE_SHARE = 1 / 3
"""Of a slide's patches, as long as nobody has looked."""
CPU_BATCH_PX, GPU_BATCH_PX = 2**21, 2**24
"""Pixels per batch that keep a device busy."""


@dataclass(frozen=True, slots=True)
class Job:
    """One slide, prepared.

    Attributes:
        plan: Level and scale to read.
        grid: Tiles over the mask frame.
        picture: The slide in small.
        tissue: What is analysed, on the whole picture's pixels.
        selected: Tiles with tissue, shape ``(grid.num_rows, grid.num_cols)``.
        memory: What the run is expected to take, with the settings that decide it.
        recipe: All that decides what the results are; equal recipes give equal bytes.
    """

    plan: ReadPlan
    grid: TileGrid
    picture: SlidePicture
    tissue: TissueMask
    selected: NDArray[np.bool_]
    memory: MemoryPlan
    recipe: dict[str, Any]

    @property
    def batch_size(self) -> int:
        """Patches per forward pass."""
        return self.memory.workload.batch_size

    @property
    def num_workers(self) -> int:
        """Threads that read."""
        return self.memory.workload.num_workers

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
    recipe = recipe_of(slide.info, network, spec)
    plan = plan_reading(slide.info, network.card.mpp, decoding=spec.decode)
    grid = _grid(plan, network, spec)
    memory = fit_to_memory(
        slide.info,
        plan,
        grid,
        network,
        spec,
        batch_size=spec.batch_size or _batch_size(network, grid.patch_px),
        num_workers=spec.workers or available_cores(),
    )
    network.warm_up(int(grid.num_rows * grid.num_cols * _USUAL_TISSUE_SHARE), grid.patch_px)
    survey = survey_slide(
        slide, plan, spec.tissue, decoding=spec.decode, num_workers=memory.workload.num_workers
    )
    return Job(
        plan=plan,
        grid=grid,
        picture=SlidePicture(survey.overview),
        tissue=survey.tissue,
        selected=survey.tissue.select_tiles(grid),
        memory=memory,
        recipe=recipe,
    )


def recipe_of(info: SlideInfo, network: Network, spec: PredictSpec) -> dict[str, Any]:
    """List what decides the bytes of the results; batch size, threads and device do not.

    Raises:
        SlideError: The slide's resolution does not fit the model.
        ConfigError: A setting is impossible for this slide or model.
    """
    _check_resolution(info, network)
    plan = plan_reading(info, network.card.mpp, decoding=spec.decode)
    grid = _grid(plan, network, spec)
    overview_plan, _ = plan_survey(info, plan, decoding=spec.decode)
    return {
        "dfaseg": dfaseg.__version__,
        "slide": {"id": info.slide_id, "fingerprint": info.fingerprint, "mpp": info.mpp},
        "model": {"name": network.card.name, "sha256": network.sha256},
        "precision": str(network.precision),
        "mpp": network.card.mpp,
        "patch_px": grid.patch_px,
        "overlap_px": grid.overlap_px,
        "blend": spec.blend,
        "tissue": tissue_identity(spec.tissue),
        "origin": spec.origin,
        "simplify_um": spec.simplify_um,
        "min_area_um2": spec.min_area_um2,
        "reduction": {"patches": plan.reduction, "overview": overview_plan.reduction},
    }


def room_for_results(job: Job, network: Network) -> int:
    """Return bytes that the results of a slide may take while they are made.

    Labels shrink 24-fold and outlines take about as much, on tissue; ten times that is kept ready.
    The state of a run is the open band of logits, and is packed once more before it is parked.
    """
    cells = job.plan.width // network.logit_stride * (2 * job.grid.patch_px // network.logit_stride)
    state = cells * (len(network.card.classes) + 1) * 4
    results = job.plan.width * job.plan.height // 2
    return results + 2 * state + _FEW_BYTES


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
    wanted = max(1, pixels // (unit * patch_px**2)) * unit
    return network.batch_that_fits(patch_px, wanted)
