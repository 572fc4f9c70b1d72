"""The data sets by name."""

from collections.abc import Callable, Mapping
from pathlib import Path

from dfaseg.datasets.dataset import Dataset
from dfaseg.datasets.ebhi import read_ebhi
from dfaseg.datasets.glas import read_glas
from dfaseg.errors import ConfigError

READERS: Mapping[str, Callable[[Path], Dataset]] = {
    "ebhi": read_ebhi,
    "glas": read_glas,
}


def read_dataset(name: str, root: Path) -> Dataset:
    """Read a data set as downloaded.

    Args:
        name: Key of ``READERS``.
        root: Folder of the data set.

    Raises:
        ConfigError: The name is unknown.
        DatasetError: The folder is not that data set, or not all of it.
    """
    if name not in READERS:
        raise ConfigError(f"data set '{name}': unknown; use one of {', '.join(READERS)}")
    return READERS[name](root)
