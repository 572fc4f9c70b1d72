"""The settings files that travel with the repository are readable and hold the paper's recipe."""

from pathlib import Path

import pytest

from dfaseg.training.config import parse_spec, read_config

CONFIGS = Path(__file__).resolve().parents[3] / "assets" / "configs"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_file_is_a_complete_spec(path: Path) -> None:
    """Nothing in it is unknown, and its data set is that of its name."""
    spec = parse_spec(read_config(path))

    assert path.stem.endswith(spec.dataset)


@pytest.mark.parametrize(
    ("name", "epochs", "alpha", "weights"),
    [
        ("bcss", 35, 0.5, (0.25, 0.75, 0.0625)),
        ("bdsa", 30, 0.1, (0.25, 0.75, 0.0625)),
        ("crag", 60, 0.1, (0.125, 0.875, 0.0)),
    ],
)
def test_paper_recipe(
    name: str, epochs: int, alpha: float, weights: tuple[float, float, float]
) -> None:
    """Epochs, warm start and weights of the loss terms differ by data set; the rest is common."""
    spec = parse_spec(read_config(CONFIGS / f"paper-{name}.toml"))

    assert (spec.epochs, spec.bias.alpha, spec.loss.term_weights) == (epochs, alpha, weights)
    assert (spec.optimiser.lr, spec.optimiser.weight_decay, spec.batch_size) == (1e-4, 1e-2, 24)
    assert (spec.network.preset, spec.patch_px) == ("sam-path", 1024)
