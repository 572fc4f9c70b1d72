"""OME-Zarr metadata: where pixels lie, what classes are called and how they look."""

from typing import Any

import pytest

from dfaseg.classmap import ClassMap, TissueClass
from dfaseg.errors import ConfigError
from dfaseg.stitcher.ome import (
    MaskSpec,
    image_attributes,
    label_attributes,
    parse_label_attributes,
)

CLASSES = ClassMap((TissueClass(0, "stroma", (0, 0, 255)), TissueClass(1, "tumour", (9, 8, 7))))
SPEC = MaskSpec(3000, 2000, CLASSES, mpp_x=0.5, mpp_y=0.25)


def placements(ome: dict[str, Any]) -> list[tuple[list[float], list[float]]]:
    """Return scale and translation of the spatial axes of each level."""
    datasets = ome["multiscales"][0]["datasets"]
    pairs = [dataset["coordinateTransformations"] for dataset in datasets]
    return [(scale["scale"][-2:], shift["translation"][-2:]) for scale, shift in pairs]


@pytest.mark.parametrize(
    ("width", "height", "levels"),
    [(1, 1, 1), (512, 512, 1), (513, 10, 2), (3000, 2000, 4), (65536, 65536, 8)],
)
def test_levels_go_down_to_a_screenful(width: int, height: int, levels: int) -> None:
    """The coarsest level is at most 512 px long."""
    assert MaskSpec(width, height, CLASSES, 1, 1).num_levels == levels


def test_pixel_centres_of_levels_agree() -> None:
    """A coarse pixel's centre is the mean of the centres of those it covers."""
    fine = placements(label_attributes(SPEC))

    assert fine[0] == ([0.25, 0.5], [0, 0])
    assert fine[2] == ([1, 2], [1.5 * 0.25, 1.5 * 0.5])


def test_overview_lies_where_the_mask_lies() -> None:
    """Its pixels are placed like those of a mask level of the same size."""
    overview = placements(image_attributes(SPEC, factor=4))

    assert overview[0] == placements(label_attributes(SPEC))[2]
    assert len(overview) == SPEC.num_levels


def test_origin_shifts_every_level_alike() -> None:
    """The first pixel's centre may lie elsewhere in the slide's frame."""
    shifted = MaskSpec(3000, 2000, CLASSES, 0.5, 0.25, origin_x_um=10, origin_y_um=20)

    for (_, moved), (_, still) in zip(
        placements(label_attributes(shifted)), placements(label_attributes(SPEC)), strict=True
    ):
        assert moved == [still[0] + 20, still[1] + 10]


def test_metadata_reads_back_to_the_same_mask() -> None:
    """Names, colours, resolution and place survive."""
    spec = MaskSpec(7, 5, CLASSES, 0.5, 0.25, "tissue", 3, 4)

    assert parse_label_attributes(label_attributes(spec), "tissue", (5, 7)) == spec


def test_not_analysed_is_transparent_and_named() -> None:
    """255 shows as nothing, and says why."""
    label = label_attributes(SPEC)["image-label"]

    assert label["colors"][-1] == {"label-value": 255, "rgba": [255, 255, 255, 0]}
    assert label["properties"][-1] == {"label-value": 255, "name": "not analysed"}


@pytest.mark.parametrize(
    "wrong", [{"width": 0}, {"task": "../up"}, {"task": ""}], ids=["no width", "path", "no name"]
)
def test_impossible_masks_are_refused(wrong: dict[str, Any]) -> None:
    """A task's name becomes a folder, so it must be a plain word."""
    settings = {"width": 4, "height": 4, "classes": CLASSES, "mpp_x": 1, "mpp_y": 1} | wrong

    with pytest.raises(ConfigError):
        MaskSpec(**settings)
