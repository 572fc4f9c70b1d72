"""Slides that are named by URL: one, those of a folder in an object store, or of a pattern."""

import glob
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Any

from dfaseg.errors import ConfigError
from dfaseg.slide.identity import identify
from dfaseg.slide.inputs import choose_slides
from dfaseg.storage.network_errors import persistently
from dfaseg.storage.objects import file_system

_WITHOUT_LISTS = ("http://", "https://")
"""Web servers list nothing, and a question mark there begins a query."""
_LISTS = frozenset({".txt", ".csv"})


def find_remote_slides(url: str) -> Sequence[str]:
    """Return the URLs of the slides that one URL stands for.

    A URL whose last part has an ending is a slide, and is not looked up; any other is a folder.

    Args:
        url: Of a slide, a folder, or a pattern such as ``s3://bucket/slides/*.svs``.

    Raises:
        ConfigError: A folder or pattern gives no slide or cannot be listed; the URL is of a list.
    """
    if url.startswith(_WITHOUT_LISTS):
        return [url]
    if glob.has_magic(url):
        return _matches(url)
    suffix = PurePosixPath(identify(url).name).suffix.lower()
    if suffix in _LISTS:
        raise ConfigError(
            f"list '{url}': lists are read from this machine only; copy it here, its paths may be "
            "URLs"
        )
    return [url] if suffix and not url.endswith("/") else _slides_in(url)


def _slides_in(url: str) -> list[str]:
    folder = url.rstrip("/")
    found = _listed(url, lambda files, path: files.ls(path.rstrip("/"), detail=True))
    paths = [str(facts["name"]) for facts in found if facts.get("type") == "file"]
    chosen = choose_slides(sorted(path.rpartition("/")[2] for path in paths))
    if not chosen:
        raise ConfigError(
            f"folder '{url}': no slides in it; folders below are not searched, for those give a "
            f"pattern such as '{folder}/**/*.svs' in quotes"
        )
    return [f"{folder}/{name}" for name in chosen]


def _matches(url: str) -> list[str]:
    # Scanners write brackets into names, too.
    paths = sorted(
        _listed(url, lambda files, path: [path] if files.isfile(path) else files.glob(path))
    )
    if not paths:
        raise ConfigError(f"pattern '{url}': no object matches; check it")
    return [f"{url.partition('://')[0]}://{path.lstrip('/')}" for path in paths]


def _listed(url: str, action: Callable[[Any, str], Any]) -> Any:
    """List something in a store.

    Raises:
        ConfigError: It does not exist, or the store does not answer.
    """
    try:
        files, path = file_system(url)
        files.invalidate_cache()
        return persistently(lambda: action(files, path))
    except FileNotFoundError as error:
        raise ConfigError(f"folder '{url}': there is nothing; check the address") from error
    except OSError as error:
        reason = str(error) or type(error).__name__
        raise ConfigError(
            f"'{url}': cannot be listed ({reason}); check address, access and network"
        ) from error
