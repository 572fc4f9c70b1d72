"""Slide pixels to patches: tissue, read plan, ordered batches."""
