"""Opened whole-slide images: backends, levels and resolution."""

from dfaseg.slide.array import ArraySlide
from dfaseg.slide.open import open_slide
from dfaseg.slide.slide import Level, Slide, SlideInfo

__all__ = ["ArraySlide", "Level", "Slide", "SlideInfo", "open_slide"]
