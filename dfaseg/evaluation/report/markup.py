"""HTML and SVG built from elements, so that every tag is closed and every text escaped."""

from html import escape

VOID = frozenset({"meta", "img", "br", "hr"})
"""Elements without an end tag."""
_MOST_TOGETHER = 16
"""Rows of a table that stays on one page in print; longer ones would leave a page half empty."""


class Markup(str):
    """Text that is markup already and is not escaped again."""

    __slots__ = ()


def element(name: str, /, *children: object, **attributes: object) -> Markup:
    """Return one element.

    Args:
        name: Name of the tag.
        children: What it holds; anything but ``Markup`` is written as text, None is left out.
        attributes: Their names; ``_`` stands for ``-`` and a trailing one is dropped (``class_``).
            None leaves an attribute out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: object) -> Markup:
    """Return what stands side by side as one piece of markup."""
    return Markup(
        "".join(
            child if isinstance(child, Markup) else escape(str(child), quote=False)
            for child in children
            if child is not None
        )
    )


def table(header: Markup, rows: list[Markup], **attributes: object) -> Markup:
    """Return a table that scrolls within its own width; a short one stays together in print.

    Args:
        header: The row of headings.
        rows: The rows below.
        attributes: Attributes of the table.
    """
    body = element("table", element("thead", header), element("tbody", *rows), **attributes)
    together = "" if len(rows) > _MOST_TOGETHER else " together"
    return element("div", body, class_=f"scroll{together}")


def row(*cells: object, heading: bool = False, **attributes: object) -> Markup:
    """Return a row of cells; markup that is a cell already stays as it is.

    Args:
        cells: Texts, or cells made with ``element``.
        heading: Whether texts become headings.
        attributes: Attributes of the row.
    """
    kind = "th" if heading else "td"
    made = [
        cell
        if isinstance(cell, Markup) and cell.startswith(("<td", "<th"))
        else element(kind, cell)
        for cell in cells
    ]
    return element("tr", *made, **attributes)
