"""Figures of a training run, for people and for papers; importing this loads matplotlib."""

from dfaseg.training.plots.curves import draw_curves

__all__ = ["draw_curves"]
