"""What a run wants made, told so that another process could make it."""

from functools import partial

from dfaseg.annotation.coordinates import MaskFrame
from dfaseg.annotation.polygon_file import PolygonSpec
from dfaseg.inference.job import Job
from dfaseg.inference.outputs import OutputPaths
from dfaseg.inference.report import mask_attributes
from dfaseg.inference.results.consumers import AreaResult, MaskResult, PolygonResult
from dfaseg.inference.results.host import Makers
from dfaseg.inference.spec import PredictSpec
from dfaseg.model.network import Network
from dfaseg.provenance import recipe_hash
from dfaseg.slide.origin import origin_of
from dfaseg.slide.slide import SlideInfo
from dfaseg.stitcher.ome import MaskSpec
from dfaseg.stitcher.overview_store import Overview


def order_results(
    info: SlideInfo, network: Network, job: Job, spec: PredictSpec, paths: OutputPaths
) -> Makers:
    """Say how all results of a run are made: ``mask``, ``polygons`` and ``areas``."""
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
    origin_x, origin_y = origin_of(info, spec.origin)
    polygon_spec = PolygonSpec(
        classes=classes,
        frame=MaskFrame(plan.downsample_x, plan.downsample_y, origin_x, origin_y),
        pixel_area_um2=mpp_x * mpp_y,
        identity=recipe_hash(job.recipe),
        metadata={"slide": info.slide_id, "model": network.card.name, "frame": spec.origin},
        simplify_px=spec.simplify_um / plan.mpp,
        min_area_um2=spec.min_area_um2,
    )
    return {
        "mask": partial(
            MaskResult,
            paths.made(paths.mask),
            mask_spec,
            Overview(job.picture.whole, job.tissue.factor),
            mask_attributes(info, network, job),
            job.picture.small.shape[:2],
        ),
        "polygons": partial(
            PolygonResult,
            paths.polygons_text,
            paths.polygon_spool,
            plan.width,
            polygon_spec,
        ),
        "areas": partial(AreaResult, classes, mpp_x, mpp_y),
    }
