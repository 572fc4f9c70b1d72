"""``dfaseg predict`` with a folder: shares, resuming, failures, and what is printed."""

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dfaseg.cli.main import cli
from dfaseg.errors import SlideError, StoppedError
from dfaseg.inference.batch import run as batch_run
from dfaseg.inference.batch.claim_files import create_claim
from dfaseg.inference.batch.claims import Claims, Timing
from dfaseg.inference.batch.events import EventLog, read_events
from dfaseg.inference.batch.outcome import Outcome
from dfaseg.inference.batch.owners import Owner
from dfaseg.inference.batch.run import predict_slides
from dfaseg.inference.batch.spec import BatchSpec, claims_in
from dfaseg.inference.hidden_folder import PUBLISHING
from dfaseg.inference.outputs import OutputPaths
from dfaseg.inference.slide_run import PreparedSlide, Progress
from dfaseg.inference.spec import PredictSpec
from dfaseg.slide.inputs import SlideInput, find_slide_inputs
from dfaseg.stitcher.mask_reader import open_mask
from tests.factories import tissue_like_image, write_tiff_slide
from tests.model_files import write_tiny_model
from tests.predicting import (
    everything_below,
    geojson_of,
    identity_network,
    predict,
    record_of,
    run_command,
    use,
)
from tests.predicting import written_bytes as bytes_of

ENDINGS = ("zarr", "geojson", "overlay.png", "areas.csv", "run.json")


