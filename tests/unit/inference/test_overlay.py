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


def draw(tmp_path, overview, mask, *, unreadable=None):
    """Draw an overlay and read it back."""
    path = tmp_path / "overlay.png"
    is_unreadable = np.zeros(overview.shape[:2], bool)
    if unreadable:
        is_unreadable[unreadable] = True
    legend = Legend("slide", "model", CLASSES, {0: 25.0, 1: 75.0}, num_unreadable=bool(unreadable))
    save_overlay(path, overview, mask, 8.0, legend, is_unreadable)
    return np.asarray(Image.open(path))


def picture_of(page, height, width):
    """Return the part of a page that shows the slide."""
    return page[MARGIN_PX : MARGIN_PX + height, MARGIN_PX : MARGIN_PX + width].astype(int)


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


def test_wide_names_stay_clear_of_the_percents_and_the_edge(tmp_path):
    """Forty capitals are cut off where the percent begins, as drawn and not as counted."""
    classes = ClassMap.from_records([{"index": 0, "name": "W" * 40, "colour": "#00ff00"}])
    overview = np.full((300, 300, 3), 200, np.uint8)
    pages = []
    for percent in (0.0, 100.0):
        legend = Legend("W" * 80, "W" * 80, classes, {0: percent})
        mask = np.zeros((300, 300), np.uint8)
        path = tmp_path / "overlay.png"
        save_overlay(path, overview, mask, 8.0, legend, np.zeros((300, 300), bool))
        pages.append(np.asarray(Image.open(path)))
    line = slice(MARGIN_PX + 68, MARGIN_PX + 68 + 25)
    is_ink = (pages[1][line] < 250).any(axis=(0, 2))

    assert (pages[0][:, -MARGIN_PX:] == 255).all()
    # The gap between the name and "100.0 %", which is about 65 px wide.
    assert not is_ink[-MARGIN_PX - 76 : -MARGIN_PX - 70].any()
    assert is_ink[-MARGIN_PX - 60 :].any()


def test_what_could_not_be_read_is_hatched_unlike_glass(tmp_path):
    """Grey lines and an outline where it lies, and a line more in the legend."""
    overview = np.full((300, 300, 3), 240, np.uint8)
    mask = np.full((300, 300), 255, np.uint8)
    mask[:, 200:] = 1
    part = (slice(100, 160), slice(40, 100))
    plain = draw(tmp_path, overview, mask)

    page = draw(tmp_path, overview, mask, unreadable=part)

    before, after = picture_of(plain, 300, 300), picture_of(page, 300, 300)
    changed = (before != after).any(axis=-1)
    assert changed[part].all()
    assert changed.sum() == 62**2  # the outline lies half outside
    middle = after[130, 50:90, 0]
    assert middle.min() < 120
    assert middle.max() > 220
    assert (after[100, 40:100] < 120).all()
    legend = slice(MARGIN_PX + 300 + 10, None)
    assert (page[150:190, legend] != plain[150:190, legend]).any()
    np.testing.assert_array_equal(page[:135, legend], plain[:135, legend])


def test_single_bad_pixel_of_a_large_slide_is_seen(tmp_path):
    """It neither falls between the pixels of the shrunk picture nor is one speck there."""
    overview = np.full((3200, 3200, 3), 240, np.uint8)
    mask = np.full((100, 100), 255, np.uint8)

    page = draw(tmp_path, overview, mask, unreadable=(slice(1001, 1002), slice(2001, 2002)))

    dark = picture_of(page, 1600, 1600)[..., 0] < 120
    assert dark[499:502, 999:1002].all()
    assert dark.sum() == 9
