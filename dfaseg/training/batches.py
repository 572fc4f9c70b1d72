"""Bounded, ordered stream of training batches from worker threads."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dfaseg.training.augment import Patch, PatchComposer
from dfaseg.training.world import World


@dataclass(frozen=True, slots=True)
class LabelledBatch:
    """Patches and their labels.

    Attributes:
        images: RGB, uint8 ``(n, h, w, 3)``.
        labels: Class indices, uint8 ``(n, h, w)``, 255 = ignore.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class EpochPlan:
    """Which places an epoch cuts patches from, in which order.

    Attributes:
        seed: Seed of the run.
        epoch: Number of the epoch, from 0.
        indices: Numbers of places in the training split, shape ``(steps, batch_size)``.
    """

    seed: int
    epoch: int
    indices: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.indices)


def plan_epoch(weights: NDArray[np.float64], batch_size: int, seed: int, epoch: int) -> EpochPlan:
    """Draw the places of one epoch from (seed, epoch) alone, so that a run can be resumed.

    Places of equal weight come once each, in random order; of unequal weight, each comes as
    often as its weight says, the fraction being decided by chance.

    Args:
        weights: Probability of each place, shape ``(n,)``.
        batch_size: Patches per batch; a last batch that is not full is left out, but a split
            smaller than one batch is repeated until it fills one.
        seed: Seed of the run.
        epoch: Number of the epoch, from 0.
    """
    rng = np.random.default_rng([seed, epoch])
    num_patches = max(len(weights), batch_size)
    # Systematic sampling: one random offset, then equal steps along the summed weights.
    ticks = (np.arange(num_patches) + rng.random()) / num_patches
    drawn = np.searchsorted(np.cumsum(weights) / np.sum(weights), ticks, side="right")
    order = rng.permutation(np.minimum(drawn, len(weights) - 1))
    steps = num_patches // batch_size
    return EpochPlan(seed, epoch, order[: steps * batch_size].reshape(steps, batch_size))


def stream_batches(
    composer: PatchComposer, plan: EpochPlan, workers: int, world: World | None = None
) -> Iterator[LabelledBatch]:
    """Yield this process's share of each batch of a plan in order, composed ahead by threads.

    Every patch draws from its own random numbers, made from (seed, epoch, position), so the
    number of workers does not change the batches, nor does the number of processes.

    Args:
        composer: Makes the patches.
        plan: Images of the epoch.
        workers: Threads; the pixel work of OpenCV and NumPy runs outside Python's lock.
        world: The processes that share each batch.
    """
    threads = max(1, workers)
    world = world or World()
    share = range(world.rank, plan.indices.shape[1], world.size)
    # Each worker is one thread; OpenCV's own threads would only fight with the network's.
    with ThreadPoolExecutor(threads, "compose", cv2.setNumThreads, (1,)) as pool:
        waiting: deque[Future[LabelledBatch]] = deque()
        for step in range(len(plan)):
            waiting.append(pool.submit(_compose_batch, composer, plan, step, share))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _compose_batch(
    composer: PatchComposer, plan: EpochPlan, step: int, share: range
) -> LabelledBatch:
    patches = [_compose(composer, plan, step, place) for place in share]
    images, labels = zip(*patches, strict=True)
    return LabelledBatch(np.stack(images), np.stack(labels))


def _compose(composer: PatchComposer, plan: EpochPlan, step: int, place: int) -> Patch:
    rng = np.random.default_rng([plan.seed, plan.epoch, step, place])
    return composer.compose(int(plan.indices[step, place]), rng)