@pytest.fixture(autouse=True)
def network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs use a network that costs nothing, outside of any scheduler's job."""
    use(monkeypatch, network=identity_network(2))
    for name in ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of three small slides; tests only read it."""
    folder = tmp_path_factory.mktemp("slides")
    for number in range(3):
        image = tissue_like_image(100 + 30 * number, 140, seed=number)
        write_tiff_slide(
            folder / f"s{number}.tif", image, tile_px=64, compression="lzw", downsamples=(1,)
        )
    return folder


def run(*arguments: object) -> Result:
    """Run the command on one thread and all of each slide."""
    return run_command(*arguments, "--tissue", "none", "--workers", 1)


def events_of(out: Path) -> list[tuple[str, str]]:
    """Return what happened to which slide, in order."""
    return [(event["id"], event["event"]) for event in read_events(out / "run.jsonl")]


def counts_of(result: Result) -> dict[str, int]:
    """Read the counts that are printed."""
    lines = result.stdout.split("\n\n")[0].splitlines()
    return {line[:17].strip(): int(line[17:]) for line in lines}


def settings(out: Path, **changes: Any) -> PredictSpec:
    """Return what is done to each slide."""
    return PredictSpec(
        slide="", out=out / "x.zarr", tissue="none", workers=1, patch_px=32, overlap_px=8, **changes
    )


def test_each_slide_gets_its_files(tmp_path: Path, slides: Path) -> None:
    """The same as when it is done alone; the folder is made where it is missing."""
    out = tmp_path / "new" / "out"

    result = run(slides, "--out", out)

    assert result.exit_code == 0, result.output
    assert counts_of(result)["done"] == 3
    names = sorted(path.name for path in out.iterdir() if path.name[0] != ".")
    assert names == sorted(["run.jsonl", *(f"s{n}.{end}" for n in range(3) for end in ENDINGS)])
    predict(tmp_path / "s1.zarr", slides / "s1.tif")
    assert bytes_of(out / "s1.zarr") == bytes_of(tmp_path / "s1.zarr")


def test_events_say_what_each_slide_took(tmp_path: Path, slides: Path) -> None:
    """Started and done, with tiles, bytes and memory."""
    run(slides / "s0.tif", "--out", tmp_path)

    started, done = read_events(tmp_path / "run.jsonl")

    assert (started["event"], started["path"]) == ("started", str(slides / "s0.tif"))
    assert done["tiles"] == 6
    size = sum(p.stat().st_size for p in tmp_path.glob("s0.*") if p.is_file())
    size += sum(p.stat().st_size for p in (tmp_path / "s0.zarr").rglob("*") if p.is_file())
    assert done["bytes"] == size
    assert done["seconds"] > 0
    assert done["peak_memory_bytes"] > 10**6


def test_broken_slide_stops_no_other(tmp_path: Path, slides: Path) -> None:
    """It is named with its reason at the end, the exit code is 3, and it is tried again."""
    broken = tmp_path / "broken.svs"
    broken.write_bytes(b"II*\0 no slide")

    result = run(broken, slides, "--out", tmp_path / "out")

    assert result.exit_code == 3
    assert (counts_of(result)["done"], counts_of(result)["failed"]) == (3, 1)
    assert result.stdout.splitlines()[-1].startswith("broken  slide 'broken.svs': no reader under")
    assert ("broken", "failed") in events_of(tmp_path / "out")
    again = run(broken, slides, "--out", tmp_path / "out")
    assert again.exit_code == 3
    assert (counts_of(again)["finished before"], counts_of(again)["failed"]) == (3, 1)


def test_slide_of_too_long_a_name_stops_no_other(tmp_path: Path, slides: Path) -> None:
    """The system refuses even to look for its files; it is one line and no mistake of ours."""
    table = tmp_path / "slides.csv"
    first, second = sorted(slides.glob("*.tif"))[:2]
    table.write_text(f"path,id\n{first},{'y' * 250}\n{second},b\n", encoding="utf-8")

    result = run(table, "--out", tmp_path / "out")

    assert result.exit_code == 3
    assert counts_of(result) == {
        "done": 1,
        "finished before": 0,
        "in work elsewhere": 0,
        "failed": 1,
    }
    assert "choose a shorter one" in result.output
    assert "please report it" not in result.output


def test_first_failure_ends_the_run_where_that_is_asked_for(tmp_path: Path, slides: Path) -> None:
    """With the error as its own."""
    broken = tmp_path / "broken.svs"
    broken.write_bytes(b"II*\0 no slide")

    result = run(broken, slides, "--out", tmp_path / "out", "--on-error", "fail")

    assert result.exit_code == 1
    assert "error: slide 'broken.svs': no reader understands it" in result.stderr
    assert events_of(tmp_path / "out") == [("broken", "failed")]


def test_unexpected_error_stops_no_other_slide(
    tmp_path: Path, slides: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The traceback is in the log, a line in the table."""
    run_slide = batch_run.run_slide

    def fail_once(prepared: PreparedSlide, *arguments: Any, **more: Any) -> Any:
        if prepared.slide.info.slide_id == "s1":
            raise RuntimeError("a mistake\nof ours")
        return run_slide(prepared, *arguments, **more)

    monkeypatch.setattr(batch_run, "run_slide", fail_once)

    result = run(slides, "--out", tmp_path)

    assert result.exit_code == 3
    assert counts_of(result)["done"] == 2
    assert "s1  unexpected RuntimeError: a mistake of ours; please report it" in result.stdout
    assert "Traceback" in result.stderr


def test_finished_slides_are_skipped(tmp_path: Path, slides: Path) -> None:
    """Whatever batch size, threads and device are now."""
    run(slides, "--out", tmp_path)
    before = everything_below(tmp_path)

    result = run(slides, "--out", tmp_path, "--batch-size", 2, "--device", "cpu", "--overwrite")

    assert result.exit_code == 0
    assert counts_of(result)["finished before"] == 3
    assert everything_below(tmp_path) == before


def test_slides_finished_with_other_settings_are_refused(tmp_path: Path, slides: Path) -> None:
    """In words that say which; --overwrite does them anew, and only once."""
    run(slides, "--out", tmp_path)
    other = (slides, "--out", tmp_path, "--overlap", 8)

    refused = run(*other)
    assert refused.exit_code == 3
    assert "finished earlier with overlap_px 16 (now 8); pass --overwrite" in refused.stdout

    assert counts_of(run(*other, "--overwrite"))["done"] == 3
    assert counts_of(run(*other, "--overwrite"))["finished before"] == 3


