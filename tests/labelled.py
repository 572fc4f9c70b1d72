"""Made-up labelled images: small enough for tests, easy enough to be learnt."""

import csv
from pathlib import Path

import cv2
import numpy as np

from dfaseg.classmap import IGNORE_INDEX, ClassMap
from dfaseg.datasets.dataset import Dataset, DatasetInfo, Example, LabelledImage
from dfaseg.datasets.load import Split, load_split
from dfaseg.datasets.places import Place
from dfaseg.geometry import Rect
from dfaseg.training.augment import PatchComposer
from dfaseg.training.spec import AugmentSpec

COLOURS = np.array([[235, 235, 235], [200, 60, 120], [90, 40, 160]], np.uint8)
"""Colour of the tissue of each of the three classes."""


def make_info() -> DatasetInfo:
    """Return the facts of a made-up data set of three classes."""
    records = [
        {"index": i, "name": name, "colour": "#808080"}
        for i, name in enumerate(("glass", "gland", "tumour"))
    ]
    return DatasetInfo(
        name="made up",
        class_map=ClassMap.from_records(records),
        mpp=1.0,
        mpp_note="invented",
        source="nowhere",
        licence="CC0",
        attribution="nobody",
        glass_index=0,
        weights_licence="CC0",
        intended_use="tests",
        limits="everything else",
        patch_px=64,
    )


def make_examples(num_images: int, side_px: int = 64, seed: int = 0) -> tuple[Example, ...]:
    """Return images of coloured rectangles, their labels framed by ignored pixels."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((num_images, side_px, side_px), np.uint8)
    for number, label in enumerate(labels):
        x, y = rng.integers(4, side_px // 2, 2)
        label[y : y + side_px // 2, x : x + side_px // 2] = 1 + number % 2
    noise = rng.integers(0, 20, (*labels.shape, 3), np.uint8)
    images = COLOURS[labels] - noise
    labels[:, :2] = IGNORE_INDEX
    pixels = [LabelledImage(*pair) for pair in zip(images, labels, strict=True)]
    return tuple(
        Example(f"image-{number}", f"case-{seed}-{number}", lambda chosen=pair: chosen)
        for number, pair in enumerate(pixels)
    )


def make_split(num_images: int, side_px: int = 64, seed: int = 0) -> Split:
    """Return the same images decoded."""
    return load_split(make_examples(num_images, side_px, seed))


def make_composer(split: Split, spec: AugmentSpec, side_px: int) -> PatchComposer:
    """Return a composer that draws all images alike, each as one place."""
    places = tuple(
        Place(number, Rect(0, 0, label.shape[1], label.shape[0]))
        for number, label in enumerate(split.labels)
    )
    weights = np.full(len(split), 1 / len(split))
    return PatchComposer(split, places, weights, spec, side_px=side_px, glass_index=0)


def make_dataset() -> Dataset:
    """Return a data set of 12 training, 4 validation and 4 test images."""
    splits = [make_examples(count, seed=seed) for seed, count in enumerate((12, 4, 4))]
    return Dataset(make_info(), *splits)


def write_ebhi_tree(root: Path, images_per_split: int = 2) -> None:
    """Write a tree laid out like EBHI-Seg as split by case."""
    rng = np.random.default_rng(0)
    rows = []
    for split in ("train", "val", "test"):
        (root / split / "images").mkdir(parents=True)
        (root / split / "masks").mkdir()
        for number in range(images_per_split):
            name = f"normal_{split}-{number}"
            image = rng.integers(100, 200, (224, 224, 3), np.uint8)
            image[[0, -1]] = image[:, [0, -1]] = 0
            mask = np.full((224, 224), number, np.uint8)
            cv2.imwrite(str(root / split / "images" / f"{name}.jpg"), image)
            cv2.imwrite(str(root / split / "masks" / f"{name}.png"), mask)
            rows.append({"split": split, "name": name, "case": split, "class": "Normal"})
    with (root / "split.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=["split", "name", "case", "class"])
        writer.writeheader()
        writer.writerows(rows)
