"""Who holds a slide, and when another may take it."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dfaseg.errors import ClaimLostError
from dfaseg.inference.batch import claims as claims_module
from dfaseg.inference.batch.claim_files import claim_record, create_claim
from dfaseg.inference.batch.claims import Claim, Claims, Held, HolderState, Timing
from dfaseg.inference.batch.owners import Owner, job_name
from dfaseg.sharing.shared_files import DiskFiles

TIMING = Timing(beat=0.01, look=10.0, stale=60.0)
TAKE_AND_WAIT = """
import sys
from pathlib import Path
from dfaseg.inference.batch.claims import Claims
from dfaseg.sharing.shared_files import DiskFiles
with Claims(DiskFiles(Path(sys.argv[1]))) as claims:
    print(type(claims.take("a")).__name__, flush=True)
    sys.stdin.read()
"""
TAKE_ALL = """
import sys
from pathlib import Path
from dfaseg.inference.batch.claims import Claim, Claims
from dfaseg.sharing.shared_files import DiskFiles
with Claims(DiskFiles(Path(sys.argv[1]))) as claims:
    print("ready", flush=True)
    sys.stdin.readline()
    print(*(str(n) for n in range(60) if isinstance(claims.take(str(n)), Claim)), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where claims lie."""
    return tmp_path / "claims"


@pytest.fixture
def claims(folder: Path) -> Iterator[Claims]:
    """Return claims in a folder of their own."""
    with Claims(DiskFiles(folder), TIMING) as opened:
        yield opened


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time that claims see, to be changed in place."""
    clock = [1000.0]
    monkeypatch.setattr(claims_module.time, "monotonic", lambda: clock[0])
    return clock


def start(code: str, folder: Path) -> "subprocess.Popen[str]":
    """Start a process that takes claims."""
    return subprocess.Popen(
        [sys.executable, "-c", code, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def elsewhere() -> Owner:
    """Return a process of another machine."""
    return replace(Owner.of_this_process(), host="node7", machine="node7", pid=1)


def state_of(found: Claim | Held) -> HolderState | None:
    """Return the state of a holder; None for a claim."""
    return found.state if isinstance(found, Held) else None


def test_slide_is_held_once(claims: Claims) -> None:
    """And is free again when it is let go."""
    claim = claims.take("a")
    assert isinstance(claim, Claim)
    assert state_of(claims.take("a")) is HolderState.ALIVE
    assert isinstance(claims.take("a.0"), Claim)

    claims.release(claim)

    again = claims.take("a")
    assert isinstance(again, Claim)
    assert again.number == claim.number + 1


def test_claims_end_with_their_process_part(tmp_path: Path) -> None:
    """What is still held when a run ends in an error is let go."""
    with Claims(DiskFiles(tmp_path)) as claims:
        claims.take("a")

    assert Claims(DiskFiles(tmp_path)).holder("a") is None


def test_holder_gives_signs_of_life(claims: Claims, folder: Path) -> None:
    """Its file's time changes while it is held."""
    claim = claims.take("a")
    assert isinstance(claim, Claim)
    path = folder / claim.name
    os.utime(path, (0, 0))

    for _ in range(200):
        claims_module.time.sleep(0.01)
        if path.stat().st_mtime > 0:
            break

    assert path.stat().st_mtime > 0


def test_killed_process_of_this_machine_is_known_to_be_dead(claims: Claims, folder: Path) -> None:
    """At once; and a slide is taken from it only when that is asked for."""
    with start(TAKE_AND_WAIT, folder) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "Claim\n"
        assert state_of(claims.take("a")) is HolderState.ALIVE
        process.kill()
        process.wait()

    assert state_of(claims.take("a", from_dead=False)) is HolderState.DEAD
    taken = claims.take("a")
    assert isinstance(taken, Claim)
    assert taken.number == 1


def test_process_number_that_was_given_anew_is_not_the_holder(claims: Claims) -> None:
    """After a restart, numbers come back."""
    create_claim(claims.files, "a", 0, replace(Owner.of_this_process(), born="1"))

    assert state_of(claims.take("a", from_dead=False)) is HolderState.DEAD


def test_silent_holder_elsewhere_is_watched_before_its_slide_is_taken(
    claims: Claims, now: list[float]
) -> None:
    """For the whole time, with looks in between: one late look is not enough."""
    create_claim(claims.files, "a", 0, elsewhere())
    assert state_of(claims.take("a")) is HolderState.SILENT
    now[0] += 10_000
    assert state_of(claims.take("a")) is HolderState.SILENT
    for _ in range(3):
        now[0] += 10
        assert state_of(claims.take("a")) is HolderState.SILENT

    now[0] += 10
    taken = claims.take("a")

    assert isinstance(taken, Claim)
    assert taken.number == 1


def test_holder_elsewhere_that_shows_life_keeps_its_slide(
    claims: Claims, folder: Path, now: list[float]
) -> None:
    """Whatever its clock says."""
    create_claim(claims.files, "a", 0, elsewhere())
    for year in range(8):
        found = claims.take("a")
        assert state_of(found) is (HolderState.ALIVE if year else HolderState.SILENT)
        now[0] += 20
        os.utime(folder / "a.0", (year * 3e7, year * 3e7))


def test_slide_let_go_elsewhere_is_free(claims: Claims) -> None:
    """Nobody waits for who has said so."""
    owner = elsewhere()
    create_claim(claims.files, "a", 0, owner)
    claims.files.replace("a.0", claim_record(owner, is_released=True))

    assert isinstance(claims.take("a"), Claim)


def test_holder_learns_that_its_slide_was_taken(claims: Claims) -> None:
    """A process that slept for too long must not go on writing, nor free the other's claim."""
    claim = claims.take("a")
    assert isinstance(claim, Claim)
    claim.check()
    create_claim(claims.files, "a", 1, elsewhere())

    with pytest.raises(ClaimLostError, match="slide 'a': another process has taken it over"):
        claim.check()
    claims.release(claim)

    assert claims.holder("a") is not None


def test_unreadable_claim_is_a_claim(claims: Claims, folder: Path) -> None:
    """Its holder may be about to write it."""
    (folder / "a.0").touch()

    assert state_of(claims.take("a")) is HolderState.SILENT


def test_disk_without_links_will_do(claims: Claims, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some network disks have none."""

    def refuse(*_paths: object) -> None:
        raise OSError(errno.EPERM, "not permitted")

    monkeypatch.setattr(os, "link", refuse)

    assert isinstance(claims.take("a"), Claim)
    assert state_of(claims.take("a")) is HolderState.ALIVE
    assert not create_claim(claims.files, "a", 0, elsewhere())


def test_processes_never_take_the_same_slide(tmp_path: Path) -> None:
    """Two that try all slides at the same moment share them."""
    processes = [start(TAKE_ALL, tmp_path) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    taken = [process.stdout.readline().split() for process in processes if process.stdout]
    for process in processes:
        process.communicate()

    assert sorted(taken[0] + taken[1], key=int) == [str(number) for number in range(60)]


def test_job_is_named_as_slurm_names_it() -> None:
    """With its task where it is one of an array."""
    assert job_name({}) == ""
    assert job_name({"SLURM_JOB_ID": "7"}) == "7"
    assert job_name(
        {"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"}
    ) == "7_2"  # fmt: skip
