"""Polygons: masks to GeoJSON and back."""
