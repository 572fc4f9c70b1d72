"""What must be said of pixels, classes and slides that no score counts."""

import math
from pathlib import Path

from dfaseg.evaluation.mask_files import MASK_SUFFIXES
from dfaseg.evaluation.objects import MAX_PIXELS
from dfaseg.evaluation.results import EvalResult


def notes_on_coverage(result: EvalResult) -> tuple[str, ...]:
    """Return what a reader must know of what no score counts.

    Args:
        result: Made by ``evaluate_predictions``.
    """
    return (
        *_notes_on_classes(result),
        *_notes_on_codes(result),
        *_notes_on_pixels(result),
        *_notes_on_outlines(result),
        *notes_on_objects(result),
    )


def notes_on_objects(result: EvalResult) -> list[str]:
    """Say in which images no objects were counted although that was asked for.

    Args:
        result: Its fact ``object_class`` names the class that was asked for, if any.
    """
    name, num_images = result.facts.get("object_class"), len(result.cases)
    num_counted = sum(case.objects is not None for case in result.cases)
    if name is None or num_counted == num_images:
        return []
    side = math.isqrt(MAX_PIXELS)
    if not num_counted:
        return [f"Objects of {name} were not counted: no image is as small as {side} × {side} px."]
    return [
        f"Objects of {name} were counted in {num_counted} of {num_images} images: the others have"
        f" more pixels than {side} × {side}."
    ]


def _notes_on_classes(result: EvalResult) -> list[str]:
    """Say which classes are not scored, and what became of the predictions of them."""
    predicted = result.confusion().sum(axis=0)
    notes = []
    for index in result.unscored:
        note = f"{result.class_map[index].name} is not scored and left out of all means."
        if predicted[index]:
            note += (
                f" Where the truth has another class, {predicted[index]} pixels were predicted as"
                " it: mistakes of those classes."
            )
        notes.append(note)
    return notes


def _notes_on_codes(result: EvalResult) -> list[str]:
    """Say what 255 means where the truth may be masks of 0 and 255, which many programs write."""
    pairs = result.facts["pairs"].values()
    if not any(Path(pair["truth"]).suffix.lower() in MASK_SUFFIXES for pair in pairs):
        return []
    truth = result.confusion().sum(axis=1)
    there = [
        entry.name for entry in result.class_map
        if truth[entry.index] or any(pair["left_out_by_class"][entry.name] for pair in pairs)
    ]  # fmt: skip
    if len(there) != 1 or len(result.class_map) == 1:
        return []
    return [
        f"The truth holds no class but {there[0]}. The code 255 means that a pixel is not labelled;"
        " where it is a class, say so with codes = [255] in the class map."
    ]


def _notes_on_pixels(result: EvalResult) -> list[str]:
    notes = []
    pairs = result.facts["pairs"].values()
    left_out = sum(pair["left_out_px"] for pair in pairs)
    if left_out:
        share = 100 * left_out / (left_out + sum(pair["scored_px"] for pair in pairs))
        notes.append(
            f"The predictions left out {left_out} pixels ({share:.2f} %) that have a class in the"
            " truth: not analysed, or beyond their edge. No score counts them."
        )
    missing = result.facts["without_prediction"]
    if missing:
        notes.append(f"There is truth without a prediction: {', '.join(missing)}.")
    return notes


def _notes_on_outlines(result: EvalResult) -> list[str]:
    unmeasured = [case.name for case in result.cases if case.surface is None]
    if not unmeasured:
        return []
    return [
        f"Outlines of {len(unmeasured)} of {len(result.cases)} slides were not compared: their"
        " resolution is unknown, or the outlines are too long."
    ]
