"""Masks of every kind of file against the same truth in every form."""

import gzip
import json
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from dfaseg.classmap import IGNORE_INDEX
from dfaseg.errors import AnnotationError, DatasetError, EvaluationError
from dfaseg.evaluation.drawn_truth import Drawing
from dfaseg.evaluation.mask_files import open_mask_file
from dfaseg.evaluation.predictions import PredictionsSpec, evaluate_predictions
from dfaseg.evaluation.results import EvalResult
from tests.evaluating import (
    CLASSES,
    blotches,
    write_classes,
    write_picture,
    write_polygons,
    write_store,
)

MASK = blotches()
COUNTS = np.bincount(MASK.ravel(), minlength=256)[:3]


def evaluate(prediction: Path, truth: Path, **settings: object) -> EvalResult:
    """Score one file against another, with the class map beside it."""
    path = write_classes(prediction.parent / "classes.toml")
    return evaluate_predictions(
        PredictionsSpec((prediction,), truth, class_map_path=path, **settings)
    )


def is_exact(result: EvalResult) -> bool:
    """Tell whether all pixels with a class were counted, all of them right."""
    return bool(np.array_equal(result.confusion(), np.diag(COUNTS)))


@pytest.mark.parametrize("name", ["t.zarr", "t.png", "t.tif", "t.geojson", "t.geojson.gz"])
def test_mask_agrees_with_itself_in_every_form(tmp_path: Path, name: str) -> None:
    """Store, picture, TIFF and the polygons that are written with it: Dice is 1 exactly."""
    prediction = write_store(tmp_path / "p.zarr", MASK)
    path = tmp_path / name
    if name == "t.zarr":
        write_store(path, MASK)
    elif name.startswith("t.geo"):
        write_polygons(tmp_path / "t.geojson", MASK)
        if path.suffix == ".gz":
            path.write_bytes(gzip.compress((tmp_path / "t.geojson").read_bytes()))
    else:
        write_picture(path, MASK)

    result = evaluate(prediction, path)

    assert is_exact(result)
    assert result.pooled().dice.tolist() == [1.0, 1.0, 1.0]
    assert result.mpp == 0.5


RULES = """
background = "Stroma"
ignore = ["Artefact", 9]
regions_of_interest = ["ROI"]
order = ["Stroma", "Tumour"]
[[class]]
index = 0
name = "Stroma"
colour = "#96c896"
codes = [4]
[[class]]
index = 1
name = "Tumour"
colour = "#c80000"
names = ["Cancer"]
codes = [0, 300]
"""


def test_codes_mean_what_the_class_map_says(tmp_path: Path) -> None:
    """They were taken for indices, so that a mask whose codes have another order was all wrong."""
    class_map = tmp_path / "rules.toml"
    class_map.write_text(RULES)
    codes = np.array([[4, 4, 0, 300], [4, 0, 9, 255]], np.uint16)
    predicted = np.array([[4, 0, 0, 0], [4, 4, 4, 4]], np.uint8)
    tifffile.imwrite(tmp_path / "t.tif", codes, photometric="minisblack")
    tifffile.imwrite(tmp_path / "p.tif", predicted, photometric="minisblack")
    paths = (tmp_path / "p.tif",), tmp_path / "t.tif"

    result = evaluate_predictions(PredictionsSpec(*paths, class_map_path=class_map))
    of_stroma = evaluate_predictions(
        PredictionsSpec(*paths, class_map_path=class_map, ignored=("Tumour",))
    )

    assert result.confusion().tolist() == [[2, 1], [1, 2]]
    assert of_stroma.confusion().tolist() == [[2, 1], [0, 0]]


def test_ignored_code_is_unknown_in_a_prediction(tmp_path: Path) -> None:
    """Mistakes would not count if it meant that nothing was analysed."""
    class_map = tmp_path / "rules.toml"
    class_map.write_text(RULES)
    codes = np.array([[4, 0, 9]], np.uint8)
    path = write_picture(tmp_path / "p.png", codes)

    with pytest.raises(DatasetError, match="code 9 in 1 pixels is unknown"):
        evaluate_predictions(PredictionsSpec((path,), path, class_map_path=class_map))


