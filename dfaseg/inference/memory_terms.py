"""The terms of a run's memory: what is allocated, in the order of the data."""

from dataclasses import dataclass

from dfaseg.geometry import TileGrid
from dfaseg.inference.labelling import RELEASES_AHEAD, RELEASES_AHEAD_ON_DEVICE
from dfaseg.inference.results.process import num_processes
from dfaseg.model.network import Network
from dfaseg.slide.slide import SlideInfo
from dfaseg.stitcher.shards import CHUNK_PX, SHARD_PX
from dfaseg.tiler.plan import ReadPlan
from dfaseg.tiler.stream import BATCHES_AHEAD
from dfaseg.tiler.strip_buffers import MOST_AHEAD, SMALL_STRIP_BYTES
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
    strip_rows = -(-tile.tile_height // plan.scale_y.numerator) * plan.scale_y.denominator
    overview_plan, factor = plan_survey(info, plan, decoding="full")
    return {
        "native tiles": _strip_bytes(info, plan, workload.strips_ahead)
        + _strip_bytes(info, overview_plan, MOST_AHEAD),
        "decoding": workload.num_workers * tile.tile_width * tile.tile_height * 3 * _TILE_COPIES,
        "rows": 3 * plan.width * (grid.patch_px + grid.stride_px + 2 * strip_rows),
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


def _strip_bytes(info: SlideInfo, plan: ReadPlan, most_ahead: int) -> int:
    """Return the bytes of the strips of native tiles that are in flight; see ``StripBuffers``."""
    level = info.levels[plan.level].reduced(plan.reduction)
    period_x, period_y = plan.decoded_scale_x.numerator, plan.decoded_scale_y.numerator
    strip = (level.tile_height + 2 * period_y) * -(-level.width // period_x) * period_x * 3
    usual = MOST_AHEAD if strip <= SMALL_STRIP_BYTES else 1
    return strip * (min(usual, most_ahead) + 1)
