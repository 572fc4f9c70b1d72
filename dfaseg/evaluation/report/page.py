"""The frame of a report: one file with its own style, its pictures inside, nothing loaded."""

import base64
from collections.abc import Iterable, Mapping
from importlib.resources import files

import cv2
import numpy as np
from numpy.typing import NDArray

import dfaseg
from dfaseg.classmap import TissueClass
from dfaseg.evaluation.report.markup import Markup, element, join, row

_JPEG_QUALITY = 88


def write_page(kind: str, title: str, subtitle: str, body: Iterable[Markup]) -> str:
    """Return a whole HTML document.

    Args:
        kind: What sort of report it is, above the title.
        title: Its title.
        subtitle: One line below.
        body: Its sections.
    """
    style = (files(__package__) / "page.css").read_text(encoding="utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{title} · dfaseg"),
        element("style", Markup(style)),
    )
    top = element(
        "header",
        element("div", kind, class_="kind"),
        element("h1", title),
        element("div", subtitle, class_="hint"),
    )
    foot = element(
        "footer",
        f"Made with dfaseg {dfaseg.__version__}. The numbers are in scores.json and scores.csv"
        " beside this file. Research software: not for diagnosis.",
    )
    content = element("body", top, element("main", *body), foot)
    return "<!DOCTYPE html>\n" + element("html", head, "\n", content, lang="en") + "\n"


def section(title: str, hint: str, *content: object, class_: str | None = None) -> Markup:
    """Return a section with a heading and a line that says how to read it."""
    said = element("p", hint, class_="hint") if hint else None
    return element("section", element("h2", title), said, *content, class_=class_)


def key_figure(name: str, value: str, below: str) -> Markup:
    """Return one number that is to be seen first."""
    return element(
        "div",
        element("div", name, class_="name"),
        element("div", value, class_="value"),
        element("div", below, class_="range"),
        class_="figure",
    )


def swatch(entry: TissueClass) -> Markup:
    """Return the colour of a class as a small square."""
    return element("span", class_="swatch", style=f"background:{entry.hex_colour}")


def legend(classes: Iterable[TissueClass], *, ignored: bool = False) -> Markup:
    """Return the colours of classes and their names.

    Args:
        classes: The classes.
        ignored: Whether hatched pixels are explained too.
    """
    entries = [element("li", swatch(entry), entry.name) for entry in classes]
    if ignored:
        hatch = "repeating-linear-gradient(135deg,#e2e2e2 0 3px,#c4c4c4 3px 6px)"
        sample = element("span", class_="swatch", style=f"background:{hatch}")
        entries.append(element("li", sample, "not labelled or not analysed"))
    return element("ul", *entries, class_="legend")


def fact_table(facts: Mapping[str, str]) -> Markup:
    """Return names and values, one pair per row."""
    rows = [row(element("th", name), value) for name, value in facts.items()]
    return element(
        "div", element("table", element("tbody", *rows), class_="facts"), class_="scroll"
    )


def notes_list(notes: Iterable[str]) -> Markup:
    """Return remarks as a list."""
    return element("ul", *(element("li", note) for note in notes), class_="notes")


def picture(pixels: NDArray[np.uint8], caption: str, *, exact: bool) -> Markup:
    """Return an image inside the page.

    Args:
        pixels: RGB, uint8 ``(h, w, 3)``.
        caption: What it shows.
        exact: Whether it has few colours and sharp borders (PNG), or is a photograph (JPEG).
    """
    kind, flags = ("png", []) if exact else ("jpeg", [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    encoded = cv2.imencode(f".{kind}", pixels[:, :, ::-1], flags)[1]
    shown = element("img", src=data_uri(encoded.tobytes(), f"image/{kind}"), alt=caption)
    return element("figure", shown, element("figcaption", caption))


def data_uri(content: bytes, media_type: str) -> str:
    """Return a file's content as an address that needs no file."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def number_cell(text: str, below: str = "", *, best: bool = False) -> Markup:
    """Return a table cell with a number and, smaller, what belongs to it."""
    small = element("span", below, class_="range") if below else None
    return element("td", join(text, small), class_="number best" if best else "number")
