"""Print the tables of the study of bias modes as Markdown.

``python assets/studies/bias_modes_report.py COMPARED`` reads the ``scores.json`` that
``dfaseg eval RUNS/ebhi/* --reference dfa --out COMPARED`` wrote.
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

MINUS = "\N{MINUS SIGN}"


def main() -> None:
    """Print methods, tests against the reference, delta and what delta goes with."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("compared", type=Path, help="folder that dfaseg eval wrote")
    chosen = parser.parse_args()
    scores = json.loads((chosen.compared / "scores.json").read_text(encoding="utf-8"))
    for table in (methods, gains, deltas, relations):
        print(table(scores))  # noqa: T201  # its result


def methods(scores: dict[str, Any]) -> str:
    """Return macro Dice and Dice by class of every method."""
    names = [entry["name"] for entry in scores["classes"]]
    rows = []
    for method in scores["methods"]:
        macro = method["macro_dice"]
        by_class = [f"{fmean(method['dice'][name]):.3f}" for name in names]
        mean = f"{macro['value']:.3f} ± {macro['spread']:.3f}"
        rows.append([method["name"], mean, f"{macro['low']:.3f}-{macro['high']:.3f}", *by_class])
    return table(["method", "macro Dice", "95 % interval", *names], rows)


def gains(scores: dict[str, Any]) -> str:
    """Return how far the reference is ahead of every other method."""
    rows = []
    for entry in scores["against_reference"]:
        # The reference is held against the others here, not the others against it.
        gain = entry["difference"]
        rows.append(
            [
                entry["first"],
                signed(-gain["value"]),
                f"{signed(-gain['high'])} to {signed(-gain['low'])}",
                ", ".join(signed(-value) for value in entry["seed_differences"]),
                chance(entry["bootstrap_p_holm"]),
                chance(entry["wilcoxon_p_holm"]),
                signed(-entry["rank_biserial"], 2),
            ]
        )
    heading = f"{scores['reference']} minus"
    return table(
        [heading, "macro Dice", "95 % interval", "by seed", "p bootstrap", "p Wilcoxon", "effect"],
        rows,
    )


def deltas(scores: dict[str, Any]) -> str:
    """Return delta minus its mean by class, mean and spread over seeds."""
    names = [entry["name"] for entry in scores["classes"]]
    learned = [method for method in scores["methods"] if method.get("delta")]
    rows = []
    for method in learned:
        columns = zip(*method["delta"], strict=True)
        rows.append([method["name"], *(spread(column) for column in columns)])
    rows.append(["pixel share", *(f"{share:.3f}" for share in learned[0]["frequencies"])])
    return table(["δ", *names], rows)


def relations(scores: dict[str, Any]) -> str:
    """Return the correlations of delta, and of what training added to its warm start."""
    rows = []
    for entry in scores["bias_relations"]:
        found = entry["of_means"]
        if found["spearman"] is None:
            continue
        by_seed = ", ".join(signed(seed["spearman"], 2) for seed in entry["by_seed"])
        what = "δ" if entry["measured"] == "delta" else "δ minus its warm start"
        against = "baseline Dice" if entry["baseline"] else "log frequency"
        rho = f"{signed(found['spearman'], 2)} (p {found['spearman_p']:.2f})"
        rows.append([entry["method"], what, against, rho, signed(found["pearson"], 2), by_seed])
    headings = ["method", "what", "against", "Spearman ρ", "Pearson r", "ρ by seed"]
    return table(headings, rows) if rows else ""


def spread(values: Sequence[float]) -> str:
    """Return mean and standard deviation."""
    return f"{signed(fmean(values), 2)} ± {stdev(values):.2f}"


def chance(p_value: float) -> str:
    """Return a p-value with as many digits as tell something."""
    return "< 0.001" if p_value < 1e-3 else f"{p_value:.3f}"


def signed(value: float, digits: int = 3) -> str:
    """Return a number with its sign."""
    return f"{value:+.{digits}f}".replace("-", MINUS)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table, an empty line behind it."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    main()
