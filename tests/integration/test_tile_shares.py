"""``dfaseg tile`` by several jobs: each does its part of the slides, and the folder is whole."""

import csv
from pathlib import Path

import pytest

from dfaseg.cutting import many
from tests.cutting import run_tile, slide_file, write_annotations, written_files

SQUARE = [(40, 40), (360, 40), (360, 360), (40, 360)]


@pytest.fixture
def slides(tmp_path: Path) -> list[Path]:
    """Five slides."""
    return [slide_file(tmp_path, f"s{index}", seed=index) for index in range(5)]


def summary_of(out: Path) -> list[str]:
    """Return the slides that the summary lists."""
    with (out / "slides.csv").open(encoding="utf-8") as file:
        return [line["slide"] for line in csv.DictReader(file)]


def cut_in(stdout: str) -> list[str]:
    """Return the slides that a run tells of."""
    return [
        line.split()[0] for line in stdout.splitlines() if line.startswith("s") and "100." in line
    ]


def test_shares_together_leave_what_one_run_does(tmp_path: Path, slides: list[Path]) -> None:
    """Each slide is cut by one job, and all files are those of a single run."""
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    assert run_tile(*slides, "--out", alone, "--save", "png").exit_code == 0

    done: list[str] = []
    for index in range(1, 4):
        result = run_tile(*slides, "--out", shared, "--save", "png", "--shard", f"{index}/3")
        assert result.exit_code == 0, result.output
        done += cut_in(result.stdout)

    assert sorted(done) == ["s0", "s1", "s2", "s3", "s4"]
    files = {name: content for name, content in written_files(shared).items() if name[0] != "."}
    assert files == written_files(alone)


def test_shares_make_one_data_set(tmp_path: Path, slides: list[Path]) -> None:
    """Classes, splits and manifest are those of a single run, whichever job ends last."""
    drawn = tmp_path / "drawn"
    drawn.mkdir()
    for slide, name in zip(slides, ("tumour", "stroma", "tumour", "stroma", "tumour"), strict=True):
        write_annotations(drawn / f"{slide.stem}.geojson", [(name, SQUARE)])
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    options = ("--annotations", drawn)
    assert run_tile(*slides, "--out", alone, *options).exit_code == 0

    for index in (2, 1):
        result = run_tile(*slides, "--out", shared, *options, "--shard", f"{index}/2")
        assert result.exit_code == 0, result.output

    for name in ("manifest.csv", "slides.csv"):
        assert (shared / name).read_bytes() == (alone / name).read_bytes()


def test_array_task_does_its_share_but_never_shares_out_one_slide(
    tmp_path: Path, slides: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that was given a slide of its own does it."""
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "1")
    monkeypatch.setenv("SLURM_ARRAY_TASK_COUNT", "5")

    several = run_tile(*slides, "--out", tmp_path / "several")
    one = run_tile(slides[3], "--out", tmp_path / "one")

    assert len(cut_in(several.stdout)) == 1
    assert "share 2/5 (the SLURM array): 1 of 5 slides" in several.stderr
    assert cut_in(one.stdout) == ["s3"]


def test_slide_finished_by_another_job_meanwhile_is_listed(
    tmp_path: Path, slides: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that has listed the slides writes again where one has come while it wrote."""
    out, write = tmp_path / "out", many.write_summary
    assert run_tile(*slides[:2], "--out", out, "--shard", "1/2").exit_code == 0

    def write_late(*arguments: object) -> None:
        monkeypatch.setattr(many, "write_summary", write)
        assert run_tile(*slides[:2], "--out", out, "--shard", "2/2").exit_code == 0
        assert summary_of(out) == ["s0", "s1"]
        write(*arguments)

    monkeypatch.setattr(many, "write_summary", write_late)
    assert run_tile(*slides[:2], "--out", out, "--shard", "1/2").exit_code == 0

    assert summary_of(out) == ["s0", "s1"]


def test_failed_slide_of_a_share_is_one_of_many(tmp_path: Path, slides: list[Path]) -> None:
    """Though it is the only one of its share: the exit code is that of some that failed."""
    slides[0].write_bytes(b"nothing")

    codes = [
        run_tile(*slides[:2], "--out", tmp_path / "out", "--shard", f"{index}/2").exit_code
        for index in (1, 2)
    ]

    assert sorted(codes) == [0, 3]
    assert summary_of(tmp_path / "out") == ["s1"]


def test_part_that_does_not_exist_is_refused(tmp_path: Path, slides: list[Path]) -> None:
    """Before anything is written."""
    result = run_tile(*slides, "--out", tmp_path / "out", "--shard", "4/3")

    assert result.exit_code == 2
    assert "part 4 of 3 does not exist" in result.stderr
    assert not (tmp_path / "out").exists()