def test_slide_that_was_replaced_is_not_taken_for_the_old_one(tmp_path: Path) -> None:
    """Names do not count, content does."""
    slide = tmp_path / "s.tif"
    for seed in (1, 2):
        write_tiff_slide(slide, tissue_like_image(90, 90, seed=seed), tile_px=64)
        result = run(slide, "--out", tmp_path / "out")

    assert "finished earlier with another slide file" in result.stdout


def test_equal_ids_are_refused_before_anything_starts(tmp_path: Path, slides: Path) -> None:
    """Both would write the same files."""
    result = run(slides, slides / "s0.tif", "--out", tmp_path / "out")

    assert result.exit_code == 1
    assert "slide id 's0': two slides have it" in result.stderr
    assert not (tmp_path / "out").exists()


def test_table_gives_ids_and_resolutions(tmp_path: Path, slides: Path) -> None:
    """What it says of a slide wins over what the command says of all."""
    table = tmp_path / "slides.csv"
    table.write_text(f"path,id,mpp\n{slides}/s0.tif,coarse,1.0\n{slides}/s0.tif,plain,\n")

    result = run(table, "--out", tmp_path / "out", "--mpp", 0.5)

    assert result.exit_code == 3
    assert "coarse  slide 'coarse': 1 µm/px (from --mpp) does not fit model" in result.stdout
    assert (tmp_path / "out" / "plain.zarr").is_dir()


def test_id_of_a_table_is_the_slide_in_every_result(tmp_path: Path, slides: Path) -> None:
    """Mask, polygons, record and events name the same slide as the files do."""
    table = tmp_path / "slides.csv"
    table.write_text(f"path,id\n{slides}/s0.tif,case 7\nsample,drawn\n")

    result = run(table, "--out", tmp_path / "out")

    assert result.exit_code == 0, result.output
    for slide_id in ("case 7", "drawn"):
        out = tmp_path / "out" / f"{slide_id}.zarr"
        assert open_mask(out).record["slide"]["id"] == slide_id
        assert open_mask(out).record["recipe"]["slide"]["id"] == slide_id
        assert geojson_of(out)["dfaseg"]["slide"] == slide_id
        assert record_of(out)["result"]["slide"]["id"] == slide_id
    assert {slide for slide, _ in events_of(tmp_path / "out")} == {"case 7", "drawn"}
    assert counts_of(run(table, "--out", tmp_path / "out"))["finished before"] == 2


def test_dry_run_writes_nothing(tmp_path: Path, slides: Path) -> None:
    """And says what would become of each slide."""
    (tmp_path / "broken.svs").touch()
    run(slides / "s0.tif", "--out", tmp_path / "out")
    with Claims(claims_in(tmp_path / "out")) as claims:
        claims.take("s1")
        before = everything_below(tmp_path)
        result = run(slides, tmp_path / "broken.svs", "--out", tmp_path / "out", "--dry-run")
        everything = everything_below(tmp_path)

    assert result.exit_code == 0, result.output
    lines = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert "skip" in lines["s0"]
    assert "in work" in lines["s1"]
    assert "process" in lines["s1"]
    assert "run      0.0 megapixels" in lines["s2"]
    assert "fail     slide 'broken.svs'" in lines["broken"]
    assert everything == before
    assert not run(slides, "--out", tmp_path / "new", "--dry-run").exit_code
    assert not (tmp_path / "new").exists()


def test_shares_together_are_all_slides(tmp_path: Path, slides: Path) -> None:
    """Each once; a share may be empty."""
    for index in range(1, 5):
        result = run(slides, "--out", tmp_path, "--shard", f"{index}/4")
        assert result.exit_code == 0, result.output

    done = Counter(slide for slide, event in events_of(tmp_path) if event == "done")
    assert done == {"s0": 1, "s1": 1, "s2": 1}


