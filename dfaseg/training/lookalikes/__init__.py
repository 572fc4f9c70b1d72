"""Tissue that is easily taken for a gland and is none, painted into training patches.

A data set of glands shows little of what a slide holds besides. Shapes are made by code, colours
are those of the patch, and all of it is labelled background.
"""

from dfaseg.training.lookalikes.painter import LookalikePainter

__all__ = ["LookalikePainter"]
