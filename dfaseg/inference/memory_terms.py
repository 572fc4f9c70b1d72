"""The terms of a run's memory: what is allocated, in the order of the data."""

from dataclasses import dataclass

from dfaseg.geometry import NativeAxis, TileGrid
from dfaseg.inference.labelling import RELEASES_AHEAD, RELEASES_AHEAD_ON_DEVICE
from dfaseg.inference.on_device.strip_feed import MOST_PINNED_BYTES
from dfaseg.inference.results.process import num_processes
from dfaseg.model.network import Network
from dfaseg.native.average import strip_bytes
from dfaseg.slide.slide import SlideInfo
from dfaseg.stitcher.shards import CHUNK_PX, SHARD_PX
from dfaseg.tiler.plan import ReadPlan
from dfaseg.tiler.stream import BATCHES_AHEAD
from dfaseg.tiler.strips import MOST_AHEAD, native_axes, strips_ahead
from dfaseg.tiler.survey import plan_survey

Terms = dict[str, int]
"""Bytes by what they are for."""

_FLOAT = 4
_BATCHES_AT_WORK = 5
"""One that is cut, two in the network, one that is stitched, one that is about to be let go."""
_RELEASED_CELLS = 1 << 19
_RELEASES_AT_WORK = 2
"""Finished rows of the band besides those under way: one made, one about to be let go."""
_TILE_COPIES = 3
"""Of a native tile while a thread decodes it: bytes as stored, as decoded, as RGB."""
_OVERVIEW_BYTES_PER_PX = 24
"""The picture and what finding tissue makes of it; that of the next slide as well."""
_POOL_SHRINKS = 6
"""Labels shrink at least so much while they wait in unfinished shards; 24-fold on tissue."""
_OUTLINE_BYTES_PER_PX = 96
"""Of mask width: regions that are open along a whole row of small ones."""
_IN_MEMORY = frozenset({"picture", "array"})
"""Readers that hold the whole slide, with its smaller levels."""
_FIXED_BYTES = 96 * 2**20
"""Libraries that load on the way, threads' own heaps, the overlay picture, blocks of polygons."""

_RESULTS_PROCESS_BYTES = 128 * 2**20
"""What a process that makes the results holds besides them: libraries and shared mask rows."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Settings that decide how much is under way at a time.

    Attributes:
        batch_size: Patches per batch.
        num_workers: Threads that decode.
        strips_ahead: Most strips of native tiles that are decoded ahead.
    """

    batch_size: int
    num_workers: int
    strips_ahead: int = MOST_AHEAD


def estimate_terms(
    info: SlideInfo, plan: ReadPlan, grid: TileGrid, network: Network, workload: Workload
) -> Terms:
    """Estimate what a run allocates, but for the network's own operations.

    Args:
        info: Facts about the slide.
        plan: How it is read.
        grid: Tiles over the plan's mask frame.
        network: The loaded network.
        workload: How much is under way at a time.
    """
    patch_bytes = grid.patch_px**2 * 3
    channels, stride = len(network.card.classes) + 1, network.logit_stride
    patch_logits = channels * (grid.patch_px // stride) ** 2 * _FLOAT
    width_cells = -(-max(plan.width, grid.num_cols * grid.stride_px + grid.patch_px) // stride)
    band = channels * -(-(grid.patch_px + grid.stride_px) // stride) * width_cells * _FLOAT
    on_device = network.device.type == "cuda"
    num_releases = _RELEASES_AT_WORK + (RELEASES_AHEAD_ON_DEVICE if on_device else RELEASES_AHEAD)
    released = min(grid.stride_px // stride * width_cells, max(_RELEASED_CELLS, width_cells))
    tile = info.levels[plan.level]
    axes = _axes(info, plan)
    overview_plan, factor = plan_survey(info, plan, decoding="full")
    return {
        "strips": (MOST_PINNED_BYTES if on_device else _strips_bytes(axes, workload.strips_ahead))
        + _strips_bytes(_axes(info, overview_plan), MOST_AHEAD),
        "decoding": workload.num_workers * tile.tile_width * tile.tile_height * 3 * _TILE_COPIES,
        "rows": 3 * plan.width * (grid.patch_px + grid.stride_px + 2 * axes[1].most_touched),
        "batches": (BATCHES_AHEAD + _BATCHES_AT_WORK) * workload.batch_size * patch_bytes,
        "logits": _BATCHES_AT_WORK * workload.batch_size * patch_logits,
        # Saving a state takes two copies of what is open.
        "band": 3 * band,
        "released rows": num_releases * released * (channels * _FLOAT + stride**2),
        "mask": plan.width * (2 * CHUNK_PX + 2 * SHARD_PX // _POOL_SHRINKS),
        "outlines": plan.width * _OUTLINE_BYTES_PER_PX,
        "picture": info.levels[0].width * info.levels[0].height * 4 * (info.reader in _IN_MEMORY),
        "overview": plan.width * plan.height // factor**2 * _OVERVIEW_BYTES_PER_PX,
        "results": _RESULTS_PROCESS_BYTES
        * num_processes(grid.width * grid.height, beside_gpu=on_device),
        "fixed": _FIXED_BYTES,
    }


def _axes(info: SlideInfo, plan: ReadPlan) -> tuple[NativeAxis, NativeAxis]:
    return native_axes(plan, info.levels[plan.level].reduced(plan.reduction))


def _strips_bytes(axes: tuple[NativeAxis, NativeAxis], most_ahead: int) -> int:
    """Return the bytes of the strips that are in flight."""
    return strip_bytes(*axes) * (strips_ahead(*axes, most_ahead) + 1)
