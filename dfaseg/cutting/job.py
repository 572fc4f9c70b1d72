"""Everything that is decided about a slide before it is cut."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import dfaseg
from dfaseg.cutting.spec import TileSpec
from dfaseg.errors import ConfigError
from dfaseg.geometry import TileGrid
from dfaseg.limits import available_cores
from dfaseg.slide.slide import Slide, SlideInfo
from dfaseg.tiler.plan import SCALE_TOLERANCE, ReadPlan, plan_reading
from dfaseg.tiler.survey import Survey, survey_slide, tissue_identity

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CutPlan:
    """How a slide will be cut, known without decoding a pixel.

    Attributes:
        slide_id: Name of the slide in all outputs.
        plan: Level and scale to read.
        grid: Tiles over the mask frame.
        num_workers: Threads that decode and encode.
        recipe: All that decides what is written; equal recipes give equal bytes.
    """

    slide_id: str
    plan: ReadPlan
    grid: TileGrid
    num_workers: int
    recipe: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TileChoice:
    """Which tiles of a slide are cut.

    Attributes:
        survey: Overview of the slide and its tissue.
        shares: Share of tissue in each tile, shape ``(grid.num_rows, grid.num_cols)``.
        selected: Which tiles are cut, same shape.
        num_without_labels: Tiles with tissue that are left out because nothing is drawn there.
    """

    survey: Survey
    shares: NDArray[np.float64]
    selected: NDArray[np.bool_]
    num_without_labels: int = 0

    def limited_to(self, labelled: NDArray[np.bool_]) -> "TileChoice":
        """Return the choice without the tiles that hold no labels."""
        left_out = int((self.selected & ~labelled).sum())
        return TileChoice(self.survey, self.shares, self.selected & labelled, left_out)


def plan_cutting(
    info: SlideInfo,
    slide_id: str,
    spec: TileSpec,
    tissue: str,
    labels: Mapping[str, Any] | None = None,
) -> CutPlan:
    """Plan how to read a slide and lay the grid.

    Args:
        info: Facts about the slide.
        slide_id: Name of the slide in all outputs.
        spec: What is asked for.
        tissue: Choice of tissue for this slide.
        labels: What decides its labels; None where there are none.

    Raises:
        ConfigError: Tiles would lie closer together than the slide's own pixels.
    """
    # Before the reading is planned, which for pixels as fine as that would take minutes.
    stride_px = spec.patch_px - spec.overlap_px
    if stride_px * spec.mpp * (1 + SCALE_TOLERANCE) < info.mpp:
        raise ConfigError(
            f"slide '{slide_id}': tiles at steps of {stride_px} px of {spec.mpp:g} µm lie"
            f" closer together than its own pixels ({info.mpp:g} µm); choose a larger --patch-size"
            " or --mpp"
        )
    plan = plan_reading(info, spec.mpp, decoding=spec.decode)
    grid = TileGrid(plan.width, plan.height, spec.patch_px, spec.overlap_px)
    if info.mpp > plan.mpp * (1 + SCALE_TOLERANCE):
        log.warning(
            "slide '%s': has %.4g µm/px, coarser than the %.4g wanted; its pixels are enlarged",
            slide_id,
            info.mpp,
            spec.mpp,
        )
    recipe = _recipe(info, slide_id, spec, tissue_identity(tissue))
    if labels is not None:
        recipe |= {"labels": dict(labels)}
    return CutPlan(slide_id, plan, grid, spec.workers or available_cores(), recipe)


def choose_tiles(slide: Slide, cut: CutPlan, spec: TileSpec, tissue: str) -> TileChoice:
    """Look the slide over and choose the tiles with enough tissue.

    Raises:
        ReadError: Nothing of the slide can be decoded.
        ConfigError: The tissue picture cannot be read or belongs to another slide.
    """
    survey = survey_slide(
        slide, cut.plan, tissue, decoding=spec.decode, num_workers=cut.num_workers
    )
    shares = survey.tissue.tile_shares(cut.grid)
    touched = survey.tissue.select_tiles(cut.grid)
    return TileChoice(survey, shares, touched & (shares >= spec.min_tissue))


def _recipe(info: SlideInfo, slide_id: str, spec: TileSpec, tissue: str) -> dict[str, Any]:
    """List what decides the bytes of the results; the number of threads does not."""
    return {
        "dfaseg": dfaseg.__version__,
        "slide": {"id": slide_id, "fingerprint": info.fingerprint, "mpp": info.mpp},
        "mpp": spec.mpp,
        "patch_px": spec.patch_px,
        "overlap_px": spec.overlap_px,
        "decode": spec.decode,
        "tissue": tissue,
        "min_tissue": spec.min_tissue,
        "save": spec.save,
        "table": spec.table,
        "hdf5": spec.hdf5,
        "origin": spec.origin,
    }
