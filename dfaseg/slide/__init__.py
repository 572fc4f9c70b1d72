"""Opened whole-slide images: backends, levels and resolution."""
