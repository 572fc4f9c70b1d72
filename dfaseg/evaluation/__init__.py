"""Scores computed from confusion matrices."""
