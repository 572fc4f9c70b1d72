"""Tables, grids and coordinates say of each tile where it lies."""

import csv
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from pyarrow import parquet

from dfaseg.cutting import table as table_module
from dfaseg.cutting.coords_file import coords_name, write_coords
from dfaseg.cutting.grid_file import write_grid
from dfaseg.cutting.places import TilePlaces, place_tiles
from dfaseg.cutting.table import check_formats, write_table
from dfaseg.errors import ConfigError
from tests.cutting import cut_of, memory_slide

SLIDE = memory_slide(width=300, height=200, mpp=0.5, downsamples=(1, 2))
CUT = cut_of(SLIDE, mpp=1.5, patch_px=32)


def _places() -> TilePlaces:
    shape = (CUT.grid.num_rows, CUT.grid.num_cols)
    kept = np.arange(CUT.grid.num_rows * CUT.grid.num_cols).reshape(shape) % 2 == 0
    return place_tiles(CUT, kept, np.full(shape, 0.25))


def test_csv_has_one_line_per_tile(tmp_path: Path) -> None:
    """Each line names the tile, its place on the grid and on the slide, and its tissue."""
    places = _places()

    write_table(tmp_path / "t.csv", places, "csv")

    with (tmp_path / "t.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["name"] for line in lines] == places.names
    assert lines[1] == {
        "slide": "memory", "name": "memory_x192_y0", "row": "0", "col": "2",
        "x": "192", "y": "0", "width": "96", "height": "96", "tissue": "0.25",
    }  # fmt: skip


def test_parquet_holds_the_same_as_csv(tmp_path: Path) -> None:
    """Both forms have the same columns and values."""
    places = _places()

    write_table(tmp_path / "t.csv", places, "csv")
    write_table(tmp_path / "t.parquet", places, "parquet")

    with (tmp_path / "t.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    rows = parquet.read_table(tmp_path / "t.parquet").to_pylist()
    assert [{key: str(value) for key, value in row.items()} for row in rows] == lines


def test_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install."""

    def refuse(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(table_module.importlib, "import_module", refuse)

    with pytest.raises(ConfigError, match=r"--table parquet: .*'dfaseg\[parquet\]'"):
        check_formats("parquet", "none")
    with pytest.raises(ConfigError, match=r"--hdf5 clam: .*'dfaseg\[hdf5\]'"):
        check_formats("csv", "clam")


def test_grid_holds_qupath_tiles_in_its_frame(tmp_path: Path) -> None:
    """Tiles are closed squares of type tile, shifted to where QuPath has (0, 0)."""
    places = _places()

    write_grid(tmp_path / "g.geojson", places, fingerprint="f", origin=(10, 20))

    content = json.loads((tmp_path / "g.geojson").read_text("utf-8"))
    features = content["features"]
    assert content["type"] == "FeatureCollection"
    assert [one["properties"]["name"] for one in features] == places.names
    assert {one["properties"]["objectType"] for one in features} == {"tile"}
    assert len({one["id"] for one in features}) == len(places)
    assert features[1]["geometry"]["coordinates"] == [
        [[182, -20], [278, -20], [278, 76], [182, 76], [182, -20]]
    ]
    assert features[1]["properties"]["measurements"] == {"Tissue %": 25.0}


def test_clam_reads_the_same_place(tmp_path: Path) -> None:
    """Its patch size counts pixels of the level, so that both cover the same field."""
    places = _places()
    path = tmp_path / coords_name("memory", "clam")

    write_coords(path, places, SLIDE.info, CUT, "clam", tmp_path)

    assert path.name == "memory.h5"
    with h5py.File(path) as file:
        attributes = dict(file["coords"].attrs)
        coords = file["coords"][:]
    level = SLIDE.info.levels[attributes["patch_level"]]
    assert np.array_equal(coords, np.stack([places.x, places.y], axis=1))
    assert attributes["patch_size"] * level.downsample_x == places.width
    assert attributes["name"] == "memory"
    assert attributes["save_path"] == str(tmp_path)
    assert tuple(attributes["level_dim"]) == (level.width, level.height)


def test_trident_reads_the_same_place(tmp_path: Path) -> None:
    """Its patch size counts pixels at the wanted magnification."""
    places = _places()
    path = tmp_path / coords_name("memory", "trident")

    write_coords(path, places, SLIDE.info, CUT, "trident", tmp_path)

    assert path.name == "memory_patches.h5"
    with h5py.File(path) as file:
        attributes = dict(file["coords"].attrs)
    shrink = attributes["level0_magnification"] / attributes["target_magnification"]
    assert attributes["patch_size"] == 32
    assert attributes["patch_size"] * shrink == pytest.approx(places.width)
    assert attributes["patch_size_level0"] == places.width
    assert attributes["savetodir"] == str(tmp_path)


def test_empty_coordinates_can_be_read(tmp_path: Path) -> None:
    """A slide without tissue has a data set without rows."""
    shape = (CUT.grid.num_rows, CUT.grid.num_cols)
    places = place_tiles(CUT, np.zeros(shape, bool), np.zeros(shape))

    write_coords(tmp_path / "e.h5", places, SLIDE.info, CUT, "clam", tmp_path)

    with h5py.File(tmp_path / "e.h5") as file:
        assert file["coords"].shape == (0, 2)
