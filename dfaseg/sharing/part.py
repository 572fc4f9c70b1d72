"""The slides that one of several jobs does."""

import logging
from collections.abc import Sequence

from dfaseg.sharing.areas import agreed_areas
from dfaseg.sharing.shared_files import SharedFiles
from dfaseg.sharing.shares import Share, deal_out
from dfaseg.slide.inputs import SlideInput

log = logging.getLogger(__name__)

HIDDEN_FOLDER = ".dfaseg"
"""Folder in the output folder for what processes must know of each other."""


def part_of(
    slides: Sequence[SlideInput], share: Share, hidden: SharedFiles, *, keep: bool = True
) -> list[SlideInput]:
    """Return the slides of a share, in the order of the list.

    Args:
        slides: All slides, the same for all jobs.
        share: Which part.
        hidden: What processes must know of each other; prepared where ``keep`` is set.
        keep: Whether the areas that shares rest on are kept in it for other processes.

    Raises:
        OutputError: What processes must agree on cannot be read or written.
    """
    areas = agreed_areas(hidden, slides, keep=keep)
    shares = deal_out(areas, share.count)
    ids = set(shares[share.index] if share.index < len(shares) else ())
    part = [slide for slide in slides if slide.id in ids]
    log.info(
        "share %s (%s): %d of %d slides, %.0f of %.0f megapixels",
        share, share.source, len(part), len(slides),
        sum(areas[slide.id] for slide in part) / 1e6, sum(areas.values()) / 1e6,
    )  # fmt: skip
    return part
