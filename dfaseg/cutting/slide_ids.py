"""Which ids slides cannot have, because their folders lie among other files of the results."""

from collections.abc import Iterable

from dfaseg.cutting.class_file import CLASS_FILE
from dfaseg.cutting.folder import SHARED_FOLDERS
from dfaseg.cutting.manifest import MANIFEST_FILE
from dfaseg.cutting.summary import SUMMARY_FILE
from dfaseg.errors import ConfigError
from dfaseg.slide.inputs import SlideInput

_TAKEN = frozenset({*SHARED_FOLDERS, SUMMARY_FILE, CLASS_FILE, MANIFEST_FILE})


def refuse_taken_ids(sources: Iterable[SlideInput]) -> None:
    """Make sure that no slide's folder is in the place of another file, before anything is cut.

    Raises:
        ConfigError: One is.
    """
    for source in sources:
        if source.id in _TAKEN:
            raise ConfigError(
                f"slide id '{source.id}': is the name of another file or folder of the results;"
                " give the slide another id in the column id of a .csv list"
            )
