"""What a run may leave in the hidden folder, so that nobody else's things are removed with it."""

import re
from collections.abc import Container, Iterable
from pathlib import Path

from dfaseg.annotation.geojson import is_own_geojson
from dfaseg.errors import OutputError, OutputExistsError
from dfaseg.files import LOCK_FILE, explain
from dfaseg.inference.parked import PARKED_FILE
from dfaseg.inference.state import RECIPE_FILE, STATE_FILE
from dfaseg.storage.store_path import Place

PUBLISHING = "publishing"
"""Says: all is made, only names are missing."""
POLYGON_SPOOL = "polygons.spool"
"""Holds the borders of unfinished regions."""
REPLACED = "replaced-"
"""Begins the name of what was at a final place before."""
_OWN = frozenset({LOCK_FILE, PUBLISHING, POLYGON_SPOOL, PARKED_FILE, STATE_FILE, RECIPE_FILE})
_PASSING = re.compile(r"\..+\.[0-9a-f]{8}\.tmp|\.nfs[0-9a-f]+")
"""Files that were being written when a run was killed, or that a network disk keeps for a while."""
_POLYGON_ENDINGS = (".geojson", ".json", ".geojson.gz", ".json.gz")
_HEAD_BYTES = 4096


def refuse_foreign_hidden(hidden: Path, finals: Iterable[Path]) -> None:
    """Make sure that a hidden folder, which a run empties and removes, holds only what runs make.

    Args:
        hidden: The folder; need not exist.
        finals: Where the files go that are made in it.

    Raises:
        OutputExistsError: It holds something else.
        OutputError: It cannot be read.
    """
    if not hidden.is_dir():
        return
    made = {final.name for final in finals}
    plain = {name.removesuffix(".gz") for name in made}
    own = _OWN | made | plain | {f"{REPLACED}{name}" for name in made}
    try:
        foreign = [entry.name for entry in hidden.iterdir() if not _is_made(entry, own)]
    except OSError as error:
        raise OutputError(f"output folder '{hidden}': cannot be read ({explain(error)})") from error
    if foreign:
        raise foreign_in_hidden(hidden, min(foreign))


def refuse_other_polygons(hidden: Path, polygons: Path) -> None:
    """Make sure that finished polygons do not wait under another name, to be removed with the rest.

    Args:
        hidden: A folder whose files only wait for their places.
        polygons: Where polygons go now.

    Raises:
        OutputExistsError: Polygons of an earlier command wait there.
    """
    for entry in hidden.iterdir():
        if entry.name != polygons.name and _is_polygons(entry):
            raise OutputExistsError(
                f"output folder '{hidden}': finished polygons '{entry.name}' wait in it for their "
                f"place; give the command of that run again, with --geojson FOLDER/{entry.name}"
            )


def foreign_in_hidden(hidden: Place, name: str) -> OutputExistsError:
    """Return the error for something in a hidden place that no run puts there."""
    return OutputExistsError(
        f"output folder '{hidden}': holds '{name}', which no run puts there and which would be "
        "lost; move that away or choose another --out"
    )


def _is_made(entry: Path, own: Container[str]) -> bool:
    """Tell whether a run of ours has made something in the hidden folder."""
    is_known = entry.name in own or _PASSING.fullmatch(entry.name) is not None
    return is_known or _is_polygons(entry)


def _is_polygons(entry: Path) -> bool:
    """Tell whether a run whose --geojson had another name has left its polygons."""
    if not entry.name.endswith(_POLYGON_ENDINGS) or not entry.is_file():
        return False
    with entry.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return not head or is_own_geojson(head)