def test_polygons_mean_what_the_class_map_says(tmp_path: Path) -> None:
    """Other names, regions of interest, what is ignored, the order and the background."""
    class_map = tmp_path / "rules.toml"
    class_map.write_text(RULES)
    shapes = [
        ("ROI", (0, 0, 8, 8)), ("cancer", (0, 0, 4, 4)), ("stroma", (2, 0, 8, 4)),
        ("artefact", (0, 4, 2, 8)),
    ]  # fmt: skip
    features = [
        {
            "type": "Feature",
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[x, y], [right, y], [right, end], [x, end], [x, y]]],
            },
            "properties": {"classification": {"name": name}},
        }
        for name, (x, y, right, end) in shapes
    ]
    truth = tmp_path / "t.geojson"
    truth.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    prediction = write_picture(tmp_path / "p.png", np.full((10, 10), 4, np.uint8))

    result = evaluate_predictions(
        PredictionsSpec(
            (prediction,), truth, class_map_path=class_map, drawing=Drawing(level0_scale=1)
        )
    )

    assert result.confusion().tolist() == [[64 - 16 - 8, 0], [16, 0]]


def test_names_in_the_files_need_no_class_map(tmp_path: Path) -> None:
    """A store and polygons both name their classes."""
    prediction = write_store(tmp_path / "p.zarr", MASK)
    truth = write_polygons(tmp_path / "t.geojson", MASK)

    result = evaluate_predictions(PredictionsSpec((prediction,), truth))

    assert is_exact(result)
    assert result.class_map.to_records() == CLASSES.to_records()


def test_shift_by_a_pixel_gives_the_counts_worked_out_by_hand(tmp_path: Path) -> None:
    """Eight rows of ten: stroma left of column 4, tumour right of it; predicted one px later."""
    truth = np.repeat(np.array([[0] * 4 + [1] * 6], np.uint8), 8, axis=0)
    shifted = np.repeat(np.array([[0] * 5 + [1] * 5], np.uint8), 8, axis=0)
    prediction = write_store(tmp_path / "p.zarr", shifted)

    result = evaluate(prediction, write_picture(tmp_path / "t.png", truth))

    assert result.confusion().tolist() == [[32, 0, 0], [8, 40, 0], [0, 0, 0]]
    assert result.pooled().dice[:2].tolist() == [64 / 72, 80 / 88]


@pytest.mark.parametrize("mpp", [0.25, 1.0, 0.75], ids=["finer", "coarser", "two thirds"])
def test_truth_of_another_resolution_is_scored_at_its_own(tmp_path: Path, mpp: float) -> None:
    """Each of its pixels is compared with the predicted one that lies at its centre."""
    prediction = write_store(tmp_path / "p.zarr", MASK)
    height, width = round(90 * 0.5 / mpp), round(120 * 0.5 / mpp)
    rows = np.floor((np.arange(height) + 0.5) * mpp / 0.5).astype(int)
    cols = np.floor((np.arange(width) + 0.5) * mpp / 0.5).astype(int)
    expected = MASK[np.ix_(rows, cols)]

    result = evaluate(prediction, write_store(tmp_path / "t.zarr", expected, mpp=mpp))

    counts = np.bincount(expected.ravel(), minlength=256)[:3]
    assert np.array_equal(result.confusion(), np.diag(counts))
    assert result.mpp == mpp


def test_polygons_lie_on_the_pixels_of_a_coarser_mask(tmp_path: Path) -> None:
    """Eight level-0 px per mask px: a square of 80 px is 10 mask px wide."""
    mask = np.zeros((20, 30), np.uint8)
    mask[5:15, 10:20] = 1
    prediction = write_store(tmp_path / "p.zarr", mask, mpp=2.0)
    ring = [[80, 40], [160, 40], [160, 120], [80, 120], [80, 40]]
    truth = draw(tmp_path / "t.geojson", {"Tumour": ring})

    result = evaluate(prediction, truth, drawing=Drawing(background="stroma"))

    assert result.confusion().tolist() == [[500, 0, 0], [0, 100, 0], [0, 0, 0]]


def test_origin_and_scale_of_polygons_can_be_given(tmp_path: Path) -> None:
    """For a picture that says neither."""
    mask = np.zeros((20, 30), np.uint8)
    mask[5:15, 10:20] = 1
    prediction = write_picture(tmp_path / "p.png", mask)
    ring = [[60, 40], [140, 40], [140, 120], [60, 120], [60, 40]]
    truth = draw(tmp_path / "t.geojson", {"tumour": ring})

    result = evaluate(prediction, truth, drawing=Drawing(None, (20.0, 0.0), 8.0))

    assert result.confusion().tolist() == [[0, 0, 0], [0, 100, 0], [0, 0, 0]]
    assert result.facts["pairs"]["p"]["left_out_px"] == 0


