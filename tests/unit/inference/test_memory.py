"""Settings with which a slide fits into memory."""

from pathlib import Path

import pytest

from dfaseg.errors import ConfigError
from dfaseg.geometry import TileGrid
from dfaseg.inference import memory
from dfaseg.inference.memory import MemoryPlan, fit_to_memory
from dfaseg.inference.memory_terms import Workload
from dfaseg.inference.spec import PredictSpec
from dfaseg.slide.slide import Level, SlideInfo
from dfaseg.tiler.plan import plan_reading
from tests.predicting import identity_network

GB = 10**9
RESIDENT = GB


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process hold 1 GB, the job have 100 GB left, and networks take 0.2 GB."""
    monkeypatch.setattr(memory, "resident_memory_bytes", lambda: RESIDENT)
    monkeypatch.setattr(memory, "_least_resident", [])
    monkeypatch.setattr(memory, "available_memory_bytes", lambda: 100 * GB)
    monkeypatch.setattr(memory, "_network_bytes", lambda _network, _patch_px: GB // 5)


def fitted(width: int = 60000, height: int = 80000, **settings: object) -> MemoryPlan:
    """Fit a slide of one level, to be read as it is."""
    levels = (Level(width, height, 1.0, 1.0, 512, 512),)
    info = SlideInfo("a", "a.svs", "tiff", "0", 0.5, "metadata", levels)
    plan = plan_reading(info, 0.5)
    spec = PredictSpec(slide="a.svs", out=Path("a.zarr"), **settings)
    return fit_to_memory(
        info,
        plan,
        TileGrid(plan.width, plan.height, spec.patch_px or 512, 64),
        identity_network(4),
        spec,
        batch_size=spec.batch_size or 32,
        num_workers=spec.workers or 16,
    )


def test_best_settings_stay_where_they_fit() -> None:
    """And nothing is measured where there is plenty."""
    plan = fitted()

    assert (plan.workload.batch_size, plan.workload.num_workers) == (32, 16)
    assert plan.limit_bytes == 101 * GB
    assert "network" not in plan.terms


def test_batches_become_smaller_before_threads_become_fewer() -> None:
    """As far as is needed, and what remains fits."""
    most = fitted(limit_memory_bytes=50 * GB)
    least = most.estimate_bytes
    seen = []
    while True:
        try:
            plan = fitted(limit_memory_bytes=least - 1)
        except ConfigError:
            break
        assert plan.estimate_bytes <= least - 1
        least = plan.estimate_bytes
        seen.append(plan.workload)

    assert [load.batch_size for load in seen[:5]] == [16, 8, 4, 2, 1]
    assert all((load.num_workers, load.strips_ahead) == (16, 2) for load in seen[:5])
    assert seen[-1] == Workload(1, 1, 0)
    workers = [load.num_workers for load in seen]
    assert workers == sorted(workers, reverse=True)


def test_named_settings_are_kept_or_refused() -> None:
    """Who names a batch size means it; the message says which to change, and what would do."""
    limit = fitted(limit_memory_bytes=50 * GB).estimate_bytes

    assert fitted(limit_memory_bytes=limit, batch_size=16).workload.batch_size == 16
    with pytest.raises(ConfigError) as refused:
        fitted(limit_memory_bytes=limit, batch_size=512)

    text = str(refused.value)
    assert text.startswith("slide 'a': needs about ")
    assert "with batches of 512 and 1 workers" in text
    assert f"but {limit / 1e9:.1f} GB are allowed (--limit-memory); use a smaller --batch-size" in (
        text
    )


def test_slide_that_cannot_fit_is_refused_with_what_would_do() -> None:
    """The memory asked for suffices."""
    with pytest.raises(ConfigError, match=r"use a smaller --patch-size, or give the job more") as e:
        fitted(limit_memory_bytes=RESIDENT + 1000)

    enough = float(str(e.value).rpartition(" ")[2])
    plan = fitted(limit_memory_bytes=int(enough * GB))
    assert plan.estimate_bytes <= plan.limit_bytes


def test_chunk_that_cannot_fit_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """What its pixels alone take is known; to find out the rest would take more than is allowed."""
    monkeypatch.setattr(memory, "_network_bytes", lambda *_: pytest.fail("run all the same"))

    with pytest.raises(
        ConfigError, match=r"a patch of 8192 px needs more than 1\.6 GB.*--patch-size"
    ):
        fitted(width=4000, height=4000, patch_px=8192, limit_memory_bytes=GB)


def test_what_the_run_before_left_is_not_counted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next slide uses it again, and the limit is that of the whole process."""
    first = fitted()
    monkeypatch.setattr(memory, "resident_memory_bytes", lambda: 5 * RESIDENT)

    second = fitted()

    assert second.estimate_bytes == first.estimate_bytes
    assert second.limit_bytes == 105 * GB


def test_estimate_grows_with_width_and_hardly_with_height() -> None:
    """Only the picture of the whole slide does."""
    estimates = [
        sum(fitted(width, height).terms.values())
        for width, height in ((30000, 60000), (60000, 60000), (30000, 120000))
    ]

    assert estimates[1] > 1.5 * estimates[0]
    assert estimates[2] < 1.35 * estimates[0]
