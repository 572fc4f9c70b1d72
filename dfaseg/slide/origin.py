"""Where polygons on a slide have (0, 0)."""

from typing import Literal

from dfaseg.errors import ConfigError
from dfaseg.slide.slide import SlideInfo

Origin = Literal["auto", "level0", "bounds"]
"""Where polygons have (0, 0): the slide's corner (``level0``), the corner of its scanned part
(``bounds``), or whichever QuPath uses (``auto``: the bounds where the slide states them)."""


def origin_of(info: SlideInfo, origin: Origin) -> tuple[int, int]:
    """Return the level-0 pixel at which polygons have (0, 0).

    Raises:
        ConfigError: The bounds are asked for and the slide states none.
    """
    bounds = info.level0_bounds
    if origin == "level0" or (origin == "auto" and bounds is None):
        return 0, 0
    if bounds is None:
        raise ConfigError(
            f"--origin bounds: slide '{info.slide_id}' states no bounds; use auto or level0"
        )
    return bounds.x, bounds.y
