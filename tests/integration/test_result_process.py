"""Results made in a process of their own are those made here, and it ends when it should."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from dfaseg.errors import OutputError
from dfaseg.inference import places
from dfaseg.inference.results import process
from dfaseg.inference.results.process import ProcessResults, processes
from dfaseg.side_process import SideProcess
from dfaseg.tiler.shared_memory import can_share
from tests.factories import tissue_like_image, write_tiff_slide
from tests.fragile_result import Fragile, raises_odd_error
from tests.predicting import (
    identity_network,
    mask_of,
    predict,
    record_of,
    stop_after,
    use,
    written_bytes,
)

pytestmark = pytest.mark.skipif(not can_share(), reason="no memory to share on this system")

WIDTH = 300


@pytest.fixture(autouse=True)
def apart(monkeypatch):
    """Let every run have such a process, however small, and end it afterwards."""
    monkeypatch.setattr(process, "_PAYS_FROM_PX", 0)
    monkeypatch.setattr(process, "available_cores", lambda: 2)
    yield
    processes.close()


def slide_in(folder: Path) -> Path:
    """Write a slide that has several rows of tiles."""
    return write_tiff_slide(folder / "s.tif", tissue_like_image(400, 300), tile_px=64)


def run(out: Path, slide: Path, **settings: object) -> dict[str, bytes]:
    """Segment the slide and return its files."""
    predict(out, slide, patch_px=64, overlap_px=16, batch_size=4, **settings)
    return written_bytes(out)


@pytest.mark.parametrize("settings", [{}, {"simplify_um": 1.0, "min_area_um2": 20.0}])
def test_results_are_those_of_threads(tmp_path, monkeypatch, settings) -> None:
    """Every file has the same bytes, and the record counts both processes."""
    slide = slide_in(tmp_path)
    use(monkeypatch, network=identity_network(2))
    found = run(tmp_path / "apart.zarr", slide, **settings)
    monkeypatch.setattr(process, "_PAYS_FROM_PX", 10**12)

    expected = run(tmp_path / "here.zarr", slide, **settings)

    assert list(found) == list(expected)
    assert found == expected
    here, there = (record_of(tmp_path / f"{name}.zarr") for name in ("here", "apart"))
    assert there["polygons"] == here["polygons"] > 0
    assert there["peak_memory_bytes"] > here["peak_memory_bytes"] + 20e6


NEEDS_NO_ZARR = """
import pathlib, sys
from dfaseg.inference import pipeline
from dfaseg.inference.results import process
from dfaseg.inference.spec import PredictSpec
process._PAYS_FROM_PX, process.available_cores = 0, lambda: 2
pipeline.predict_slide(PredictSpec(slide=sys.argv[1], out=pathlib.Path(sys.argv[2])))
print("zarr" in sys.modules)
"""


def test_a_run_whose_results_are_made_apart_never_loads_zarr(tmp_path) -> None:
    """It would do so at its very end, for the overlay alone, while nothing else is at work."""
    slide = slide_in(tmp_path)

    printed = subprocess.check_output(
        [sys.executable, "-c", NEEDS_NO_ZARR, str(slide), str(tmp_path / "m.zarr")], text=True
    )

    assert (tmp_path / "m.overlay.png").exists()
    assert printed.split()[-1] == "False"


def test_stopped_run_goes_on_to_the_same_bytes(tmp_path, monkeypatch) -> None:
    """Stopped apart, continued in threads, stopped again and continued apart."""
    slide = slide_in(tmp_path)
    use(monkeypatch, network=identity_network(2))
    expected = run(tmp_path / "whole.zarr", slide)

    for limit in (0, 10**12):
        monkeypatch.setattr(process, "_PAYS_FROM_PX", limit)
        with pytest.raises(Exception, match="stopped at row"):
            run(tmp_path / "parts.zarr", slide, run=stop_after(4))
    monkeypatch.setattr(process, "_PAYS_FROM_PX", 0)

    assert run(tmp_path / "parts.zarr", slide) == expected


@pytest.fixture
def beside_a_gpu(monkeypatch):
    """Let polygons have a process of their own, as they have where a GPU would wait for them."""
    monkeypatch.setattr(places, "num_processes", lambda _num_px, **_where: 2)


@pytest.mark.usefixtures("beside_a_gpu")
def test_two_processes_share_the_results_of_a_slide(tmp_path, monkeypatch) -> None:
    """The same bytes as one makes, and a record that counts both, of one slide after another."""
    slide = slide_in(tmp_path)
    use(monkeypatch, network=identity_network(2))
    found = run(tmp_path / "two.zarr", slide)
    pids = {idle.pid for idle in processes._idle}
    again = run(tmp_path / "again.zarr", slide)
    assert pids == {idle.pid for idle in processes._idle}
    monkeypatch.setattr(places, "num_processes", lambda _num_px, **_where: 1)

    expected = run(tmp_path / "one.zarr", slide)

    assert len(pids) == 2
    assert found == again == expected
    one, two = (record_of(tmp_path / f"{name}.zarr") for name in ("one", "two"))
    assert two["polygons"] == one["polygons"] > 0
    assert two["peak_memory_bytes"] > one["peak_memory_bytes"] + 20e6


def test_one_goes_on_with_what_two_began(tmp_path, monkeypatch) -> None:
    """A run may be stopped beside a GPU and go on without one, and the other way round."""
    slide = slide_in(tmp_path)
    use(monkeypatch, network=identity_network(2))
    expected = run(tmp_path / "whole.zarr", slide)

    for count in (2, 1):
        monkeypatch.setattr(places, "num_processes", lambda _num_px, count=count, **_where: count)
        with pytest.raises(Exception, match="stopped at row"):
            run(tmp_path / "parts.zarr", slide, run=stop_after(4))
    monkeypatch.setattr(places, "num_processes", lambda _num_px, **_where: 2)

    assert run(tmp_path / "parts.zarr", slide) == expected


@pytest.mark.usefixtures("beside_a_gpu")
@pytest.mark.parametrize("to_be_had", [0, 1])
def test_threads_do_it_where_no_process_can_be_had(
    tmp_path, monkeypatch, caplog, to_be_had
) -> None:
    """The results are the same, the memory that was to be shared is gone, and the log says so."""
    slide = slide_in(tmp_path)
    use(monkeypatch, network=identity_network(2))
    expected = run(tmp_path / "apart.zarr", slide)
    mask_of(tmp_path / "apart.zarr")  # Zarr keeps three files for its own loop once it is used
    processes.close()
    files = len(list(Path("/proc/self/fd").iterdir()))
    start, left = processes._start, iter(range(to_be_had))

    def start_few() -> SideProcess:
        if next(left, None) is None:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return start()

    monkeypatch.setattr(processes, "_start", start_few)

    assert run(tmp_path / "here.zarr", slide) == expected
    processes.close()
    assert "results are made by threads, no process can be started" in caplog.text
    assert len(list(Path("/proc/self/fd").iterdir())) <= files


@pytest.mark.parametrize(
    ("cores", "beside_gpu", "expected"),
    [(1, False, 0), (1, True, 0), (2, False, 1), (3, True, 1), (4, True, 2), (16, False, 1)],
)
def test_cores_decide_how_many_there_are(monkeypatch, cores, beside_gpu, expected) -> None:
    """A single core's threads take turns anyway, and only a GPU would wait for one process."""
    monkeypatch.setattr(process, "available_cores", lambda: cores)
    assert process.num_processes(1, beside_gpu=beside_gpu) == expected
    monkeypatch.setattr(process, "_PAYS_FROM_PX", 2)
    assert process.num_processes(1, beside_gpu=beside_gpu) == 0


