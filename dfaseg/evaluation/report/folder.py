"""The folder of an evaluation, made without loading what draws its report."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from dfaseg.errors import OutputError, OutputExistsError
from dfaseg.files import explain

SCORES, TABLE, REPORT = "scores.json", "scores.csv", "report.html"
_FORMATS = ("dfaseg-evaluation-", "dfaseg-comparison-")


@contextmanager
def prepared_folder(folder: Path, *, overwrite: bool = False) -> Iterator[None]:
    """Make the folder of an evaluation, before anything expensive is done.

    If what follows fails, folders that were made for it and are empty are taken away again.

    Args:
        folder: Where the files will lie.
        overwrite: Whether earlier ones may be replaced.

    Raises:
        OutputExistsError: It holds scores already.
        OutputError: It cannot be made.
    """
    found = [name for name in (SCORES, TABLE, REPORT) if (folder / name).exists()]
    if found and not overwrite:
        raise OutputExistsError(
            f"output '{folder}': holds {', '.join(found)} already; choose another --out or pass"
            " --overwrite"
        )
    if SCORES in found and not _is_of_evaluation(folder / SCORES):
        raise OutputExistsError(
            f"output '{folder}': its {SCORES} is not one of dfaseg eval, perhaps that of a training"
            " run, and is not replaced; choose another --out"
        )
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"output '{folder}': cannot be made ({explain(error)})") from error
    try:
        yield
    except BaseException:
        for path in missing:
            with suppress(OSError):  # somebody has put something there
                path.rmdir()
        raise


def refuse_folder_of(folder: Path, runs: Sequence[Path]) -> None:
    """Refuse to write a comparison over one of the runs that it compares.

    Args:
        folder: Where the files will lie.
        runs: Folders of the runs, as given.

    Raises:
        OutputError: It is the folder of a run, however either is written.
    """
    for run in runs:
        if folder.exists() and run.exists() and folder.samefile(run):
            raise OutputError(
                f"output '{folder}': is the folder of the compared run '{run}', whose scores would"
                " be lost; choose another --out"
            )


def _is_of_evaluation(path: Path) -> bool:
    """Tell whether scores are those of an evaluation or a comparison; an empty file counts, too."""
    try:
        text = path.read_text(encoding="utf-8")
        return not text or str(json.loads(text)["format"]).startswith(_FORMATS)
    except (OSError, ValueError, KeyError, TypeError):
        return False
