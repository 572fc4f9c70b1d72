"""Laws of labels: the same from every file, in every part, and from polygons of a mask."""

import math
import pickle
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from dfaseg.annotation import (
    DrawnLabels,
    DsaWriter,
    GeoJsonWriter,
    LabelFrame,
    MaskFrame,
    Polygonizer,
    rasterize,
    read_annotations,
    rules_for,
)
from dfaseg.classmap import IGNORE_INDEX, ClassMap
from dfaseg.geometry import Rect
from tests.drawings import WRITERS, Drawn, read_text
from tests.outlines import CLASSES, spec
from tests.strategies import rects

NAMES = ("a", "b", 'c, µ "x"')
RULES = rules_for(
    ClassMap.from_records(
        [{"index": i, "name": name, "colour": "#000000"} for i, name in enumerate(NAMES)]
    )
)
FRAME = LabelFrame(40, 30, 2.5, 2.5)

quick = settings(max_examples=20)


@st.composite
def drawings(draw: st.DrawFn, *, holes: bool = True, max_vertices: int = 9) -> list[Drawn]:
    """Draw stars that do not cross themselves, some with a hole, over and beside each other."""
    shapes = []
    for _ in range(draw(st.integers(1, 5))):
        count = draw(st.integers(3, max_vertices))
        x, y = draw(st.integers(-10, 110)), draw(st.integers(-10, 85))
        radii = draw(st.lists(st.floats(8, 40), min_size=count, max_size=count))
        turn = draw(st.floats(0, 1))

        def ring(scale: float) -> tuple[tuple[float, float], ...]:
            angles = [2 * math.pi * (turn + k) / len(radii) for k in range(len(radii))]  # noqa: B023
            return tuple(
                (round(x + scale * r * math.cos(t), 2), round(y + scale * r * math.sin(t), 2))  # noqa: B023
                for r, t in zip(radii, angles, strict=True)  # noqa: B023
            )

        inner = (ring(0.4),) if holes and draw(st.booleans()) else ()
        shapes.append(Drawn(draw(st.sampled_from(NAMES)), ring(1), inner))
    return shapes


def label_of(shapes: list[Drawn]) -> NDArray[np.uint8]:
    """Fill shapes without any file."""
    rings = [
        (NAMES.index(shape.name), [np.array(one) / 2.5 for one in (shape.outline, *shape.holes)])
        for shape in shapes
    ]
    return rasterize(rings, FRAME.width, FRAME.height)


@quick
@given(shapes=drawings())
def test_every_reader_gives_the_same_label(shapes: list[Drawn]) -> None:
    """Whichever program wrote the shapes; ASAP knows no holes."""
    expected = label_of(shapes)
    with tempfile.TemporaryDirectory() as folder:
        for name, write in WRITERS.items():
            if name == "ASAP XML" and any(shape.holes for shape in shapes):
                continue
            found = read_text(Path(folder), write(shapes))
            label = DrawnLabels(found.polygons, RULES, FRAME).read_rows(0, FRAME.height)
            assert np.array_equal(label, expected), name
            assert (found.format_name, found.num_repaired, found.skipped) == (name, 0, {})


@quick
@given(shapes=drawings(holes=False), rect=rects)
def test_parts_are_cut_out_of_the_whole(shapes: list[Drawn], rect: Rect) -> None:
    """A label does not depend on where it is read; outside of it nothing is labelled."""
    with tempfile.TemporaryDirectory() as folder:
        polygons = read_text(Path(folder), WRITERS["ASAP XML"](shapes)).polygons
    labels = DrawnLabels(polygons, RULES, FRAME)
    whole = np.full((200, 200), IGNORE_INDEX, np.uint8)
    whole[60:90, 60:100] = labels.read_rows(0, 30)

    assert np.array_equal(labels.read_rect(rect), whole[rect.shifted(60, 60).slices])
    assert np.array_equal(whole[60:90, 60:100], label_of(shapes))
    sent = pickle.loads(pickle.dumps(labels.within(rect.y, rect.bottom)))
    assert np.array_equal(sent.read_rect(rect), labels.read_rect(rect))


Mask = NDArray[np.uint8]
MASKS = hnp.arrays(
    np.uint8,
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
    elements=st.sampled_from([0, 1, 2, IGNORE_INDEX]),
)
FRAMES = st.builds(
    MaskFrame,
    st.sampled_from([1, 4, 2.37, 1 / 3, 0.5]),
    st.sampled_from([1, 4, 2.37, 1 / 3, 0.5]),
    st.sampled_from([0, 1000, 12.5]),
    st.sampled_from([0, -77, 12.5]),
)


@quick
@given(mask=MASKS, frame=FRAMES, is_dsa=st.booleans())
@example(mask=np.array([[0, 1], [1, 0]], np.uint8), frame=MaskFrame(4, 4), is_dsa=False)
def test_polygons_of_a_mask_are_its_label(mask: Mask, frame: MaskFrame, is_dsa: bool) -> None:
    """Written and read back, they fill the same pixels, in any frame."""
    height, width = mask.shape
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "polygons"
        what = spec(frame=frame)
        writer = DsaWriter(path, what, "mask") if is_dsa else GeoJsonWriter(path, what)
        with Polygonizer(width, spool=Path(folder) / "spool") as polygonizer, writer:
            writer.write(polygonizer.add_rows(mask))
            writer.write(polygonizer.finish())
        found = read_annotations(path)
    labels = DrawnLabels(
        found.polygons, rules_for(CLASSES), LabelFrame(width, height, frame.scale_x, frame.scale_y)
    )

    assert np.array_equal(labels.read_rows(0, height), mask)
    assert (found.num_repaired, found.num_skipped) == (0, 0)