def test_array_task_does_its_share_but_never_shares_out_one_slide(
    tmp_path: Path, slides: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that was given a slide of its own does it."""
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    monkeypatch.setenv("SLURM_ARRAY_TASK_COUNT", "3")

    several = run(slides, "--out", tmp_path / "several")
    one = run(slides / "s2.tif", "--out", tmp_path / "one")

    assert counts_of(several)["done"] == 1
    assert "share 3/3 (the SLURM array): 1 of 3 slides" in several.stderr
    assert counts_of(one)["done"] == 1


def test_slide_that_another_process_holds_is_left_to_it(tmp_path: Path, slides: Path) -> None:
    """As long as that process lives."""
    with Claims(claims_in(tmp_path)) as claims:
        claims.take("s1")
        result = run(slides, "--out", tmp_path)

    assert result.exit_code == 0
    assert (counts_of(result)["done"], counts_of(result)["in work elsewhere"]) == (2, 1)
    assert counts_of(run(slides, "--out", tmp_path))["done"] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("s0.tif", "s1.tif", "--out", "x.zarr"),
        ("s0.tif", "--out", "x.zarr", "--shard", "1/2"),
        ("s0.tif", "--out", "x.zarr", "--dry-run"),
        ("s0.tif", "--out", "folder", "--geojson", "x.geojson"),
    ],
)
def test_one_and_many_are_not_mixed(
    slides: Path, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mask is of one slide, and options for many need a folder."""
    monkeypatch.chdir(slides)

    result = run(*arguments)

    assert result.exit_code == 2
    assert "folder" in result.stderr


def test_stopped_run_goes_on_in_the_middle_of_a_slide(tmp_path: Path, slides: Path) -> None:
    """Finished slides stay, the one under way keeps its rows, and the end is the same."""
    inputs = find_slide_inputs([str(slides)])
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    predict_slides(BatchSpec(slides=inputs, folder=whole, settings=settings(whole)))
    stop = threading.Event()

    class StopInSecondSlide:
        def __init__(self, place: int) -> None:
            self._place = place

        def __enter__(self) -> Any:
            return lambda done, _all: done and self._place == 2 and stop.set()

        def __exit__(self, *_error: object) -> None:
            pass

    with pytest.raises(StoppedError, match=r"slide 's1': stopped at row .*run the same command"):
        predict_slides(
            BatchSpec(slides=inputs, folder=parts, settings=settings(parts, batch_size=1)),
            show=lambda _slide, place, _count: StopInSecondSlide(place),
            stop=stop,
        )
    assert events_of(parts)[2:] == [("s1", "started"), ("s1", "stopped")]
    report = predict_slides(BatchSpec(slides=inputs, folder=parts, settings=settings(parts)))

    assert [slide.outcome for slide in report.slides] == [
        Outcome.SKIPPED, Outcome.DONE, Outcome.DONE,
    ]  # fmt: skip
    for name in ("s0", "s1", "s2"):
        assert bytes_of(parts / f"{name}.zarr") == bytes_of(whole / f"{name}.zarr")


def test_missing_slide_of_a_list_is_one_failure(tmp_path: Path, slides: Path) -> None:
    """Ten thousand others need not wait for it."""
    (tmp_path / "l.txt").write_text(f"{slides}/gone.tif\n{slides}/s0.tif\n")
    spec = BatchSpec(
        slides=find_slide_inputs([str(tmp_path / "l.txt")]),
        folder=tmp_path / "out",
        settings=settings(tmp_path),
    )

    gone, done = predict_slides(spec).slides

    assert gone.outcome is Outcome.FAILED
    assert "no such file" in gone.reason
    assert done.outcome is Outcome.DONE
    with pytest.raises(SlideError, match="no such file"):
        find_slide_inputs([str(slides / "gone.tif")])


def test_next_slide_is_begun_before_the_last_has_finished(tmp_path: Path, slides: Path) -> None:
    """And let go of when the run is stopped then."""
    held = []
    stop = threading.Event()

    @contextmanager
    def show(slide: SlideInput, _place: int, _count: int) -> Iterator[Progress]:
        def progress(done: int, total: int) -> None:
            if done == total:
                stop.set()

        yield progress
        # The thread that begins the next slide has had the whole end of this one.
        held.append((slide.id, Claims(spec.claims).holder("s1") is not None))

    spec = BatchSpec(
        slides=find_slide_inputs([str(slides)]), folder=tmp_path, settings=settings(tmp_path)
    )

    with pytest.raises(StoppedError, match="stopped after 1 of 3 slides"):
        predict_slides(spec, show=show, stop=stop)

    assert held == [("s0", True)]
    assert Claims(spec.claims).holder("s1") is None
    assert events_of(tmp_path) == [("s0", "started"), ("s0", "done")]


def test_slide_whose_process_died_is_done_last(tmp_path: Path, slides: Path) -> None:
    """If it was the slide that killed it, the others are done before."""
    dead = replace(Owner.of_this_process(), born="1")
    claims_in(tmp_path).prepare()
    create_claim(claims_in(tmp_path), "s0", 0, dead)

    result = run(slides, "--out", tmp_path)

    assert counts_of(result)["done"] == 3
    assert [slide for slide, event in events_of(tmp_path) if event == "done"] == ["s1", "s2", "s0"]


def test_slide_of_a_silent_machine_is_taken_after_a_time(tmp_path: Path, slides: Path) -> None:
    """And one of a machine that shows life is left to it."""
    spec = BatchSpec(
        slides=find_slide_inputs([str(slides)]), folder=tmp_path, settings=settings(tmp_path)
    )
    spec.claims.prepare()
    far = replace(Owner.of_this_process(), machine="node7", host="node7")
    for name in ("s0", "s1"):
        create_claim(spec.claims, name, 0, far)
    end = threading.Event()

    def live() -> None:
        while not end.wait(0.01):
            os.utime(tmp_path / ".dfaseg" / "claims" / "s1.0")

    node = threading.Thread(target=live)
    node.start()
    try:
        report = predict_slides(spec, timing=Timing(beat=0.05, look=0.05, stale=0.3))
    finally:
        end.set()
        node.join()

    s0, s1, s2 = report.slides
    assert (s0.outcome, s2.outcome) == (Outcome.DONE, Outcome.DONE)
    assert (s1.outcome, s1.reason[-8:]) == (Outcome.ELSEWHERE, "on node7")


def test_status_of_a_folder_without_results_says_so(tmp_path: Path) -> None:
    """Noughts alone would look like a run that has not come far."""
    result = CliRunner().invoke(cli, ["status", str(tmp_path)])

    assert result.exit_code == 0, result.output
    assert "no slide was begun here; give the --out of" in result.output


def test_status_says_how_a_folder_stands(tmp_path: Path, slides: Path) -> None:
    """Done, in work and failed; nothing is written."""
    (tmp_path / "broken.svs").touch()
    out = tmp_path / "out"
    run(slides / "s0.tif", tmp_path / "broken.svs", "--out", out)
    events = EventLog(out / "run.jsonl", Owner.of_this_process())
    events.add("started", "s1")
    events.add("started", "s2")
    with Claims(claims_in(out)) as claims:
        claims.take("s1")
        before = everything_below(out)
        result = CliRunner().invoke(cli, ["status", str(out)])
        assert everything_below(out) == before

    assert result.exit_code == 0, result.output
    head, table = result.stdout.split("\n\n")
    assert [line.split()[-1] for line in head.splitlines()[:4]] == ["1", "1", "1", "1"]
    s1, s2, broken = table.splitlines()
    assert broken.startswith("broken  failed       slide 'broken.svs': no reader")
    assert s1.startswith(f"s1      in work      process {os.getpid()} on ")
    assert s2 == "s2      interrupted"
    missing = CliRunner().invoke(cli, ["status", str(tmp_path / "no")])
    assert missing.exit_code == 1
    assert "does not exist; give the --out of dfaseg predict or dfaseg train" in missing.stderr


def test_status_counts_the_time_of_every_attempt(tmp_path: Path) -> None:
    """A slide that went on has all its patches, so the time before it was stopped counts."""
    events = EventLog(tmp_path / "run.jsonl", Owner.of_this_process())
    events.add("stopped", "a", seconds=30.0)
    events.add("failed", "b", seconds=5.0)
    events.add("done", "a", seconds=10.0, tiles=80)

    result = CliRunner().invoke(cli, ["status", str(tmp_path)])

    assert "80 patches in 40 s of work (2.0 per s)" in result.stdout


@pytest.mark.slow
def test_two_processes_share_the_slides_of_a_folder(tmp_path: Path, slides: Path) -> None:
    """Neither does what the other does or has done."""
    model = write_tiny_model(tmp_path / "tiny.safetensors")
    command = [sys.executable, "-m", "dfaseg", "predict", slides, "--out", tmp_path / "out"]
    command += ["--model", model, "--tissue", "none", "--device", "cpu", "--workers", "1"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}

    runs = [subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) for _ in "ab"]

    assert [run.wait() for run in runs] == [0, 0]
    done = [slide for slide, event in events_of(tmp_path / "out") if event == "done"]
    assert sorted(done) == ["s0", "s1", "s2"]


