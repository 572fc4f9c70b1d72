"""Annotated images as their authors publish them: readers, splits, pixels and labels."""
