"""What `tests.benchmark.predict` makes of its figures, also of a GPU's where there is none."""

import json
from pathlib import Path

import pytest

from tests.benchmark.predict_report import Measured, medians, report, report_growth
from tests.benchmark.predict_whole import busy_figures, covered_seconds, spans_of


def _measured(**more: dict[str, float]) -> Measured:
    decoding = {
        "seconds": 1.0,
        "core_seconds": 2.0,
        "reduction": 1.0,
        "tiles": 10.0,
        "mpx": 400.0,
    }
    network = {
        "seconds": 4.0,
        "core_seconds": 6.0,
        "patches": 100.0,
        "patch_px": 512.0,
        "batch_size": 8.0,
    }
    whole = {"seconds": 5.0, "core_seconds": 10.0, "peak_bytes": 1e9, "polygons": 7.0}
    return {
        "decode": decoding,
        "full": decoding | {"core_seconds": 4.0},
        "network": network,
        "copy": {},
        "whole": whole,
        "busy": {},
    } | more


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [
        ([], 0.0),
        ([(0.0, 1.0), (2.0, 3.0)], 2.0),
        ([(2.0, 4.0), (0.0, 3.0)], 4.0),
        ([(0.0, 5.0), (1.0, 2.0), (4.0, 6.0)], 6.0),
    ],
)
def test_covered_seconds_count_overlaps_once(
    spans: list[tuple[float, float]], seconds: float
) -> None:
    """Kernels of two streams at the same time keep the device busy once."""
    assert covered_seconds(spans) == seconds


def test_spans_are_read_from_a_profile(tmp_path: Path) -> None:
    """Microseconds become seconds; what the host did is left out."""
    events = [
        {"cat": "kernel", "ts": 1e6, "dur": 5e5},
        {"cat": "kernel", "ts": 3e6, "dur": 5e5},
        {"cat": "gpu_memcpy", "ts": 1e6, "dur": 1e6},
        {"cat": "cuda_runtime", "ts": 0, "dur": 9e6},
        {"ph": "M", "name": "process_name"},
    ]
    trace = tmp_path / "trace.json"
    trace.write_text(json.dumps({"traceEvents": events}))
    figures = busy_figures(spans_of(trace), 4.0)
    assert figures == {
        "loop_seconds": 4.0,
        "kernel_seconds": 1.0,
        "copy_seconds": 1.0,
        "kernel_window_seconds": 2.5,
        "kernels": 2.0,
    }


def test_medians_are_taken_figure_by_figure() -> None:
    """Of three rounds, one with a slow network and one with a slow run, neither counts."""
    usual = _measured()
    slow_network = _measured(network=usual["network"] | {"core_seconds": 60.0})
    slow_run = _measured(whole=usual["whole"] | {"seconds": 50.0})

    assert medians([slow_network, usual, slow_run]) == usual


def test_ratio_on_a_cpu_is_to_the_sum_over_the_cores() -> None:
    """(2 + 6) / 2 cores are 4 s, and the run took 5."""
    text = report(_measured(), cores=2)
    assert "limit              4.00 s" in text
    assert "ratio              1.25         (1.00 with full decoding in the limit)" in text
    assert "of core-s          1.25         (1.00 with full decoding)" in text


def test_ratio_on_a_gpu_is_to_the_slowest_part() -> None:
    """Decoding, copying and the network go on side by side there."""
    busy = {"loop_seconds": 4.0, "kernel_seconds": 3.0, "kernel_window_seconds": 3.0}
    measured = _measured(copy={"seconds": 0.5, "bytes": 5e9}, busy=busy)
    measured["whole"]["device_peak_bytes"] = 2e9
    text = report(measured, cores=2)
    assert "limit              4.00 s       (the slowest of the three, network)" in text
    assert "ratio              1.25" in text
    assert "device busy         75%" in text
    assert "10.0 GB/s" in text
    assert "device memory      2000 MB" in text


def test_growth_is_beside_the_first_slide() -> None:
    """A slide of four times the area that takes the memory of the first shows 1.00 x."""
    larger = _measured()
    larger["whole"] = larger["whole"] | {"seconds": 15.0}
    records = [
        {"width": 100, "height": 100, "measured": _measured()},
        {"width": 100, "height": 400, "measured": larger},
    ]
    last = report_growth(records).splitlines()[-1]
    assert "100 x 400" in last
    assert "4.0 x" in last
    assert "15.0 (3.00 x)" in last
    assert "1000.0 (1.00 x)" in last
