"""Polygons: masks to GeoJSON and back."""

from dfaseg.annotation.annotated import AnnotatedPolygon, Annotations
from dfaseg.annotation.coordinates import MaskFrame
from dfaseg.annotation.dsa import DsaWriter
from dfaseg.annotation.geojson import GeoJsonWriter, compress_geojson
from dfaseg.annotation.polygon_file import PolygonSpec
from dfaseg.annotation.polygonize import Polygonizer
from dfaseg.annotation.rasterize import rasterize
from dfaseg.annotation.read_annotations import read_annotations
from dfaseg.annotation.read_asap import read_asap_xml
from dfaseg.annotation.read_dsa import read_dsa_json
from dfaseg.annotation.read_geojson import read_qupath_geojson
from dfaseg.annotation.regions import Polygons, RegionPolygon

__all__ = [
    "AnnotatedPolygon",
    "Annotations",
    "DsaWriter",
    "GeoJsonWriter",
    "MaskFrame",
    "PolygonSpec",
    "Polygonizer",
    "Polygons",
    "RegionPolygon",
    "compress_geojson",
    "rasterize",
    "read_annotations",
    "read_asap_xml",
    "read_dsa_json",
    "read_qupath_geojson",
]
