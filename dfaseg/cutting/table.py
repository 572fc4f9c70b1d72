"""The table of a slide's tiles: CSV, or Parquet where pyarrow is installed."""

import csv
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dfaseg.cutting.places import TilePlaces
from dfaseg.cutting.spec import CoordsFormat, TableFormat
from dfaseg.errors import ConfigError

_DECIMALS = 4
"""Of the share of tissue."""


def check_formats(table: TableFormat, hdf5: CoordsFormat) -> None:
    """Make sure that what writes the asked formats is installed.

    Raises:
        ConfigError: It is not.
    """
    for option, module, is_wanted in (
        ("--table parquet", "pyarrow", table == "parquet"),
        (f"--hdf5 {hdf5}", "h5py", hdf5 != "none"),
    ):
        if is_wanted:
            _require(option, module)


def write_table(path: Path, places: TilePlaces, table: TableFormat) -> None:
    """Write one line per tile.

    Columns: ``slide``, ``name``, ``row`` and ``col`` on the grid, ``x``, ``y``, ``width`` and
    ``height`` in level-0 px, ``tissue`` (share, 0 to 1).
    """
    columns = _columns(places)
    if table == "parquet":
        _write_parquet(path, columns)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def _columns(places: TilePlaces) -> Mapping[str, list[Any]]:
    count = len(places)
    return {
        "slide": [places.slide_id] * count,
        "name": places.names,
        "row": places.rows.tolist(),
        "col": places.cols.tolist(),
        "x": places.x.tolist(),
        "y": places.y.tolist(),
        "width": [round(places.width)] * count,
        "height": [round(places.height)] * count,
        "tissue": places.tissue.round(_DECIMALS).tolist(),
    }


def _write_parquet(path: Path, columns: Mapping[str, list[Any]]) -> None:
    import pyarrow as pa  # noqa: PLC0415 - an extra
    from pyarrow import parquet  # noqa: PLC0415

    types = {"slide": pa.string(), "name": pa.string(), "tissue": pa.float64()}
    arrays = {
        name: pa.array(column, types.get(name, pa.int64())) for name, column in columns.items()
    }
    parquet.write_table(pa.table(arrays), path)


def _require(option: str, module: str) -> None:
    try:
        importlib.import_module(module)
    except ImportError as error:
        extra = {"pyarrow": "parquet", "h5py": "hdf5"}[module]
        raise ConfigError(
            f"{option}: needs the package {module}; install it with: pip install 'dfaseg[{extra}]'"
        ) from error
