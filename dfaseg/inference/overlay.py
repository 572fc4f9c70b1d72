"""The overlay picture: a thumbnail with its classes in colour, a legend and a scale bar."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from dfaseg.classmap import IGNORE_INDEX, ClassMap
from dfaseg.figures.lettering import fitted, font_for, writable, writable_name, write
from dfaseg.files import write_aside
from dfaseg.inference.overlay_gaps import hatched
from dfaseg.wording import counted

MAX_SIDE_PX = 1600
"""Longer side of the picture of the slide."""
MIN_HEIGHT_PX = 420
"""Room for the legend of a flat slide."""
FILL_OPACITY = 0.42
"""Tint of the classes: colours are told apart and the tissue under them is still seen."""
BORDER_OPACITY = 0.9
PNG_OPTIONS = {"compress_level": 2, "compress_type": 3}
"""Runs of equal bytes only (zlib's Z_RLE): nothing else repeats in such a picture, and not looking
for it saves a third of the time."""
LEGEND_WIDTH_PX = 330
MARGIN_PX = 24
FONT_PX = 19
LINE_PX = 34
SWATCH_PX = 21
INK = (45, 45, 45)
FAINT_INK = (120, 120, 120)


@dataclass(frozen=True, slots=True)
class Legend:
    """What is written beside the picture.

    Attributes:
        title: First line, e.g. the slide's name.
        subtitle: Second line, e.g. the model's name.
        classes: The classes, in index order.
        percent: Share of each class in the analysed tissue, by class index.
        num_unreadable: Native tiles that could not be decoded; 0 leaves their line out.
    """

    title: str
    subtitle: str
    classes: ClassMap
    percent: Mapping[int, float]
    num_unreadable: int = 0


def save_overlay(
    path: Path,
    overview: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    mpp: float,
    legend: Legend,
    is_unreadable: NDArray[np.bool_],
) -> None:
    """Draw the overlay picture and write it as PNG.

    Args:
        path: Where to write.
        overview: RGB picture of the whole slide, shape ``(h, w, 3)``.
        mask: Class indices of the same field at any resolution, shape ``(h', w')``.
        mpp: Resolution of ``overview`` in µm per pixel.
        legend: Texts and classes.
        is_unreadable: Pixels of ``overview`` that could not be read, shape ``(h, w)``.

    Raises:
        OutputError: The picture cannot be written.
    """
    picture, shrink = small_picture(overview)
    size = picture.shape[1::-1]
    classes = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    tinted = _tint(picture, classes, legend.classes)
    if is_unreadable.any():
        share = cv2.resize(is_unreadable.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        tinted = hatched(tinted, np.asarray(share) > 0)
    page = _page(tinted, mpp / shrink, legend)
    with write_aside(path) as aside:
        page.save(aside, format="PNG", **PNG_OPTIONS)


def small_picture(overview: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
    """Return a picture that is no larger than overlays are, and its pixels per pixel given.

    Args:
        overview: RGB picture of the whole slide, shape ``(h, w, 3)``.
    """
    shrink = min(1.0, MAX_SIDE_PX / max(overview.shape[:2]))
    if shrink == 1:
        return overview, shrink
    size = tuple(max(1, round(side * shrink)) for side in overview.shape[1::-1])
    return np.asarray(cv2.resize(overview, size, interpolation=cv2.INTER_AREA), np.uint8), shrink


def _tint(
    picture: NDArray[np.uint8], classes: NDArray[np.uint8], class_map: ClassMap
) -> NDArray[np.uint8]:
    """Blend class colours into the picture and draw the borders between classes."""
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(class_map)] = [entry.colour for entry in class_map]
    colours = palette[classes]
    filled = cv2.addWeighted(picture, 1 - FILL_OPACITY, colours, FILL_OPACITY, 0)
    outlined = cv2.addWeighted(picture, 1 - BORDER_OPACITY, colours, BORDER_OPACITY, 0)
    is_analysed = classes != IGNORE_INDEX
    tinted = cv2.copyTo(filled, is_analysed.view(np.uint8), picture.copy())
    is_border = _borders(classes) & is_analysed
    return np.asarray(cv2.copyTo(outlined, is_border.view(np.uint8), tinted), np.uint8)


def _borders(classes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell which pixels touch another class."""
    disc = np.ones((3, 3), np.uint8)
    changes: NDArray[np.bool_] = cv2.dilate(classes, disc) != cv2.erode(classes, disc)
    return changes


def _page(picture: NDArray[np.uint8], mpp: float, legend: Legend) -> Image.Image:
    """Lay the picture, its scale bar and the legend on a white page."""
    height, width = picture.shape[:2]
    num_lines = len(legend.classes) + (legend.num_unreadable > 0)
    legend_height = 140 + LINE_PX * num_lines
    page_height = max(height, MIN_HEIGHT_PX, legend_height) + 2 * MARGIN_PX
    page = Image.new("RGB", (width + LEGEND_WIDTH_PX + 3 * MARGIN_PX, page_height), "white")
    page.paste(Image.fromarray(picture), (MARGIN_PX, MARGIN_PX))
    draw = ImageDraw.Draw(page)
    draw.rectangle(
        (MARGIN_PX - 1, MARGIN_PX - 1, MARGIN_PX + width, MARGIN_PX + height), outline=(205,) * 3
    )
    left = width + 2 * MARGIN_PX
    bottom = _draw_legend(draw, left, legend)
    if legend.num_unreadable:
        _draw_unreadable(page, draw, (left, bottom), legend.num_unreadable)
        bottom += LINE_PX
    _draw_scale_bar(draw, left, bottom + 18, mpp)
    return page


def _draw_legend(draw: ImageDraw.ImageDraw, left: int, legend: Legend) -> int:
    """Write title, subtitle and one line per class; return where the legend ends."""
    title = fitted(writable(legend.title), FONT_PX, LEGEND_WIDTH_PX)
    subtitle = fitted(writable(legend.subtitle), FONT_PX - 4, LEGEND_WIDTH_PX)
    top = MARGIN_PX
    write(draw, (left, top), title, FONT_PX, INK)
    write(draw, (left, top + 28), subtitle, FONT_PX - 4, FAINT_INK)
    top += 68
    for entry in legend.classes:
        draw.rectangle(_swatch(left, top), fill=entry.colour, outline=FAINT_INK)
        share = f"{legend.percent.get(entry.index, 0.0):.1f} %"
        _draw_line(draw, (left, top), writable_name(entry), share)
        top += LINE_PX
    return top


def _draw_unreadable(
    page: Image.Image, draw: ImageDraw.ImageDraw, place: tuple[int, int], num_tiles: int
) -> None:
    """Write the legend's line for what could not be read."""
    box = _swatch(*place)
    paper = np.full((SWATCH_PX, SWATCH_PX, 3), 255, np.uint8)
    page.paste(Image.fromarray(hatched(paper, np.ones(paper.shape[:2], bool))), box[:2])
    draw.rectangle(box, outline=FAINT_INK)
    _draw_line(draw, place, "not readable", counted(num_tiles, "tile"))


def _swatch(left: int, top: int) -> tuple[int, int, int, int]:
    """Return the box at the beginning of a legend's line, last pixels included."""
    return left, top + 2, left + SWATCH_PX - 1, top + 1 + SWATCH_PX


def _draw_line(draw: ImageDraw.ImageDraw, place: tuple[int, int], name: str, value: str) -> None:
    """Write a name beside its box, and a value at the right edge of the legend."""
    left, top = place
    right, font = left + LEGEND_WIDTH_PX, font_for(value, FONT_PX)
    name = fitted(name, FONT_PX, LEGEND_WIDTH_PX - 32 - 12 - font.getlength(value))
    write(draw, (left + 32, top), name, FONT_PX, INK)
    draw.text((right, top), value, fill=FAINT_INK, font=font, anchor="ra")


def _draw_scale_bar(draw: ImageDraw.ImageDraw, left: int, top: int, mpp: float) -> None:
    """Draw a bar of a round length, at most half the legend wide."""
    length_um = _round_length(mpp * LEGEND_WIDTH_PX / 2)
    length_px = max(1, round(length_um / mpp))
    draw.rectangle((left, top, left + length_px, top + 5), fill=INK)
    # In mm throughout, like the areas.
    text = f"{length_um / 1000:g} mm"
    draw.text((left, top + 12), text, fill=INK, font=font_for(text, FONT_PX - 4))


def _round_length(limit_um: float) -> float:
    """Return the largest of 1, 2, 5, 10, ... µm within a limit."""
    power = 10.0 ** math.floor(math.log10(limit_um))
    return max(step * power for step in (1, 2, 5) if step * power <= limit_um)
