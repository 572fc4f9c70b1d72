"""Figures of a training run, for people and for papers; importing this loads matplotlib."""

from dfaseg.training.plots.cases import ChosenCase, choose_cases
from dfaseg.training.plots.curves import draw_curves
from dfaseg.training.plots.panel import PanelCase, draw_panel

__all__ = ["ChosenCase", "PanelCase", "choose_cases", "draw_curves", "draw_panel"]
