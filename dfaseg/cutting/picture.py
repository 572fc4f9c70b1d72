"""The picture of a cut slide: a thumbnail with its tiles, the outline of the tissue and a scale."""

import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from dfaseg.classmap import IGNORE_INDEX, ClassMap
from dfaseg.cutting.encoding import encode_patch, write_bytes
from dfaseg.cutting.job import CutPlan
from dfaseg.cutting.places import TilePlaces
from dfaseg.figures.lettering import fitted, font_for, writable, writable_name, write
from dfaseg.tiler.survey import Survey
from dfaseg.wording import counted

MAX_SIDE_PX = 1600
"""Longer side of the picture of the slide."""
MIN_WIDTH_PX = 640
"""Room for the line below a narrow slide."""
TILE_COLOUR, TISSUE_COLOUR = (0, 90, 181), (220, 50, 32)
"""Told apart by colour-blind people, from each other and from stained tissue."""
TILE_OPACITY = 0.65
FILL_OPACITY = 0.45
MARGIN_PX = 20
FONT_PX = 18
FOOTER_PX = 62
LINE_PX = 24
INK = (45, 45, 45)


def draw_tiles(
    path: Path,
    places: TilePlaces,
    survey: Survey,
    cut: CutPlan,
    labels: tuple[NDArray[np.uint8], ClassMap] | None = None,
) -> None:
    """Draw the tiles of a slide over its overview and write a PNG.

    Args:
        path: File to write.
        places: The tiles that were cut.
        survey: Overview and tissue of the slide.
        cut: How it is cut.
        labels: Class indices of the overview's pixels and what they mean, to tint it.
    """
    height, width = survey.overview.shape[:2]
    shrink = min(1.0, MAX_SIDE_PX / max(width, height))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    picture = np.asarray(cv2.resize(survey.overview, size, interpolation=cv2.INTER_AREA), np.uint8)
    if labels is not None:
        picture = _tinted(picture, *labels)
    # Overview pixels may overhang the slide, so that its sides do not give the scale.
    scale = np.array([survey.plan.downsample_x, survey.plan.downsample_y]) / (
        size[0] / width,
        size[1] / height,
    )
    _draw_grid(picture, places, scale)
    _draw_outline(picture, survey.tissue.mask)
    mpp = survey.plan.mpp * width / size[0]
    page = _page(picture, places, cut, mpp)
    if labels is not None:
        page = _with_classes(page, labels[1])
    write_bytes(path.parent, path.name, encode_patch(np.asarray(page), "png"))


def _tinted(
    picture: NDArray[np.uint8], label: NDArray[np.uint8], classes: ClassMap
) -> NDArray[np.uint8]:
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(classes)] = [entry.colour for entry in classes]
    shown = np.asarray(cv2.resize(label, picture.shape[1::-1], interpolation=cv2.INTER_NEAREST))
    filled = cv2.addWeighted(picture, 1 - FILL_OPACITY, palette[shown], FILL_OPACITY, 0)
    return np.where((shown != IGNORE_INDEX)[..., None], filled, picture).astype(np.uint8)


def _draw_grid(picture: NDArray[np.uint8], places: TilePlaces, scale: NDArray[np.float64]) -> None:
    """Draw the borders of tiles in place; ``scale`` is level-0 px per px, (x, y)."""
    lines = picture.copy()
    corners = np.stack([places.left, places.top], axis=1)
    size = np.array([places.width, places.height])
    for first, last in zip(
        np.rint(corners / scale).astype(int),
        np.rint((corners + size) / scale).astype(int),
        strict=True,
    ):
        cv2.rectangle(lines, first.tolist(), last.tolist(), TILE_COLOUR, 1)
    cv2.addWeighted(lines, TILE_OPACITY, picture, 1 - TILE_OPACITY, 0, dst=picture)


def _draw_outline(picture: NDArray[np.uint8], tissue: NDArray[np.bool_]) -> None:
    """Draw the border of the tissue in place."""
    shown = cv2.resize(tissue.view(np.uint8), picture.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    outlines, _ = cv2.findContours(shown, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, outlines, -1, TISSUE_COLOUR, 2, cv2.LINE_AA)


def _page(picture: NDArray[np.uint8], places: TilePlaces, cut: CutPlan, mpp: float) -> Image.Image:
    """Lay picture, words and scale bar on a white page."""
    height, width = picture.shape[:2]
    page = Image.new(
        "RGB",
        (max(width, MIN_WIDTH_PX) + 2 * MARGIN_PX, height + 2 * MARGIN_PX + FOOTER_PX),
        "white",
    )
    page.paste(Image.fromarray(picture), (MARGIN_PX, MARGIN_PX))
    draw = ImageDraw.Draw(page)
    top = height + MARGIN_PX + 12
    tiles = counted(len(places), "tile")
    words = f"{tiles} of {cut.grid.patch_px} px at {cut.plan.mpp:.3g} µm/px"
    bar = _draw_scale_bar(draw, page.width - MARGIN_PX, top + 4, mpp)
    name = fitted(writable(places.slide_id), FONT_PX, bar - 2 * MARGIN_PX)
    write(draw, (MARGIN_PX, top), name, FONT_PX, INK)
    small = font_for(words, FONT_PX - 4)
    draw.text((MARGIN_PX, top + 26), words, fill=TILE_COLOUR, font=small)
    x = MARGIN_PX + draw.textlength(words, font=small) + 24
    draw.text((x, top + 26), "outline: tissue", fill=TISSUE_COLOUR, font=small)
    return page


def _with_classes(page: Image.Image, classes: ClassMap) -> Image.Image:
    """Add lines that name the colours of the classes below a page."""
    room = page.width - 2 * MARGIN_PX - 24
    names = [fitted(writable_name(entry), FONT_PX - 4, room) for entry in classes]
    places, x, y = [], MARGIN_PX, page.height - MARGIN_PX + 4
    for name in names:
        width = 26 + int(font_for(name, FONT_PX - 4).getlength(name)) + 22
        if x + width > page.width - MARGIN_PX and x > MARGIN_PX:
            x, y = MARGIN_PX, y + LINE_PX
        places.append((x, y))
        x += width
    longer = Image.new("RGB", (page.width, y + LINE_PX + 8), "white")
    longer.paste(page)
    draw = ImageDraw.Draw(longer)
    for (left, top), entry, name in zip(places, classes, names, strict=True):
        draw.rectangle((left, top + 1, left + 16, top + 17), fill=entry.colour, outline=INK)
        write(draw, (left + 24, top), name, FONT_PX - 4, INK)
    return longer


def _draw_scale_bar(draw: ImageDraw.ImageDraw, right: int, top: int, mpp: float) -> int:
    """Draw a bar of a round length that ends at ``right``, and return where it begins."""
    limit_um = mpp * MIN_WIDTH_PX / 3
    power = 10.0 ** math.floor(math.log10(limit_um))
    length_um = max(step * power for step in (1, 2, 5) if step * power <= limit_um)
    left = right - max(1, round(length_um / mpp))
    draw.rectangle((left, top, right, top + 5), fill=INK)
    text = f"{length_um / 1000:g} mm"
    draw.text((right, top + 12), text, fill=INK, font=font_for(text, FONT_PX - 4), anchor="ra")
    return left
