"""A mask's regions as polygons in a file."""

import logging
from pathlib import Path
from typing import Any

from dfaseg.annotation.coordinates import MaskFrame
from dfaseg.annotation.dsa import DsaWriter
from dfaseg.annotation.geojson import GeoJsonWriter, compress_geojson
from dfaseg.annotation.polygon_file import PolygonSpec, PolygonWriter
from dfaseg.annotation.polygonize import Polygonizer
from dfaseg.errors import ConfigError
from dfaseg.exporting.mask_record import MaskRecord, read_record
from dfaseg.exporting.mask_source import MaskSource
from dfaseg.exporting.spec import ExportSpec
from dfaseg.files import scratch_file, write_aside
from dfaseg.provenance import recipe_hash

log = logging.getLogger(__name__)


def write_polygons(mask: MaskSource, spec: ExportSpec) -> int:
    """Write the polygons of a mask as GeoJSON or for the Digital Slide Archive.

    Returns:
        How many there are.

    Raises:
        ConfigError: The bounds are asked for and the mask states none.
        OutputError: The mask cannot be read, or the file not written.
    """
    what = _polygon_spec(mask, spec)
    if spec.out.suffix != ".gz":
        with write_aside(spec.out) as aside:
            return _stream(mask, aside, what, spec)
    with scratch_file(spec.out) as plain:
        count = _stream(mask, plain, what, spec)
        with write_aside(spec.out) as aside:
            compress_geojson(plain, aside)
    return count


def _polygon_spec(mask: MaskSource, spec: ExportSpec) -> PolygonSpec:
    """Return what ``predict`` would have written beside the mask with the same options."""
    record = read_record(mask)
    recipe = _asked_recipe(record, spec)
    origin_x, origin_y = _polygon_origin(mask.path, record, recipe["origin"])
    return PolygonSpec(
        classes=mask.reader.spec.classes,
        frame=MaskFrame(*record.level0_scale, origin_x, origin_y),
        pixel_area_um2=record.pixel_area_um2,
        identity=recipe_hash(recipe),
        metadata={"slide": record.slide_id, "model": record.model, "frame": recipe["origin"]},
        simplify_px=recipe["simplify_um"] / record.mpp,
        min_area_um2=recipe["min_area_um2"],
    )


def _asked_recipe(record: MaskRecord, spec: ExportSpec) -> dict[str, Any]:
    """Return the recipe of the run that would have written these polygons."""
    # The archive shows every slide with all of its canvas.
    default = "level0" if spec.chosen_format == "dsa" else None
    asked = {
        "origin": spec.origin or default,
        "simplify_um": spec.simplify_um,
        "min_area_um2": spec.min_area_um2,
    }
    return {**record.recipe, **{key: value for key, value in asked.items() if value is not None}}


def _polygon_origin(path: Path, record: MaskRecord, origin: str) -> tuple[int, int]:
    """Return the level-0 pixel at which polygons have (0, 0)."""
    if origin == "level0":
        return 0, 0
    if record.bounds_corner is not None:
        return record.bounds_corner
    if origin == "bounds":
        raise ConfigError(
            f"--origin bounds: mask '{path}' states no bounds of its slide; use auto or level0"
        )
    if not record.knows_bounds:
        log.warning(
            "mask '%s': does not say whether its slide has bounds; polygons count from the slide's"
            " corner",
            path,
        )
    return 0, 0


def _stream(mask: MaskSource, path: Path, what: PolygonSpec, spec: ExportSpec) -> int:
    """Trace the mask strip by strip and write each region as soon as it ends."""
    with (
        scratch_file(spec.out) as spool,
        Polygonizer(mask.reader.spec.width, spool=spool) as polygonizer,
        _open_writer(path, what, spec) as writer,
    ):
        for rows in mask.strips():
            writer.write(polygonizer.add_rows(rows))
        writer.write(polygonizer.finish())
    return writer.num_features


def _open_writer(path: Path, what: PolygonSpec, spec: ExportSpec) -> PolygonWriter:
    if spec.chosen_format == "geojson":
        return GeoJsonWriter(path, what)
    return DsaWriter(path, what, f"dfaseg: {what.metadata['model']}")
