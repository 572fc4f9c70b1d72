"""Overlapping logits to one mask: blending, labels, Zarr."""
