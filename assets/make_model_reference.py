"""Write docs/reference/default-model.md from the card of the model inside the package.

Run it after the weights have changed: ``python assets/make_model_reference.py``. A test compares
the page with what this script would write.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dfaseg.model.card import ModelCard

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "reference" / "default-model.md"

OVERALL_SCORES = {
    "macro_dice": "mean Dice over classes",
    "macro_iou": "mean IoU over classes",
    "worst_dice": "Dice of the worst class",
    "pixel_accuracy": "pixel accuracy",
    "frequency_weighted_iou": "IoU weighted by frequency",
}


def render_page(card: "ModelCard") -> str:
    """Return the page; sections for which the card holds nothing are left out."""
    data = card.training_data
    finest, coarsest = card.mpp_range
    lines = [
        "# Default model",
        "",
        "<!-- Written by assets/make_model_reference.py from the card of the weights. -->",
        "",
        card.description[:1].upper() + card.description[1:],
        "",
        f"- **For:** {card.intended_use}",
        f"- **Limits:** {card.limits}",
        f"- **Training data:** {data.name}, {data.licence}, {data.attribution}, <{data.url}>",
        f"- **Licence of the weights:** {card.licence}",
        f"- **Resolution:** {card.mpp:g} µm per pixel; slides of {finest:g} to {coarsest:g}",
        f"- **Patches:** {card.patch_px} px, overlap {card.overlap_px} px",
        "",
        *_class_table(card),
        *_overall_table(card.metrics),
        "Read the card in Python: `dfaseg.model.checkpoint.read_card`. What its keys mean:",
        "[formats](formats.md#model-file).",
        "",
    ]
    return "\n".join(lines)


def _class_table(card: "ModelCard") -> list[str]:
    """Return one line per class: colour, share, scores and bias."""
    columns: dict[str, list[str]] = {
        "index": [str(entry.index) for entry in card.classes],
        "class": list(card.classes.names),
        "colour": [f"`{entry.hex_colour}`" for entry in card.classes],
    }
    if card.pixel_frequencies:
        columns["% of training pixels"] = [f"{100 * share:.1f}" for share in card.pixel_frequencies]
    for split in _splits(card.metrics):
        scores = card.metrics[split]["classes"]
        for name, title in (("dice", "Dice"), ("iou", "IoU")):
            columns[f"{title}, {split}"] = [_text(scores[cls][name]) for cls in card.classes.names]
    if card.bias.b_centred:
        columns["bias − mean"] = [f"{value:+.3f}" for value in card.bias.b_centred]
    rows = zip(*columns.values(), strict=True)
    return ["## Classes", "", *_table(list(columns), [list(row) for row in rows]), ""]


def _overall_table(metrics: Mapping[str, Any]) -> list[str]:
    splits = _splits(metrics)
    if not splits:
        return []
    rows = [
        [title, *(_text(metrics[split][name]) for split in splits)]
        for name, title in OVERALL_SCORES.items()
    ]
    weights = "weights as made by assets/average_models.py"
    if "epoch" in metrics:
        weights = f"weights of epoch {metrics['epoch']}, the best on the validation split"
    windows = f" in windows of {metrics['patch_px']} px" if "patch_px" in metrics else ""
    text = (
        f"Measured at full resolution{windows} on splits that share no case; {weights}. One seed."
    )
    return ["## Scores", "", text, "", *_table(["", *splits], rows), ""]


def _splits(metrics: Mapping[str, Any]) -> list[str]:
    return [split for split in ("val", "test") if split in metrics]


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cells) + " |" for cells in lines]


def _text(score: float | None) -> str:
    return "–" if score is None else f"{score:.3f}"


def main() -> None:
    """Write the page."""
    sys.path.insert(0, str(REPOSITORY))
    from dfaseg.model.checkpoint import read_card  # noqa: PLC0415 - found through the path above
    from dfaseg.model.resolve import resolve_model  # noqa: PLC0415

    PAGE.write_text(render_page(read_card(resolve_model(None))), encoding="utf-8")


if __name__ == "__main__":
    main()
