"""Polygons: masks to GeoJSON, and what people drew to labels."""

from dfaseg.annotation.annotated import Annotations
from dfaseg.annotation.class_rules import ClassRules, rules_for, rules_from_names
from dfaseg.annotation.coordinates import MaskFrame
from dfaseg.annotation.drawn_labels import DrawnLabels, check_place, check_slide
from dfaseg.annotation.dsa import DsaWriter
from dfaseg.annotation.geojson import GeoJsonWriter, compress_geojson
from dfaseg.annotation.label_frame import LabelFrame
from dfaseg.annotation.polygon_file import PolygonSpec
from dfaseg.annotation.polygon_table import AnnotatedPolygon, PolygonTable, make_table
from dfaseg.annotation.polygonize import Polygonizer
from dfaseg.annotation.rasterize import rasterize
from dfaseg.annotation.read_annotations import (
    ANNOTATION_SUFFIXES,
    opened_annotations,
    read_annotations,
)
from dfaseg.annotation.read_class_rules import read_class_rules
from dfaseg.annotation.regions import Polygons, RegionPolygon

__all__ = [
    "ANNOTATION_SUFFIXES",
    "AnnotatedPolygon",
    "Annotations",
    "ClassRules",
    "DrawnLabels",
    "DsaWriter",
    "GeoJsonWriter",
    "LabelFrame",
    "MaskFrame",
    "PolygonSpec",
    "PolygonTable",
    "Polygonizer",
    "Polygons",
    "RegionPolygon",
    "check_place",
    "check_slide",
    "compress_geojson",
    "make_table",
    "opened_annotations",
    "rasterize",
    "read_annotations",
    "read_class_rules",
    "rules_for",
    "rules_from_names",
]