def test_one_process_serves_slide_after_slide(tmp_path, monkeypatch) -> None:
    """It is started once."""
    slide = slide_in(tmp_path)
    use(monkeypatch, network=identity_network(2))
    pids = []
    for name in ("a", "b"):
        run(tmp_path / f"{name}.zarr", slide)
        (idle,) = processes._idle
        pids.append(idle.pid)

    assert pids[0] == pids[1]


def test_it_is_started_ahead_once() -> None:
    """Whoever opens the next slide while this one is under way starts no second process."""
    processes.start_ahead(1)
    processes.start_ahead(1)
    (idle,) = processes._idle

    results = ProcessResults({"sums": Fragile}, WIDTH)
    processes.start_ahead(1)

    assert results._at_work() is idle
    assert not processes._idle
    results.close()
    assert processes._idle == [idle]


def test_it_outlives_the_thread_that_asked_for_it() -> None:
    """The system would end it with the thread that started it."""
    made: list[ProcessResults] = []

    def ask() -> None:
        made.append(ProcessResults({"sums": Fragile}, WIDTH))
        made[0].begin()
        made[0].state()  # now it is at work

    asking = threading.Thread(target=ask)
    asking.start()
    asking.join()
    time.sleep(0.1)
    (results,) = made
    results.write_rows(np.ones((1, WIDTH), np.uint8))

    assert results.finish().by_name["sums"] == [WIDTH]
    results.close()


