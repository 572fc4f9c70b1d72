"""``dfaseg predict`` with slides and results in an object store, over HTTP."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from dfaseg.cli.main import cli
from dfaseg.errors import StoppedError
from dfaseg.inference.batch.claims import Claim, Claims, Held
from dfaseg.inference.batch.events import read_events
from dfaseg.inference.batch.spec import claims_in
from dfaseg.storage import network_errors
from dfaseg.storage.objects import create_object, write_object
from dfaseg.storage.store_path import StorePath
from tests.factories import tissue_like_image, write_tiff_slide
from tests.model_files import write_tiny_model
from tests.object_store import CREDENTIALS, ObjectStore, running_store
from tests.predicting import (
    RECORD_ENDING,
    identity_network,
    predict,
    run_command,
    stop_after,
    use,
    written_bytes,
)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ObjectStore]:
    """Return a store that commands of this process speak to, and that is tried again soon."""
    use(monkeypatch, network=identity_network(2))
    monkeypatch.setattr(network_errors, "WAITS_SECONDS", (0.01, 0.01, 0.01))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("SLURM_TMPDIR", str(tmp_path / "tmp"))
    with running_store() as running:
        for name, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": running.url}).items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of two small slides; tests only read it."""
    folder = tmp_path_factory.mktemp("slides")
    for number in range(2):
        write_tiff_slide(
            folder / f"s{number}.tif",
            tissue_like_image(100 + 30 * number, 140, seed=number),
            tile_px=64,
            compression="lzw",
            downsamples=(1,),
        )
    return folder


@pytest.fixture
def remote_slides(store: ObjectStore, slides: Path) -> str:
    """Return the URL of a folder of the same slides in the store."""
    for path in slides.iterdir():
        store.put(f"slides/{path.name}", path.read_bytes())
    return f"{store.bucket}/slides"


def run(*arguments: object) -> Result:
    """Run the command on one thread and all of each slide."""
    return run_command(*arguments, "--tissue", "none", "--workers", 1, "--patch-size", 32)


def results_of(store: ObjectStore, prefix: str) -> dict[str, bytes]:
    """Return the objects of one result, as ``written_bytes`` does those of a folder."""
    return {
        key.removeprefix(prefix): content
        for key, content in store.objects(prefix).items()
        if not key.endswith(RECORD_ENDING)
    }


def test_results_in_a_store_are_those_on_a_disk(
    store: ObjectStore, remote_slides: str, slides: Path, tmp_path: Path
) -> None:
    """Byte for byte, from slides that are read piece by piece; nothing is left elsewhere."""
    local = run(slides, "--out", tmp_path / "out")
    remote = run(remote_slides, "--out", f"{store.bucket}/results")

    assert (local.exit_code, remote.exit_code) == (0, 0), remote.output
    for name in ("s0", "s1"):
        made = results_of(store, f"results/{name}.")
        assert made == written_bytes(tmp_path / "out" / f"{name}.zarr")
        assert len(made) > 8
    hidden = {key.split("/")[1] for key in store.objects("results/.")}
    assert hidden == {".dfaseg"}
    assert not list((tmp_path / "tmp").iterdir())


def test_one_mask_goes_to_a_store(store: ObjectStore, slides: Path, tmp_path: Path) -> None:
    """With compressed polygons elsewhere; what is printed is where things are."""
    out, polygons = f"{store.bucket}/a/x.zarr", f"{store.bucket}/b/x.geojson.gz"

    result = run(slides / "s0.tif", "--out", out, "--geojson", polygons)

    assert result.exit_code == 0, result.output
    assert [f"mask      {out}", f"polygons  {polygons}"] == result.stdout.splitlines()[-5:-3]
    run(slides / "s0.tif", "--out", tmp_path / "x.zarr")
    made = results_of(store, "a/x.") | results_of(store, "b/x.")
    assert set(made) == {*(set(written_bytes(tmp_path / "x.zarr")) - {"geojson"}), "geojson.gz"}
    again = run(slides / "s0.tif", "--out", out)
    assert again.exit_code == 1
    assert f"output '{out}': already there; pass --overwrite" in again.stderr
    mixed = run(slides / "s0.tif", "--out", out, "--geojson", tmp_path / "x.geojson")
    assert "both to a disk or both to an object store" in mixed.stderr


