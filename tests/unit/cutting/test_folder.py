"""A slide's files take their places together, beside those of others."""

import json
import shutil
from pathlib import Path

import pytest

from dfaseg.cutting.folder import SlideFolder
from dfaseg.errors import OutputError

EARLIER = {
    "a/a.tiles.csv": "old",
    "a/a.tiles.parquet": "old",
    "a/a.pairs.csv": "old",
    "a/a.tiles.json": json.dumps({"files": ["images/a_x5_y5.png", "patches/a.h5"]}),
    "a/patches/a_x0_y0.png": "old",
    "a/patches/a_x5_y5.jpg": "old",
    "images/a_x5_y5.png": "old",
    "patches/a.h5": "old",
}
OTHERS = {
    "a/review.txt": "dear",
    "a/patches/notes.txt": "dear",
    "a/patches/b_x0_y0.png": "dear",
    "images/b_x0_y0.png": "dear",
}
MADE = {
    "a/a.tiles.csv": "new",
    "a/a.tiles.json": json.dumps({"files": ["images/a_x0_y0.png"]}),
    "a/patches/a_x0_y0.png": "new",
    "images/a_x0_y0.png": "new",
}


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")


def _read(folder: Path) -> dict[str, str]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in paths}


def test_only_own_files_are_replaced(tmp_path: Path) -> None:
    """Those of an earlier run go, those of others stay, and nothing hidden is left."""
    folder = SlideFolder(tmp_path, "a")
    _write(tmp_path, EARLIER | OTHERS)
    _write(folder.tree, MADE)

    folder.publish()

    assert _read(tmp_path) == MADE | OTHERS
    assert not folder.partial.exists()


@pytest.mark.parametrize("others", [{}, OTHERS])
def test_killed_at_any_step_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: dict[str, str]
) -> None:
    """A record is never beside files of another run, and others' files are never gone."""
    num_kills = 0
    while True:
        out = tmp_path / str(num_kills)
        folder = SlideFolder(out, "a")
        _write(out, EARLIER | others)
        _write(folder.tree, MADE)

        with monkeypatch.context() as patched:
            was_killed = _publish_until(folder, num_kills, patched)
        there = _read(out)
        assert others.items() <= there.items()
        if there.get("a/a.tiles.json") == MADE["a/a.tiles.json"]:
            assert MADE.items() <= there.items()
        folder.finish_publishing()

        assert _read(out) == MADE | others
        shutil.rmtree(out)
        if not was_killed:
            break
        num_kills += 1
    assert num_kills > len(EARLIER)


def _publish_until(folder: SlideFolder, num_steps: int, patched: pytest.MonkeyPatch) -> bool:
    """Publish, but end at a change of the disk after some; tell whether that came."""
    left = iter(range(num_steps))
    for name in ("unlink", "replace", "rename", "rmdir", "mkdir"):
        original = getattr(Path, name)

        def change(*given: object, original: object = original, **named: object) -> object:
            if next(left, None) is None:
                raise KeyboardInterrupt
            assert callable(original)
            return original(*given, **named)

        patched.setattr(Path, name, change)
    try:
        folder.publish()
    except KeyboardInterrupt:
        return True
    return False


def test_name_without_room_for_endings_is_refused(tmp_path: Path) -> None:
    """It fails this slide, in one line, and not all of them."""
    with pytest.raises(OutputError, match=r"too long a name .* at most 220"):
        SlideFolder(tmp_path, "y" * 221)
