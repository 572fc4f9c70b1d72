"""The overlay picture shows each class in its colour, where it is."""

import numpy as np
from PIL import Image

from dfaseg.classmap import ClassMap
from dfaseg.inference.overlay import MARGIN_PX, Legend, save_overlay

CLASSES = ClassMap.from_records(
    [
        {"index": 0, "name": "stroma", "colour": "#00ff00"},
        {"index": 1, "name": "gland", "colour": "#ff0000"},
    ]
)


def draw(tmp_path, overview, mask):
    """Draw an overlay and read it back."""
    path = tmp_path / "overlay.png"
    legend = Legend("slide", "model", CLASSES, {0: 25.0, 1: 75.0})
    save_overlay(path, overview, mask, 8.0, legend)
    return np.asarray(Image.open(path))


def test_classes_are_tinted_and_the_rest_is_left(tmp_path):
    """Red over class 1, green over class 0, nothing over 255."""
    overview = np.full((300, 300, 3), 200, np.uint8)
    mask = np.full((150, 150), 255, np.uint8)
    mask[:, 50:100], mask[:, 100:] = 0, 1

    page = draw(tmp_path, overview, mask)

    row = page[MARGIN_PX + 150, MARGIN_PX : MARGIN_PX + 300].astype(int)
    assert row[40].tolist() == [200, 200, 200]
    assert row[150][1] > row[150][0] + 60
    assert row[250][0] > row[250][1] + 60


def test_large_overview_is_shrunk(tmp_path):
    """The picture stays fit for a screen and keeps its shape."""
    page = draw(tmp_path, np.full((500, 4000, 3), 240, np.uint8), np.zeros((50, 400), np.uint8))

    assert page.shape[1] < 2200


def test_flat_slide_still_shows_the_legend(tmp_path):
    """A low picture is given the height that the legend needs."""
    page = draw(tmp_path, np.full((20, 300, 3), 240, np.uint8), np.zeros((20, 300), np.uint8))

    assert page.shape[0] >= 400
    assert (page[:, -300:] < 100).any()