def test_slides_are_found_by_folder_pattern_and_list(
    store: ObjectStore, remote_slides: str, tmp_path: Path
) -> None:
    """As on a disk."""
    store.put("slides/notes.docx", b"")
    store.put("slides/below/deep.tif", b"II*\0")
    (tmp_path / "l.txt").write_text(f"{remote_slides}/s1.tif\n")
    out = f"{store.bucket}/results"

    def found(*arguments: object) -> list[str]:
        result = run(*arguments, "--out", out, "--dry-run")
        return [line.split()[0] for line in result.stdout.splitlines()]

    assert found(f"{remote_slides}/") == ["s0", "s1"]
    assert found(f"{remote_slides}/*.tif") == ["s0", "s1"]
    assert found(f"{remote_slides}/**/d*.tif") == ["deep"]
    assert found(f"{remote_slides}/s0.tif", tmp_path / "l.txt") == ["s0", "s1"]
    none = run(f"{remote_slides}/*.svs", "--out", out)
    assert "no object matches" in none.stderr
    nothing = run(f"{store.bucket}/nowhere", "--out", out)
    assert "s3://bucket/nowhere': " in nothing.stderr
    assert nothing.exit_code == 1


def test_finished_slides_are_skipped_and_others_refused(
    store: ObjectStore, remote_slides: str
) -> None:
    """By their recipe, as on a disk; --overwrite leaves nothing of the old ones."""
    out = f"{store.bucket}/results"
    run(remote_slides, "--out", out)
    first = store.objects("results/s")

    assert "finished before         2" in run(remote_slides, "--out", out).stdout
    assert store.objects("results/s") == first
    refused = run(remote_slides, "--out", out, "--overlap", 8)
    assert refused.exit_code == 3
    assert "finished earlier with overlap_px" in refused.stdout
    store.put("results/s0.zarr/labels/tissue/0/c/7/7", b"of the old mask")
    replaced = run(remote_slides, "--out", out, "--overlap", 8, "--overwrite")
    assert replaced.exit_code == 0, replaced.output
    assert "results/s0.zarr/labels/tissue/0/c/7/7" not in store.objects("results/s0")


def test_objects_of_somebody_else_are_never_replaced(store: ObjectStore, slides: Path) -> None:
    """--overwrite reaches results only."""
    store.put("results/s0.zarr/thesis.docx", b"precious")

    result = run(slides / "s0.tif", "--out", f"{store.bucket}/results/s0.zarr", "--overwrite")

    assert result.exit_code == 1
    assert "was not written by dfaseg" in result.stderr
    assert store.objects() == {"results/s0.zarr/thesis.docx": b"precious"}


def test_files_of_somebody_else_are_never_replaced(store: ObjectStore, slides: Path) -> None:
    """Told by what they say of themselves, as on a disk; a slide is no output either."""
    out = f"{store.bucket}/results"
    run(slides / "s0.tif", "--out", f"{out}/s0.zarr")
    ours = store.objects()
    for name in ("s0.geojson", "s0.areas.csv", "s0.run.json", "s1.overlay.png"):
        store.put(f"results/{name}", b"" if name == "s0.areas.csv" else b"precious")
        mask = f"{out}/{name[:2]}.zarr"
        for options in ((), ("--overwrite",)):
            result = run(slides / f"{name[:2]}.tif", "--out", mask, *options)
            assert result.exit_code == 1
            assert f"{name}': is there already, was not written by dfaseg" in result.stderr
            assert "--overwrite" not in result.stderr
        if f"results/{name}" in ours:
            store.put(f"results/{name}", ours[f"results/{name}"])

    url = store.put("x/a.overlay.png", b"a slide")
    itself = run(url, "--out", f"{store.bucket}/x/a.zarr", "--overwrite")
    assert "a.overlay.png': is the slide itself" in itself.stderr


