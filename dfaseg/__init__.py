"""Segment gigapixel histology slides with Dynamic Focal Attention."""

__version__ = "0.1.0"
