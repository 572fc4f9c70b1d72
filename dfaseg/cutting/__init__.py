"""Slides cut into tiles: where they lie, their patches, and labels for training."""
