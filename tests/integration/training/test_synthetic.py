"""A short training on made-up tissue: what docs/results/synthetic.md says and holds robustly."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dfaseg.datasets.load import load_split
from dfaseg.datasets.synthetic import SyntheticSpec, read_synthetic
from dfaseg.model.checkpoint import load_checkpoint
from dfaseg.model.segmenter import DfaSegmenter
from dfaseg.training.device import choose_placement
from dfaseg.training.loop import Trainer, TrainResult
from dfaseg.training.spec import AugmentSpec, BiasSpec, NetworkSpec, OptimiserSpec, TrainSpec

DATA = SyntheticSpec(num_images=(200, 20, 40))
FLIPS_ONLY = AugmentSpec((1.0, 1.0), 0, 0, 0, 0, 0, 0, 0)
SPEC = TrainSpec(
    dataset="synthetic",
    epochs=4,
    batch_size=10,
    balance=0,
    network=NetworkSpec(preset="tiny"),
    bias=BiasSpec("dfa"),
    optimiser=OptimiserSpec(lr=5e-3, ema_decay=0.9),
    augment=FLIPS_ONLY,
)
COMMON_EASY, COMMON_HARD, RARE_EASY, RARE_HARD = range(1, 5)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """Return a network with dfa's class bias after four epochs."""
    torch.set_num_threads(1)
    placement = choose_placement("cpu", "fp32")
    run_dir = tmp_path_factory.mktemp("synthetic") / "run"
    return Trainer(SPEC, read_synthetic(DATA), run_dir, placement, draws=False).run()


def test_difficulty_shows_in_the_scores_and_frequency_does_not(trained: TrainResult) -> None:
    """A rare easy class scores well above a common hard one."""
    dice = trained.test.dice

    assert dice[[COMMON_EASY, RARE_EASY]].min() > dice[[COMMON_HARD, RARE_HARD]].max() + 0.08
    assert abs(dice[COMMON_HARD] - dice[RARE_HARD]) < 0.2


def test_class_bias_moves_few_pixels(trained: TrainResult) -> None:
    """Even b changed by 3 hardly matters; where it begins to, the page must be measured anew."""
    network = load_checkpoint(trained.model_path).model
    assert isinstance(network, DfaSegmenter)
    before = _masks(network)

    changed = []
    for index in range(5):
        with torch.no_grad():
            network.class_bias.delta[index] += 3
            changed.append((_masks(network) != before).mean())
            network.class_bias.delta[index] -= 3

    assert 0 < max(changed) < 0.05


@torch.no_grad()
def _masks(network: DfaSegmenter) -> NDArray[np.uint8]:
    placement = choose_placement("cpu", "fp32")
    images = np.stack(load_split(read_synthetic(DATA).test[:10]).images)
    pixels = placement.scaling(network.normalisation)(placement.to_device(images))
    return network.eval()(pixels).logits.argmax(dim=1).numpy().astype(np.uint8)
