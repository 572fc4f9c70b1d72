"""The folder of an evaluation, made without loading what draws its report."""

from pathlib import Path

from dfaseg.errors import OutputError, OutputExistsError
from dfaseg.files import explain

SCORES, TABLE, REPORT = "scores.json", "scores.csv", "report.html"


def prepare_folder(folder: Path, *, overwrite: bool = False) -> None:
    """Make the folder of an evaluation, before anything expensive is done.

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
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"output '{folder}': cannot be made ({explain(error)})") from error
