"""Annotations like people's, drawn over a slide for benchmarks: ragged shapes of some classes."""

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from dfaseg.annotation import rules_from_names
from dfaseg.cutting.labelling import Labelling
from dfaseg.slide import open_slide

SHAPES_PER_GPX = 1000
VERTICES = 120
RADIUS_PX = 300
NAMES = ("tumour", "stroma", "inflammation", "tissue")


def draw_labelling(slide_path: str, folder: Path) -> Labelling:
    """Draw shapes over a slide named "slide", all between them a class of its own."""
    with closing(open_slide(slide_path)) as slide:
        level0 = slide.info.levels[0]
    rng = np.random.default_rng(0)
    count = max(1, round(level0.width * level0.height / 1e9 * SHAPES_PER_GPX))
    angles = np.linspace(0, 2 * np.pi, VERTICES, endpoint=False)
    features = []
    for number in range(count):
        centre = rng.uniform((0, 0), (level0.width, level0.height))
        radii = RADIUS_PX * rng.uniform(0.5, 2) * rng.uniform(0.8, 1.2, VERTICES)
        ring = (
            centre + np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii[:, None]
        ).round()
        features.append(
            {
                "type": "Feature",
                "geometry": {
                    "type": "Polygon",
                    "coordinates": [[*ring.tolist(), ring[0].tolist()]],
                },
                "properties": {"classification": {"name": NAMES[number % 3]}},
            }
        )
    path = folder / "slide.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    rules = rules_from_names(NAMES)
    background = rules.class_map.names.index("tissue")
    return Labelling({"slide": path}, replace(rules, background=background))