@pytest.mark.parametrize(
    "drawing", [Drawing("stroma"), Drawing(None, (9.0, 9.0)), Drawing(level0_scale=7.0)]
)
def test_settings_for_polygons_are_refused_with_masks(tmp_path: Path, drawing: Drawing) -> None:
    """They would change nothing."""
    prediction = write_store(tmp_path / "p.zarr", MASK)
    truth = write_store(tmp_path / "t.zarr", MASK)

    with pytest.raises(EvaluationError, match=r"t\.zarr': holds masks and no polygons"):
        evaluate(prediction, truth, drawing=drawing)


def test_polygons_that_state_their_origin_lie_there(tmp_path: Path) -> None:
    """Whatever the option says, which is for those that do not; another slide's are refused."""
    mask = np.zeros((20, 30), np.uint8)
    mask[5:15, 10:20] = 1
    prediction = write_store(tmp_path / "p.zarr", mask, mpp=2.0)
    ring = [[60, 40], [140, 40], [140, 120], [60, 120], [60, 40]]
    truth = draw(tmp_path / "t.geojson", {"tumour": ring})
    content = json.loads(truth.read_text())
    content["dfaseg"] = {"origin": [20, 0], "slide": "slide"}
    truth.write_text(json.dumps(content))

    result = evaluate(prediction, truth, drawing=Drawing(None, (500.0, 500.0)))

    assert result.confusion().tolist() == [[0, 0, 0], [0, 100, 0], [0, 0, 0]]
    content["dfaseg"]["slide"] = "other"
    truth.write_text(json.dumps(content))
    with pytest.raises(AnnotationError, match=r"t\.geojson': are of slide 'other', not of 'slide'"):
        evaluate(prediction, truth)


def test_ignored_polygons_lie_over_all_others(tmp_path: Path) -> None:
    """In whatever order they were drawn."""
    prediction = write_store(tmp_path / "p.zarr", np.ones((20, 20), np.uint8))
    half = [[0, 0], [40, 0], [40, 20], [0, 20], [0, 0]]
    whole = [[0, 0], [40, 0], [40, 40], [0, 40], [0, 0]]
    truth = draw(tmp_path / "t.geojson", {"artefact": half, "tumour": whole})

    result = evaluate(prediction, truth, ignored=("Artefact",))

    assert result.confusion()[1, 1] == 200


def test_what_the_prediction_left_out_is_reported(tmp_path: Path) -> None:
    """It is in no score, but it is said."""
    mask = np.zeros((10, 10), np.uint8)
    mask[:3] = IGNORE_INDEX
    truth = np.ones((10, 10), np.uint8)
    truth[:, 0] = IGNORE_INDEX
    prediction = write_store(tmp_path / "p.zarr", mask)

    result = evaluate(prediction, write_store(tmp_path / "t.zarr", truth))

    assert result.confusion().sum() == 63
    facts = result.facts["pairs"]["slide"]
    assert (facts["scored_px"], facts["left_out_px"]) == (63, 27)
    assert facts["left_out_by_class"] == {"stroma": 0, "tumour": 27, "mucus": 0}


@pytest.mark.parametrize(
    "options",
    [
        {"tile": (32, 48), "compression": "zlib"},
        {"tile": (16, 16), "compression": "lzw", "predictor": True},
        {"rowsperstrip": 7, "compression": "deflate"},
        {"rowsperstrip": 1},
        {"tile": (128, 128), "dtype": np.uint16},
        {"tile": (32, 32), "bigtiff": True, "byteorder": ">", "dtype": np.uint16},
    ],
    ids=["tiles", "predictor", "strips", "lines", "16 bits", "big endian"],
)
def test_tiff_is_read_by_its_parts(tmp_path: Path, options: dict[str, object]) -> None:
    """Whatever they are, rows come as from the picture as a whole."""
    options = dict(options)
    dtype = options.pop("dtype", np.uint8)
    writer = {key: options.pop(key) for key in ("bigtiff", "byteorder") if key in options}
    with tifffile.TiffWriter(tmp_path / "m.tif", **writer) as tiff:
        tiff.write(MASK.astype(dtype), **options)

    mask = open_mask_file(tmp_path / "m.tif")

    assert type(mask).__name__ == "TiffMask"
    parts = [mask.read_rows(top, min(top + 25, 90)) for top in range(0, 90, 25)]
    mask.close()
    assert np.array_equal(np.concatenate(parts), MASK)


