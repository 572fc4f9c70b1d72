"""Epoch plans and the stream of batches."""

import numpy as np
import pytest

from dfaseg.training.batches import plan_epoch, stream_batches
from dfaseg.training.spec import AugmentSpec
from dfaseg.training.world import World
from tests.labelled import make_composer, make_split


def test_equal_weights_use_every_image_once() -> None:
    """Without balancing an epoch is a permutation of the split."""
    plan = plan_epoch(np.full(12, 1 / 12), batch_size=4, seed=0, epoch=0)

    assert plan.indices.shape == (3, 4)
    assert sorted(plan.indices.ravel()) == list(range(12))


def test_images_come_as_often_as_their_weight_says() -> None:
    """An image of twice the weight comes twice as often, within one."""
    weights = np.array([2, 1, 1, 1, 1, 2, 1, 1]) / 10

    plan = plan_epoch(weights, batch_size=8, seed=3, epoch=1)

    counts = np.bincount(plan.indices.ravel(), minlength=8)
    assert np.all(np.abs(counts - 8 * weights) < 1)


def test_plan_depends_on_seed_and_epoch_alone() -> None:
    """Equal seed and epoch give the same plan; another epoch gives another."""
    weights = np.full(32, 1 / 32)

    first, again, later = (plan_epoch(weights, 8, 7, epoch).indices for epoch in (0, 0, 1))

    assert np.array_equal(first, again)
    assert not np.array_equal(first, later)


def test_split_smaller_than_a_batch_fills_one() -> None:
    """Few images are repeated until one batch is full."""
    plan = plan_epoch(np.full(3, 1 / 3), batch_size=8, seed=0, epoch=0)

    assert plan.indices.shape == (1, 8)
    assert set(plan.indices.ravel()) == {0, 1, 2}


@pytest.mark.parametrize("workers", [1, 3])
def test_batches_do_not_depend_on_workers(workers: int) -> None:
    """Any number of threads gives the same batches in the same order."""
    split = make_split(8, side_px=32)
    composer = make_composer(split, AugmentSpec(), 32)
    plan = plan_epoch(np.full(8, 1 / 8), batch_size=2, seed=0, epoch=0)

    batches = list(stream_batches(composer, plan, workers))

    one_by_one = list(stream_batches(composer, plan, 1))
    assert len(batches) == 4
    for batch, expected in zip(batches, one_by_one, strict=True):
        assert batch.images.shape == (2, 32, 32, 3)
        assert np.array_equal(batch.images, expected.images)
        assert np.array_equal(batch.labels, expected.labels)


@pytest.mark.parametrize("size", [2, 4])
def test_processes_share_each_batch(size: int) -> None:
    """Together the shares hold the very patches that one process would have had."""
    composer = make_composer(make_split(8, side_px=32), AugmentSpec(), 32)
    plan = plan_epoch(np.full(8, 1 / 8), batch_size=4, seed=0, epoch=0)

    whole = list(stream_batches(composer, plan, 1))
    shares = [list(stream_batches(composer, plan, 1, World(r, size))) for r in range(size)]

    for step, batch in enumerate(whole):
        for rank, share in enumerate(shares):
            assert np.array_equal(share[step].images, batch.images[rank::size])
            assert np.array_equal(share[step].labels, batch.labels[rank::size])
