"""Rows of native tiles, the strips in which a slide is read, and how many are in flight."""

from dfaseg.geometry import NativeAxis
from dfaseg.native.average import strip_bytes
from dfaseg.slide.slide import Level
from dfaseg.tiler.plan import ReadPlan

WHITE = 255
"""Value of pixels outside the slide, of sparse tiles and of those that cannot be decoded."""
MOST_AHEAD = 2
"""Strips that are decoded ahead, where they are small."""
SMALL_STRIP_BYTES = 32 * 2**20
"""Strips that take up to this are decoded two ahead, larger ones one ahead: enough to
keep all threads busy at a strip's end, without holding more of a wide slide than that takes."""


def native_axes(plan: ReadPlan, level: Level) -> tuple[NativeAxis, NativeAxis]:
    """Return how a plan's mask frame lies over native tiles, horizontally and vertically.

    Args:
        plan: Level and scale to read at.
        level: The level, as its tiles are decoded.
    """
    return (
        NativeAxis(plan.decoded_scale_x, plan.width, level.tile_width, level.num_tile_cols),
        NativeAxis(plan.decoded_scale_y, plan.height, level.tile_height, level.num_tile_rows),
    )


def strips_ahead(across: NativeAxis, down: NativeAxis, most_ahead: int) -> int:
    """Return how many strips are decoded beyond the one at hand.

    Args:
        across: Horizontal axis.
        down: Vertical axis.
        most_ahead: Most strips, where memory is short.
    """
    usual = MOST_AHEAD if strip_bytes(across, down) <= SMALL_STRIP_BYTES else 1
    return min(usual, most_ahead)
