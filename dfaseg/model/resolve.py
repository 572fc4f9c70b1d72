"""Where a model comes from: the package, a path, a URL or the Hugging Face hub.

What was fetched once is kept, and then no network is asked: a compute node without one runs what a
login node fetched.
"""

import hashlib
import http.client
import logging
import os
import re
import ssl
import sys
import urllib.error
import urllib.request
from importlib.resources import as_file, files
from pathlib import Path
from urllib.parse import unquote, urlsplit

from dfaseg.errors import CheckpointError, OutputError
from dfaseg.files import write_aside
from dfaseg.model.checkpoint import hash_file
from dfaseg.model.hub import fetch_hub_file

DEFAULT_MODEL = "default"
"""Name of the model inside the package."""
MODEL_DIR_VARIABLE = "DFASEG_MODEL_DIR"
"""Environment variable: folder where named models lie and fetched ones are kept."""

log = logging.getLogger(__name__)

_PACKAGED = "default.safetensors"
_READ_BYTES = 1 << 20
_TIMEOUT_S = 30
_FETCH_FAILURES = (
    urllib.error.URLError,
    http.client.HTTPException,
    ssl.SSLError,
    ConnectionError,
    TimeoutError,
    ValueError,
)
_SHA256 = re.compile(r"sha256=([0-9a-fA-F]{64})")
_HUB_LOCATION = re.compile(r"hf://([^/@]+/[^/@]+)/([^@]+?)(?:@(.+))?")


def resolve_model(name: str | None) -> Path:
    """Return the model file a user asked for, fetching it if need be.

    Args:
        name: None or ``default`` (the packaged model), a path, a name (``NAME.safetensors`` in the
            folder ``DFASEG_MODEL_DIR``), ``https://...#sha256=HEX`` or
            ``hf://org/repo/file[@revision]``.

    Raises:
        CheckpointError: There is no such model, or it cannot be fetched, or is not what its hash
            promises.
        OutputError: What was fetched cannot be kept.
    """
    if name is None or name == DEFAULT_MODEL:
        return _packaged_model()
    if name.startswith("hf://"):
        return _fetch_from_hub(name)
    if name.startswith(("https://", "http://")):
        return _fetch_url(name)
    return _find_local(name)


def local_model_files(name: str | None) -> list[Path]:
    """Return the files of a model on this machine, its card beside it included.

    Args:
        name: As for ``resolve_model``.

    Returns:
        None for the model inside the package, one that is fetched, and one that is not there.
    """
    if name is None or name == DEFAULT_MODEL or "://" in name:
        return []
    try:
        path = _find_local(name)
    except CheckpointError:
        return []
    card = path.with_suffix(".toml")
    return [path, card] if card.is_file() else [path]


def model_dir() -> Path:
    """Return the folder of named and fetched models; it need not exist."""
    chosen = os.environ.get(MODEL_DIR_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    return _cache_home() / "dfaseg" / "models"


def _cache_home() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _packaged_model() -> Path:
    with as_file(files("dfaseg.model") / "weights" / _PACKAGED) as path:
        if not path.is_file():
            raise CheckpointError(
                "model 'default': this installation holds none; name one with --model"
            )
        return path


def _find_local(name: str) -> Path:
    path = Path(name).expanduser()
    if path.is_file():
        return path
    named = model_dir() / name
    for candidate in (named, named.with_name(f"{named.name}.safetensors")):
        if path.name == name and candidate.is_file():
            return candidate
    if path.is_dir():
        raise CheckpointError(
            f"model '{name}': is a folder; give the file in it, model.safetensors of a training run"
        )
    raise CheckpointError(
        f"model '{name}': neither a file nor a model in '{model_dir()}'; give a path, a URL with "
        f"#sha256=, hf://org/repo/file, or set {MODEL_DIR_VARIABLE} to the folder of your models"
    )


def _fetch_url(location: str) -> Path:
    url, _, fragment = location.partition("#")
    match = _SHA256.fullmatch(fragment)
    if not match:
        raise CheckpointError(
            f"model '{location}': a URL must end in #sha256= and 64 hexadecimal digits, so that "
            "what arrives can be checked; ask whoever published it for the hash"
        )
    wanted = match[1].lower()
    file_name = Path(unquote(urlsplit(url).path)).name or "model.safetensors"
    path = model_dir() / f"{wanted[:16]}-{file_name}"
    if path.is_file() and hash_file(path) == wanted:
        return path
    _make_folder(path.parent)
    with write_aside(path) as aside:
        found = _download(url, aside)
        if found != wanted:
            raise CheckpointError(
                f"model '{url}': its sha256 is {found} where {wanted} was promised; nothing was "
                "kept; check the hash with whoever published it"
            )
    return path


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"model folder '{folder}': cannot be made ({error.strerror}); "
            f"set {MODEL_DIR_VARIABLE} to one that can"
        ) from error


def _download(url: str, path: Path) -> str:
    """Fetch a URL to a file and return the sha256 of what came."""
    log.info("fetching model '%s'", url)
    digest = hashlib.sha256()
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response, path.open("wb") as file:
            while block := response.read(_READ_BYTES):
                file.write(block)
                digest.update(block)
    except _FETCH_FAILURES as error:
        raise CheckpointError(
            f"model '{url}': cannot be fetched ({error}); check the address and the network, or "
            "fetch it elsewhere and give its path"
        ) from error
    return digest.hexdigest()


def _fetch_from_hub(location: str) -> Path:
    match = _HUB_LOCATION.fullmatch(location)
    if not match:
        raise CheckpointError(
            f"model '{location}': not of the form hf://org/repo/file or hf://org/repo/file@revision"
        )
    repo, file_name, revision = match.groups()
    path = fetch_hub_file(f"model '{location}'", repo, [file_name], revision)
    if path.suffix != ".safetensors":  # other people's networks have their card beside them
        card_name = str(Path(file_name).with_suffix(".toml").as_posix())
        fetch_hub_file(f"model '{location}'", repo, [card_name], revision)
    return path
