"""How large slides are, as all jobs of a run agree, so that they agree on their shares."""

import hashlib
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from dfaseg.errors import DfasegError, OutputError
from dfaseg.files import explain
from dfaseg.sharing.shared_files import SharedFiles
from dfaseg.slide import open_slide
from dfaseg.slide.identity import SAMPLE
from dfaseg.slide.inputs import PICTURE_ENDINGS, SlideInput
from dfaseg.slide.sample import open_sample

_THREADS = 8
"""Opening a slide is mostly waiting for the disk."""
_READ_ATTEMPTS, _READ_PAUSE_SECONDS = 10, 0.2
_ANY_MPP = 0.5
"""Areas are in pixels; a slide that states no resolution has one too."""


def agreed_areas(
    shared: SharedFiles, slides: Sequence[SlideInput], *, keep: bool
) -> dict[str, int]:
    """Return the pixels of each slide; 0 where it cannot be opened.

    The first process to have measured them keeps them for all, and all others take those:
    shares would overlap or leave a slide out if one process could open it and another could not.

    Args:
        shared: What all processes see; prepared where ``keep`` is set.
        slides: All slides, in any order.
        keep: Whether to keep what had to be measured.

    Raises:
        OutputError: The folder cannot be used.
    """
    names = sorted((slide.id, slide.path) for slide in slides)
    digest = hashlib.sha256(json.dumps(names).encode()).hexdigest()[:16]
    name = f"areas-{digest}.json"
    try:
        if shared.look(name) is None:
            areas = _measure_all(slides)
            if not keep:
                return areas
            shared.create(name, json.dumps(areas, indent=0, sort_keys=True).encode())
        return _read(shared, name)
    except OSError as error:
        raise OutputError(
            f"areas '{name}': cannot be read or written ({explain(error)})"
        ) from error


def _measure_all(slides: Sequence[SlideInput]) -> dict[str, int]:
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="areas") as threads:
        measured = threads.map(_measure, slides)
        return {slide.id: area for slide, area in zip(slides, measured, strict=True)}


def _measure(slide: SlideInput) -> int:
    """Return the pixels of level 0; 0 for what fails here will be explained when its turn comes."""
    try:
        if Path(slide.path).suffix.lower() in PICTURE_ENDINGS:
            with Image.open(
                slide.path
            ) as picture:  # reads no pixels, which opening the slide would
                return picture.width * picture.height
        is_sample = slide.path == SAMPLE
        opened = open_sample(_ANY_MPP) if is_sample else open_slide(slide.path, mpp=_ANY_MPP)
    except (DfasegError, OSError):
        return 0
    level = opened.info.levels[0]
    opened.close()
    return level.width * level.height


def _read(shared: SharedFiles, name: str) -> dict[str, int]:
    """Read areas, a little later where another process is still writing them."""
    for _ in range(_READ_ATTEMPTS):
        seen = shared.look(name)
        try:
            areas = json.loads(seen.content if seen else b"")
            return {slide_id: int(area) for slide_id, area in areas.items()}
        except ValueError:
            time.sleep(_READ_PAUSE_SECONDS)
    raise OutputError(f"areas '{name}' in '{shared}': damaged; remove the file and run again")