def test_mask_with_drawn_labels_is_never_replaced(store: ObjectStore, slides: Path) -> None:
    """Nor is anything put into it, nor a slide that lies in it lost."""
    mask = f"{store.bucket}/results/s0.zarr"
    run(slides / "s0.tif", "--out", mask)
    inside = store.put("results/s0.zarr/sl.tif", (slides / "s0.tif").read_bytes())
    before = store.objects()

    held = run(inside, "--out", mask, "--overwrite")
    assert f"output '{mask}': holds the slide '{inside}'" in held.stderr
    foreign = run(slides / "s0.tif", "--out", mask, "--overwrite")
    assert f"output '{mask}': holds 'sl.tif', which dfaseg did not write" in foreign.stderr
    below = run(slides / "s0.tif", "--out", f"{mask}/in.zarr")
    assert f"would lie inside '{mask}'" in below.stderr
    assert store.objects() == before


def test_hidden_objects_of_somebody_else_are_kept(store: ObjectStore, slides: Path) -> None:
    """Before anything is written."""
    store.put("results/.s0.zarr.partial/notes/n.txt", b"precious")

    result = run(slides / "s0.tif", "--out", f"{store.bucket}/results/s0.zarr")

    assert "holds 'notes/n.txt', which no run puts there" in result.stderr
    assert store.objects() == {"results/.s0.zarr.partial/notes/n.txt": b"precious"}


@pytest.mark.parametrize("fault", ["slow", "error", "reset"])
def test_what_fails_for_a_moment_is_tried_again(
    store: ObjectStore, remote_slides: str, fault: str
) -> None:
    """Reads and writes alike, and the result is the same."""
    run(remote_slides, "--out", f"{store.bucket}/whole")
    failed: dict[tuple[str, str], int] = {}

    def every_first(method: str, path: str) -> str | None:
        failed[method, path] = failed.get((method, path), 0) + 1
        return fault if failed[method, path] == 1 else None

    store.misbehave = every_first
    result = run(remote_slides, "--out", f"{store.bucket}/parts")

    assert result.exit_code == 0, result.output
    for name in ("s0", "s1"):
        assert results_of(store, f"parts/{name}.") == results_of(store, f"whole/{name}.")


def test_slide_whose_server_goes_away_fails_and_is_done_later(
    store: ObjectStore, remote_slides: str, slides: Path, tmp_path: Path
) -> None:
    """It is not finished without what could not be read: not one tile of it is called damaged."""
    out = tmp_path / "out"
    reads = [0]

    def vanish(method: str, path: str) -> str | None:
        reads[0] += method == "GET" and path.endswith("s1.tif")
        return "reset" if path.endswith("s1.tif") and reads[0] > 4 else None

    store.misbehave = vanish
    gone = run(remote_slides, "--out", out)

    assert gone.exit_code == 3
    assert f"s1  slide 's1.tif': '{remote_slides}/s1.tif' cannot be read any more" in gone.stdout
    assert not (out / "s1.run.json").exists()
    store.fail_first(0, "")
    assert run(remote_slides, "--out", out).exit_code == 0
    run(slides, "--out", tmp_path / "local")
    assert written_bytes(out / "s1.zarr") == written_bytes(tmp_path / "local" / "s1.zarr")


def test_slide_that_cannot_be_read_in_pieces_is_copied_first(
    store: ObjectStore, tmp_path: Path
) -> None:
    """With --scratch, which the refusal without it names."""
    picture = tmp_path / "p.png"
    Image.fromarray(tissue_like_image(120, 90)).save(picture)
    url = store.put("slides/p.png", picture.read_bytes())
    options = ("--out", f"{store.bucket}/results", "--mpp", 0.5)

    refused = run(url, *options)
    assert "copy it to this machine first, as 'dfaseg predict' does with --scratch" in (
        refused.stdout
    )
    copied = run(url, *options, "--scratch", tmp_path / "tmp")
    assert copied.exit_code == 0, copied.output
    run(picture, "--out", tmp_path / "out", "--mpp", 0.5)
    assert results_of(store, "results/p.") == written_bytes(tmp_path / "out" / "p.zarr")
    assert not list((tmp_path / "tmp").iterdir())


