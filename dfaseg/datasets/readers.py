"""The data sets by name."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from dfaseg.datasets.bcss import read_bcss
from dfaseg.datasets.bdsa import read_bdsa
from dfaseg.datasets.crag import read_crag
from dfaseg.datasets.dataset import Dataset
from dfaseg.datasets.ebhi import read_ebhi
from dfaseg.datasets.folder import read_folder
from dfaseg.datasets.glas import read_glas
from dfaseg.datasets.synthetic import read_synthetic
from dfaseg.errors import ConfigError, DatasetError

READERS: Mapping[str, Callable[[Path], Dataset]] = {
    "bcss": read_bcss,
    "bcss-certain": partial(read_bcss, unclear="ignore"),
    "bdsa": read_bdsa,
    "crag": read_crag,
    "ebhi": read_ebhi,
    "folder": read_folder,
    "glas": read_glas,
}
"""Data sets that are read from a folder."""

MAKERS: Mapping[str, Callable[[], Dataset]] = {"synthetic": read_synthetic}
"""Data sets that are made up and need no folder."""


def read_dataset(name: str, root: Path | None) -> Dataset:
    """Read a data set as downloaded, or make it.

    Args:
        name: Key of ``READERS`` or ``MAKERS``.
        root: Folder of the data set; None for one that is made.

    Raises:
        ConfigError: The name is unknown, or a folder is missing or of no use.
        DatasetError: The folder is not that data set, not all of it, or must not be read.
    """
    if name in MAKERS:
        if root is not None:
            raise ConfigError(f"data set '{name}': is made, not read; leave out --root")
        return MAKERS[name]()
    if name not in READERS:
        known = ", ".join((*READERS, *MAKERS))
        raise ConfigError(f"data set '{name}': unknown; use one of {known}")
    if root is None:
        raise ConfigError(f"data set '{name}': give its folder with --root")
    try:
        return READERS[name](root)
    except OSError as error:
        raise DatasetError(
            f"data set '{root}': '{error.filename}' cannot be read ({error.strerror}); change its"
            " permissions, or copy it to where it can be read"
        ) from error