def test_rows_arrive_in_order_whatever_their_number(monkeypatch) -> None:
    """Portions larger than a slot are cut; a state holds all rows given so far."""
    monkeypatch.setattr(process, "SLOT_BYTES", 7 * WIDTH)
    rows = np.random.default_rng(0).integers(0, 6, (500, WIDTH)).astype(np.uint8)
    results = ProcessResults({"sums": Fragile}, WIDTH)
    results.begin()
    for start, end in ((0, 1), (1, 31), (31, 32), (32, 400)):
        results.write_rows(rows[start:end])
    state = results.state()
    results.write_rows(rows[400:])
    found = results.finish()
    results.close()
    again = ProcessResults({"sums": Fragile}, WIDTH)
    again.restore(state)
    again.write_rows(rows[400:])

    assert len(state["sums/sums"]) == 400
    assert found.by_name["sums"] == again.finish().by_name["sums"] == rows.sum(axis=1).tolist()
    assert found.peak_bytes > 10e6
    again.close()


def test_what_fails_there_is_raised_here() -> None:
    """As what it was, with where it happened as a note."""
    results = ProcessResults({"bad": partial(Fragile, fails_at=3)}, WIDTH)
    results.begin()
    for _ in range(2):
        results.write_rows(np.zeros((2, WIDTH), np.uint8))
    with pytest.raises(OutputError, match=r"^disk full") as caught:
        results.state()
    results.close()

    assert "in process" in caught.value.__notes__[0]
    assert "write_rows" in caught.value.__notes__[0]


def test_errors_that_cannot_travel_are_told() -> None:
    """Somebody will want to know."""
    results = ProcessResults({"bad": raises_odd_error}, WIDTH)
    results.begin()
    results.write_rows(np.zeros((2, WIDTH), np.uint8))
    with pytest.raises(RuntimeError, match="OddError"):
        results.finish()
    results.close()


def test_a_process_that_is_killed_is_told_of_and_replaced(tmp_path, monkeypatch) -> None:
    """The run can be continued; the state is that of the last time it was saved."""
    slide = slide_in(tmp_path)
    use(monkeypatch, network=identity_network(2))
    expected = run(tmp_path / "whole.zarr", slide)
    (idle,) = processes._idle
    done = []

    def kill(num_done: int, _total: int) -> None:
        done.append(num_done)
        if len(done) == 6:
            os.kill(idle.pid, signal.SIGKILL)

    with pytest.raises(OutputError, match=r"has ended.*run the same command again"):
        run(tmp_path / "again.zarr", slide, run={"progress": kill}, checkpoint_seconds=0.0)

    assert run(tmp_path / "again.zarr", slide) == expected


def test_stop_signals_are_left_to_the_run() -> None:
    """Ctrl-C reaches all processes of a terminal."""
    results = ProcessResults({"sums": Fragile}, WIDTH)
    results.begin()
    results.state()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        os.kill(results._at_work().pid, number)
    time.sleep(0.1)
    results.write_rows(np.ones((2, WIDTH), np.uint8))

    assert results.finish().by_name["sums"] == [WIDTH, WIDTH]
    results.close()


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not end it")
def test_it_ends_with_a_run_that_is_killed() -> None:
    """At once: it would write to files that another run may have taken up."""
    program = """
        import os, signal
        from dfaseg.inference.results.process import ProcessResults
        from tests.fragile_result import Fragile
        results = ProcessResults({"sums": Fragile}, 8)
        results.begin(); results.state()
        print(results._at_work().pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    pid = int(done.stdout)
    for _ in range(100):
        if not _runs(pid):
            return
        time.sleep(0.01)
    pytest.fail("it is still there")


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state not in "ZX"