def test_one_large_strip_is_in_memory_at_a_time(tmp_path: Path) -> None:
    """Neither a copy of it nor the one before, even where rows of that are still in use."""
    strip = np.zeros((2000, 4000), np.uint8)
    mask = np.concatenate([strip, strip + 1, strip + 2])
    tifffile.imwrite(tmp_path / "m.tif", mask, rowsperstrip=2000, compression="deflate")
    with closing(open_mask_file(tmp_path / "m.tif")) as opened:
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        for top in range(0, 6000, 300):  # some bands lie across two strips
            rows = opened.read_rows(top, top + 300)
            assert np.array_equal(rows, mask[top : top + 300])
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert peak - before < 2 * strip.nbytes


def test_strip_that_was_never_written_is_not_analysed(tmp_path: Path) -> None:
    """As a tile."""
    tifffile.imwrite(tmp_path / "m.tif", MASK, rowsperstrip=30)
    with tifffile.TiffFile(tmp_path / "m.tif", mode="r+b") as tiff:
        counts = tiff.pages.first.tags["StripByteCounts"]
        counts.overwrite([counts.value[0], 0, counts.value[2]])

    with closing(open_mask_file(tmp_path / "m.tif")) as mask:
        assert (mask.read_rows(30, 60) == IGNORE_INDEX).all()
        assert np.array_equal(mask.read_rows(60, 90), MASK[60:])


def test_resolution_of_a_tiff_is_read(tmp_path: Path) -> None:
    """2 µm per px; 72 dots per inch, which other programs write, are no resolution."""
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, MASK, resolution=(5000, 5000), resolutionunit="CENTIMETER")
    with closing(open_mask_file(path)) as mask:
        assert mask.frame.mpp == (2.0, 2.0)

    tifffile.imwrite(path, MASK, resolution=(72, 72), resolutionunit="INCH")
    with closing(open_mask_file(path)) as mask:
        assert mask.frame.mpp is None


def test_distances_follow_the_sides_of_oblong_pixels(tmp_path: Path) -> None:
    """A border two px of 0.5 µm to the right is 1 µm off, however high the pixels are."""
    truth = np.repeat(np.array([[0] * 10 + [1] * 20], np.uint8), 15, axis=0)
    for name, mask in (("t", truth), ("p", np.roll(truth, 2, axis=1))):
        mask[:, :2] = 0
        tifffile.imwrite(
            tmp_path / f"{name}.tif", mask, resolution=(20000, 5000), resolutionunit="CENTIMETER"
        )

    result = evaluate(tmp_path / "p.tif", tmp_path / "t.tif", tolerance_um=1.5)

    surface = result.cases[0].surface
    assert surface is not None
    assert surface.hausdorff95_um[:2] == pytest.approx([1, 1])
    assert surface.surface_dice[:2] == pytest.approx([1, 1])
    assert result.mpp == 1.25


def test_grey_tiff_of_three_channels_is_decoded_as_a_whole(tmp_path: Path) -> None:
    """As any other picture."""
    tifffile.imwrite(tmp_path / "m.tif", np.stack([MASK] * 3, axis=2), photometric="rgb")
    assert np.array_equal(open_mask_file(tmp_path / "m.tif").read_rows(0, 90), MASK)


def test_coloured_and_lossy_masks_are_refused(tmp_path: Path) -> None:
    """Neither holds codes."""
    colours = np.stack([MASK, MASK // 2, MASK], axis=2)
    tifffile.imwrite(tmp_path / "colour.tif", colours, photometric="rgb")
    tifffile.imwrite(tmp_path / "lossy.tif", MASK, compression="jpeg", tile=(32, 32))

    with pytest.raises(DatasetError, match="is a colour picture"):
        open_mask_file(tmp_path / "colour.tif")
    with pytest.raises(EvaluationError, match="is stored as JPEG"):
        open_mask_file(tmp_path / "lossy.tif")


@pytest.mark.parametrize("tile", [(32, 32), None], ids=["tiles", "strips"])
def test_mask_that_is_marked_to_be_turned_is_refused(
    tmp_path: Path, tile: tuple[int, int] | None
) -> None:
    """It was scored as stored, though whoever made it may have seen it turned."""
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, MASK, tile=tile, extratags=[(274, "H", 1, 6, True)])

    with pytest.raises(EvaluationError, match=r"m\.tif': is marked to be shown turned \(orient"):
        open_mask_file(path)


@pytest.mark.parametrize("options", [{"compression": "group4"}, {}], ids=["fax", "plain"])
def test_mask_of_one_bit_is_read_as_it_was_written(tmp_path: Path, options: dict[str, str]) -> None:
    """By Pillow and by tifffile, which have black as 0 here."""
    tumour = MASK == 1
    Image.fromarray(tumour).save(tmp_path / "p.tif", **options)
    tifffile.imwrite(tmp_path / "t.tif", tumour, photometric="minisblack")

    for name in ("p.tif", "t.tif"):
        with closing(open_mask_file(tmp_path / name)) as mask:
            assert np.array_equal(mask.read_rows(0, 90), tumour)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16])