def test_result_whose_upload_breaks_off_is_not_finished(
    store: ObjectStore, slides: Path, tmp_path: Path
) -> None:
    """The object is named; what lies there is known as a leftover and done again."""
    out = f"{store.bucket}/results"

    def refuse(method: str, path: str) -> str | None:
        return "reset" if method in {"PUT", "POST"} and path.endswith("s0.areas.csv") else None

    store.misbehave = refuse
    broken = run(slides / "s0.tif", "--out", out)

    assert broken.exit_code == 3
    assert f"object '{out}/s0.areas.csv': cannot be written" in broken.stdout
    left = store.objects("results/s0")
    assert "results/s0.zarr/labels/tissue/0/c/0/0" in left
    assert not {"results/s0.run.json", "results/s0.zarr/zarr.json"} & set(left)
    store.fail_first(0, "")
    again = run(slides / "s0.tif", "--out", out)
    assert again.exit_code == 0, again.output
    run(slides / "s0.tif", "--out", tmp_path / "x")
    assert results_of(store, "results/s0.") == written_bytes(tmp_path / "x" / "s0.zarr")
    assert not store.objects("results/.s0")


def test_stopped_run_goes_on_from_what_it_put_into_the_store(
    store: ObjectStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Another machine may do that; no row of tiles that is saved there is computed again."""
    slide = write_tiff_slide(tmp_path / "s.tif", tissue_like_image(100, 260), tile_px=64)
    settings: dict[str, Any] = {"patch_px": 32, "overlap_px": 8, "batch_size": 3}
    out = StorePath(f"{store.bucket}/results/s.zarr")
    (tmp_path / "whole").mkdir()
    predict(tmp_path / "whole" / "s.zarr", slide, **settings)

    with pytest.raises(StoppedError):
        predict(out, slide, run=stop_after(5), **settings)
    assert list(store.objects()) == ["results/.s.zarr.partial/parked.tar"]
    assert not list((tmp_path / "tmp").iterdir())
    caplog.set_level("INFO", logger="dfaseg")
    predict(out, slide, **settings)

    assert "going on from row" in caplog.text
    assert results_of(store, "results/s.") == written_bytes(tmp_path / "whole" / "s.zarr")
    assert not store.objects("results/.")


@pytest.mark.slow
def test_kill_while_uploading_leaves_nothing_that_looks_finished(
    store: ObjectStore, tmp_path: Path
) -> None:
    """Killed by the server itself, in the middle; the same command ends with the same bytes."""
    slide = write_tiff_slide(tmp_path / "s.tif", tissue_like_image(100, 260), tile_px=64)
    model = write_tiny_model(tmp_path / "tiny.safetensors")
    command = [sys.executable, "-m", "dfaseg", "predict", slide, "--model", model, "--out"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    out = f"{store.bucket}/results"

    def run_it(target: object) -> "subprocess.Popen[bytes]":
        options = ["--tissue", "none", "--device", "cpu", "--precision", "fp32"]
        return subprocess.Popen([*map(str, [*command, target]), *options], env=environment)

    runs: list[subprocess.Popen[bytes]] = []

    def kill(method: str, path: str) -> str | None:
        if method == "PUT" and path.endswith("s.overlay.png"):
            runs[0].kill()
        return None

    store.misbehave = kill
    runs.append(run_it(out))
    assert runs[0].wait() == -signal.SIGKILL
    left = store.objects("results/s.")
    assert "results/s.geojson" in left
    assert not {"results/s.run.json", "results/s.zarr/zarr.json"} & set(left)
    store.fail_first(0, "")

    assert run_it(out).wait() == 0
    assert run_it(tmp_path / "whole").wait() == 0
    assert results_of(store, "results/s.") == written_bytes(tmp_path / "whole" / "s.zarr")
    assert not list((tmp_path / "tmp").iterdir())


def test_store_that_does_not_answer_is_named(store: ObjectStore, slides: Path) -> None:
    """At once, before any work, in one line."""
    store.misbehave = lambda _method, _path: "reset"

    result = run(slides, "--out", f"{store.bucket}/results")

    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if "error" in line]
    assert line.startswith("dfaseg: error: object 's3://bucket/results/.dfaseg/claims/trial-")


def test_no_answer_is_waited_for_without_limit(store: ObjectStore) -> None:
    """A read has its time-out; to the question whether content may be sent there is none."""
    place = StorePath(f"{store.bucket}/a")

    assert create_object(place, b"content")
    write_object(place, b"other content")

    assert ("PUT", "/bucket/a") in store.requests
    assert not store.asked_first


def test_missing_bucket_is_named(store: ObjectStore, slides: Path) -> None:
    """It is not made."""
    result = run(slides / "s0.tif", "--out", "s3://elsewhere/x.zarr")

    assert result.exit_code == 1
    assert "object 's3://elsewhere/" in result.stderr
    assert not store.objects()


def test_claims_in_a_store_hold(store: ObjectStore) -> None:
    """One process has a slide; it is free when it is let go, and shows signs of life."""
    files = claims_in(StorePath(f"{store.bucket}/results"))
    with Claims(files) as mine, Claims(files) as others:
        claim = mine.take("a")
        assert isinstance(claim, Claim)
        assert isinstance(others.take("a"), Held)
        before = files.look("a.0")
        files.touch("a.0", before.content if before else b"")
        claim.check()
        mine.release(claim)
        again = others.take("a")
        assert isinstance(again, Claim)
        assert again.number == 1


def test_processes_never_take_the_same_slide(store: ObjectStore) -> None:
    """Several that try at the same moment."""
    files = claims_in(StorePath(f"{store.bucket}/results"))
    taken: list[str] = []
    start = threading.Barrier(4)

    def take_all(claims: Claims) -> None:
        start.wait()
        taken.extend(str(n) for n in range(8) if isinstance(claims.take(str(n)), Claim))

    with Claims(files) as claims:
        threads = [threading.Thread(target=take_all, args=(claims,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(taken) == [str(n) for n in range(8)]


def test_store_without_conditional_writes_takes_shares_only(
    store: ObjectStore, slides: Path
) -> None:
    """Claims would hold nobody off there."""
    store.ignores_conditions = True
    out = f"{store.bucket}/results"

    refused = run(slides, "--out", out)
    assert refused.exit_code == 1
    assert "does not know conditional writes" in refused.stderr
    assert "--shard I/N" in refused.stderr
    for part in ("1/2", "2/2"):
        assert run(slides, "--out", out, "--shard", part).exit_code == 0
    assert {f"results/s{n}.run.json" for n in (0, 1)} <= set(store.objects("results/s"))


def test_status_and_events_of_a_store(store: ObjectStore, slides: Path, tmp_path: Path) -> None:
    """What several processes have written is read together."""
    (tmp_path / "broken.svs").write_bytes(b"II*\0")
    out = f"{store.bucket}/results"
    run(slides / "s0.tif", "--out", out)
    run(tmp_path / "broken.svs", "--out", out)

    result = CliRunner().invoke(cli, ["status", out])

    assert result.exit_code == 0, result.output
    assert [line.split()[-1] for line in result.stdout.splitlines()[:4]] == ["1", "0", "0", "1"]
    assert "broken  failed       slide 'broken.svs'" in result.stdout
    events = read_events(StorePath(f"{out}/run.jsonl"))
    # Two processes within a second: only the order of each is known.
    assert [e["event"] for e in events if e["id"] == "s0"] == ["started", "done"]
    assert [e["event"] for e in events if e["id"] == "broken"] == ["failed"]
    assert CliRunner().invoke(cli, ["status", f"{store.bucket}/no"]).exit_code == 1
