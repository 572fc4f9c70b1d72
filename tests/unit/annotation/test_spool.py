"""Records are the same from memory and from disk."""

from pathlib import Path

import numpy as np
import pytest

from dfaseg.annotation import spool
from dfaseg.annotation.spool import Spool


@pytest.mark.parametrize("kept", [1, 5, 16, 1000])
def test_pieces_come_back_whether_kept_in_memory_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """Fetching is reading, whatever part of a piece list is recent."""
    monkeypatch.setattr(spool, "_RECENT_RECORDS", kept)
    rng = np.random.default_rng(0)
    file = Spool(tmp_path / "spool")
    written = np.empty((0, 4), np.int32)
    for size in (3, 0, 7, 40, 2, 2, 19):
        records = rng.integers(0, 99, (size, 4)).astype(np.int32)
        assert file.append(records) == len(written)
        written = np.concatenate([written, records])

        counts = rng.integers(0, 4, 30)
        firsts = rng.integers(0, len(written) - counts + 1)
        found = file.fetch(firsts, counts)

        pieces = list(zip(firsts.tolist(), counts.tolist(), strict=True))
        expected = [written[first : first + count] for first, count in pieces]
        np.testing.assert_array_equal(found, np.concatenate(expected))
        np.testing.assert_array_equal(file.read(pieces), found)
    file.close()


def test_a_resumed_spool_reads_what_lies_on_disk(tmp_path: Path) -> None:
    """Nothing is in memory after a kill, and what came after the saved state is written over."""
    first = Spool(tmp_path / "spool")
    first.append(np.arange(40, dtype=np.int32).reshape(10, 4))
    first.close()

    second = Spool(tmp_path / "spool")
    second.resume(6)
    second.append(np.full((2, 4), 7, np.int32))
    found = second.fetch(np.array([4, 6]), np.array([2, 2]))

    assert found.tolist() == [[16, 17, 18, 19], [20, 21, 22, 23], [7] * 4, [7] * 4]
    second.close()