def test_mask_with_white_as_zero_is_refused(tmp_path: Path, dtype: type) -> None:
    """What tifffile writes of a boolean array by default, others read the other way round."""
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, (MASK == 1).astype(dtype), photometric="miniswhite")
    with pytest.raises(EvaluationError, match=r"m\.tif': is stored with white as 0"):
        open_mask_file(path)


def write_pages(path: Path, *pages: np.ndarray, **options: object) -> None:
    """Write pictures one after the other, none of them called a level."""
    with tifffile.TiffWriter(path) as tiff:
        for page in pages:
            tiff.write(page, photometric="minisblack", metadata=None, **options)


STACK = np.stack([MASK, MASK, MASK])


@pytest.mark.parametrize(
    "write",
    [
        lambda path: tifffile.imwrite(path, STACK, photometric="minisblack"),
        lambda path: tifffile.imwrite(path, STACK, photometric="minisblack", truncate=True),
        lambda path: tifffile.imwrite(path, STACK, imagej=True),
        lambda path: tifffile.imwrite(
            path, STACK, photometric="minisblack", ome=True, metadata={"axes": "ZYX"}
        ),
        lambda path: tifffile.imwrite(
            path, STACK, photometric="minisblack", volumetric=True, tile=(16, 16, 16)
        ),
        lambda path: write_pages(path, MASK, MASK, MASK),
        lambda path: write_pages(path, MASK, MASK[:50], MASK[:, :30]),
        lambda path: tifffile.imwrite(path, np.stack([STACK] * 3, axis=3), photometric="rgb"),
    ],
    ids=["pages", "one page", "ImageJ", "OME", "volume", "unrelated", "sizes", "colours"],
)
def test_several_planes_are_refused(tmp_path: Path, write: Callable[[Path], None]) -> None:
    """Scoring the first would be a guess."""
    write(tmp_path / "m.tif")
    with pytest.raises(EvaluationError, match=r"m\.tif': holds 3 pages or slices, and it is not"):
        open_mask_file(tmp_path / "m.tif")


@pytest.mark.parametrize(
    "write",
    [
        lambda path: tifffile.imwrite(path, MASK[np.newaxis], photometric="minisblack"),
        lambda path: write_pages(path, MASK, MASK[::2, ::2], MASK[::4, ::4]),
        lambda path: write_levels(path, metadata=None),
        lambda path: write_levels(path, subifds=2, metadata={"axes": "YX"}),
    ],
    ids=["one slice", "levels", "marked levels", "OME pyramid"],
)
def test_levels_of_a_pyramid_are_one_plane(tmp_path: Path, write: Callable[[Path], None]) -> None:
    """The finest is read."""
    write(tmp_path / "m.ome.tif")
    with closing(open_mask_file(tmp_path / "m.ome.tif")) as mask:
        assert np.array_equal(mask.read_rows(0, 90), MASK)


def write_levels(path: Path, **options: object) -> None:
    """Write a pyramid whose levels are marked as such, in pages or below the first one."""
    with tifffile.TiffWriter(path, ome="subifds" in options) as tiff:
        tiff.write(MASK, photometric="minisblack", **options)
        for step in (2, 4):
            level = MASK[::step, ::step]
            tiff.write(level, photometric="minisblack", subfiletype=1, metadata=None)


def test_damaged_tile_is_named(tmp_path: Path) -> None:
    """Only when it is read."""
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, MASK, tile=(32, 32), compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages.first.dataoffsets[5]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"nonsense")

    mask = open_mask_file(path)

    with pytest.raises(EvaluationError, match=r"m\.tif': tile 5 cannot be decoded"):
        mask.read_rows(32, 64)
    mask.close()


def draw(path: Path, rings: dict[str, list[list[int]]]) -> Path:
    """Write polygons as QuPath does."""
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {"classification": {"name": name}},
        }
        for name, ring in rings.items()
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path
