"""What happens to mask rows on their way to the results."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dfaseg.errors import OutputError
from dfaseg.inference.labelling import HostLabeller
from dfaseg.inference.results.threads import ThreadedResults
from dfaseg.inference.sink import ResultSink, _leave_out_glass
from dfaseg.inference.state import SavedState, State
from dfaseg.stitcher.canvas import ReleasedRows
from dfaseg.stitcher.labels import LabelUpsampler
from dfaseg.tiler.tissue import TissueMask


@pytest.mark.parametrize(("y", "height"), [(0, 12), (3, 5), (7, 1), (4, 4)])
def test_pixels_outside_the_tissue_become_255(y: int, height: int) -> None:
    """Each pixel goes by the tissue pixel that it lies in, wherever the rows begin and end."""
    rng = np.random.default_rng(0)
    tissue = TissueMask(rng.random((3, 4)) < 0.5, factor=4)
    labels = rng.integers(0, 5, (height, 14)).astype(np.uint8)
    expected = np.where(tissue.rows(y, height, 14), labels, 255)

    _leave_out_glass(labels, y, tissue)

    np.testing.assert_array_equal(labels, expected)


class KeptRows:
    """A result that keeps the rows it gets, and fails at one of them if wanted."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.rows: list[NDArray[np.uint8]] = []
        self.is_finished = self.is_closed = False
        self._fails_at = fails_at

    def begin(self) -> None:
        """Nothing to prepare."""

    def write_rows(self, mask_rows: NDArray[np.uint8]) -> None:
        """Keep rows."""
        if len(self.rows) == self._fails_at:
            raise OutputError("disk full")
        self.rows.append(mask_rows)

    def finish(self) -> int:
        """Note it."""
        self.is_finished = True
        return len(self.rows)

    def state(self) -> State:
        """Return how many portions came."""
        return {"count": np.array(len(self.rows))}

    def restore(self, state: SavedState) -> None:
        """Nothing is restored here."""

    def close(self) -> None:
        """Note it."""
        self.is_closed = True


def released(num_rows: int) -> Iterator[ReleasedRows]:
    """Yield single rows of logits; the class of row r is r modulo 3."""
    for row in range(num_rows):
        logits = torch.zeros((3, 1, 4))
        logits[row % 3] = 1
        yield ReleasedRows(row, logits, torch.ones((1, 4), dtype=torch.bool))


def labeller(num_rows: int) -> HostLabeller:
    """Return a labeller of a mask of 4 columns, one pixel per cell."""
    return HostLabeller(LabelUpsampler(3, 4, num_rows, 1))


def test_every_result_gets_all_rows_in_order() -> None:
    """Each result has a thread of its own; a saved state is that of all rows added."""
    one, other = KeptRows(), KeptRows()
    tissue = TissueMask(np.ones((20, 4), bool), factor=1)

    results = ThreadedResults({"one": lambda: one, "other": lambda: other})
    with ResultSink(labeller(20), tissue, results) as sink:
        for number, rows in enumerate(released(20), start=1):
            sink.add(rows, ())
            if number == 13:
                state = sink.state()
        findings = sink.finish()

    assert findings.by_name == {"one": 20, "other": 20}
    assert state["one/count"] == state["other/count"] == 13
    for result in (one, other):
        found = np.concatenate(result.rows)
        np.testing.assert_array_equal(found, np.tile(np.arange(20)[:, None] % 3, 4))
        assert result.is_finished
        assert result.is_closed


def test_a_result_that_fails_ends_the_run() -> None:
    """Its error comes out, no state is saved behind it, and the others are closed."""
    good, bad = KeptRows(), KeptRows(fails_at=5)
    tissue = TissueMask(np.ones((90, 4), bool), factor=1)

    def run(sink: ResultSink) -> None:
        for rows in released(90):
            sink.add(rows, ())
        sink.finish()

    results = ThreadedResults({"good": lambda: good, "bad": lambda: bad})
    sink = ResultSink(labeller(90), tissue, results)
    with pytest.raises(OutputError, match="disk full"), sink:
        run(sink)

    assert len(bad.rows) == 5
    assert not bad.is_finished
    assert bad.is_closed
    assert good.is_closed
