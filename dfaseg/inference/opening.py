"""The slide of a run, opened."""

import logging
from pathlib import Path

from dfaseg.inference.spec import PredictSpec
from dfaseg.slide import Slide, open_slide
from dfaseg.slide.identity import SAMPLE
from dfaseg.slide.sample import open_sample

log = logging.getLogger(__name__)


def open_any_slide(spec: PredictSpec, copy: Path | None = None) -> Slide:
    """Open the slide, or the built-in one, and pass its warnings on.

    Args:
        spec: What to do.
        copy: Copy of the slide, to be read in its place.

    Raises:
        SlideError: It cannot be opened.
    """
    if spec.slide == SAMPLE:
        slide = open_sample(spec.mpp, spec.slide_id or SAMPLE)
    else:
        slide = open_slide(copy or spec.slide, mpp=spec.mpp, slide_id=spec.slide_id)
    for warning in slide.info.warnings:
        log.warning("slide '%s': %s", slide.info.slide_id, warning)
    return slide