@pytest.mark.parametrize("kept", ["all but the mask", "nothing"])
def test_slide_killed_while_its_files_were_renamed_is_finished(
    tmp_path: Path, slides: Path, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    """Nothing of it is computed again, taken for somebody's file, or left behind."""
    monkeypatch.setattr(OutputPaths, "publish", lambda _paths: None)
    run(slides / "s0.tif", "--out", tmp_path)
    monkeypatch.undo()
    paths = OutputPaths.beside(tmp_path / "s0.zarr")
    (paths.partial / PUBLISHING).touch()
    for final in [paths.mask] if kept == "all but the mask" else paths.finals:
        paths.made(final).rename(final)
    use(monkeypatch, network=identity_network(2))

    result = run(slides / "s0.tif", "--out", tmp_path)

    assert result.exit_code == 0, result.output
    assert counts_of(result)["finished before"] == 1
    assert paths.record.exists()
    assert not paths.partial.exists()


def test_slide_that_was_taken_over_is_left_alone(tmp_path: Path, slides: Path) -> None:
    """Nothing more of it is written here; it goes on if its new holder dies, too."""
    inputs = find_slide_inputs([str(slides / "s1.tif")])
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    predict_slides(BatchSpec(slides=inputs, folder=whole, settings=settings(whole)))
    far = replace(Owner.of_this_process(), machine="node7", host="node7")
    lives = []

    @contextmanager
    def show(_slide: SlideInput, _place: int, _count: int) -> Iterator[Progress]:
        lives.append(read_events(parts / "run.jsonl"))

        def progress(done: int, _total: int) -> None:
            if done > 5 and len(lives) == 1:
                create_claim(spec.claims, "s1", 1, far)

        yield progress

    spec = BatchSpec(
        slides=inputs,
        folder=parts,
        settings=settings(parts, batch_size=1, checkpoint_seconds=0.0),
    )

    report = predict_slides(spec, show=show, timing=Timing(beat=0.05, look=0.02, stale=0.1))

    assert report.slides[0].outcome is Outcome.DONE
    assert events_of(parts) == [("s1", "started"), ("s1", "started"), ("s1", "done")]
    assert bytes_of(parts / "s1.zarr") == bytes_of(whole / "s1.zarr")
