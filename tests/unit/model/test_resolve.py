"""Models are found or fetched once, checked, and refused with what to do."""

import hashlib
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants, errors

from dfaseg.errors import CheckpointError, OutputError
from dfaseg.model import resolve
from dfaseg.model.resolve import model_dir, resolve_model

CONTENT = bytes(range(256)) * 10
DIGEST = hashlib.sha256(CONTENT).hexdigest()
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Server(ThreadingHTTPServer):
    """A server on this machine that counts what it is asked."""

    paths: list[str]

    @property
    def url(self) -> str:
        """Address of the one file."""
        return f"http://127.0.0.1:{self.server_port}/some/net.safetensors"


class Handler(BaseHTTPRequestHandler):
    """Serves one file and refuses all else."""

    server: Server

    def do_GET(self) -> None:
        """Answer one request."""
        self.server.paths.append(self.path)
        if self.path != "/some/net.safetensors":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_arguments: object) -> None:
        """Stay silent."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A running server."""
    with Server(("127.0.0.1", 0), Handler) as server:
        server.paths = []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of models."""
    folder = tmp_path / "models"
    monkeypatch.setenv("DFASEG_MODEL_DIR", str(folder))
    return folder


@pytest.mark.parametrize("name", [None, "default"])
def test_default_lies_inside_the_package(monkeypatch: pytest.MonkeyPatch, name: str | None) -> None:
    """Without a wish, the packaged file is used (here one that every installation has)."""
    monkeypatch.setattr(resolve, "_PACKAGED", "README.md")

    assert resolve_model(name).parts[-4:] == ("dfaseg", "model", "weights", "README.md")


def test_installation_without_weights_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stripped installation asks for --model."""
    monkeypatch.setattr(resolve, "_PACKAGED", "none.safetensors")

    with pytest.raises(CheckpointError, match=r"model 'default': .* name one with --model"):
        resolve_model(None)


def test_path_is_taken_as_it_is(tmp_path: Path) -> None:
    """A path names its file."""
    path = tmp_path / "net.safetensors"
    path.touch()

    assert resolve_model(str(path)) == path


@pytest.mark.parametrize("name", ["glands", "glands.safetensors"])
def test_name_is_looked_up_in_the_model_folder(folder: Path, name: str) -> None:
    """A bare name means a file in DFASEG_MODEL_DIR, with or without its suffix."""
    folder.mkdir()
    (folder / "glands.safetensors").touch()

    assert resolve_model(name) == folder / "glands.safetensors"


@pytest.mark.parametrize("name", ["glands", "some/glands.safetensors", "../glands"])
def test_unknown_name_says_where_it_looked(folder: Path, name: str) -> None:
    """The message names the folder and the forms a model can be given in."""
    with pytest.raises(CheckpointError) as caught:
        resolve_model(name)

    assert f"model '{name}': neither a file nor a model in '{folder}'" in str(caught.value)


def test_folder_is_named_as_one(tmp_path: Path) -> None:
    """Whoever gives the folder of a training run learns which file in it is meant."""
    with pytest.raises(CheckpointError, match=r"is a folder; .* model\.safetensors"):
        resolve_model(str(tmp_path))


def test_model_folder_follows_the_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without DFASEG_MODEL_DIR the user's cache folder is used."""
    monkeypatch.delenv("DFASEG_MODEL_DIR")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert model_dir() == tmp_path / "dfaseg" / "models"


def test_url_is_fetched_once(server: Server, folder: Path) -> None:
    """The second time no network is asked."""
    location = f"{server.url}#sha256={DIGEST.upper()}"

    first = resolve_model(location)
    second = resolve_model(location)

    assert first == second == folder / f"{DIGEST[:16]}-net.safetensors"
    assert first.read_bytes() == CONTENT
    assert server.paths == ["/some/net.safetensors"]


def test_damaged_copy_is_fetched_again(server: Server) -> None:
    """A kept file that no longer matches its hash is not trusted."""
    location = f"{server.url}#sha256={DIGEST}"
    path = resolve_model(location)
    path.write_bytes(b"damaged")

    assert resolve_model(location).read_bytes() == CONTENT


def test_wrong_hash_is_refused_and_nothing_kept(server: Server, folder: Path) -> None:
    """What is not what was promised is deleted."""
    with pytest.raises(CheckpointError, match=f"its sha256 is {DIGEST} where 0000"):
        resolve_model(f"{server.url}#sha256={'0' * 64}")

    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("fragment", ["", "#sha256=12ab", "#md5=" + "0" * 64])
def test_url_without_hash_is_refused_unasked(server: Server, fragment: str) -> None:
    """A URL alone promises nothing about what arrives."""
    with pytest.raises(CheckpointError, match="must end in #sha256="):
        resolve_model(server.url + fragment)

    assert server.paths == []


def test_missing_page_is_one_clear_line(server: Server, folder: Path) -> None:
    """The server's answer is in the message, and nothing is left behind."""
    url = server.url.replace("net", "other")

    with pytest.raises(CheckpointError, match=r"cannot be fetched \(HTTP Error 404"):
        resolve_model(f"{url}#sha256={DIGEST}")
    assert list(folder.iterdir()) == []


def test_unreachable_server_is_one_clear_line(server: Server) -> None:
    """A node without a network learns what to do."""
    url = server.url.replace(str(server.server_port), "9")

    with pytest.raises(CheckpointError, match=r"cannot be fetched .*give its path"):
        resolve_model(f"{url}#sha256={DIGEST}")


def test_unusable_model_folder_is_an_output_error(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that cannot be made is named with the variable that chooses it."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("DFASEG_MODEL_DIR", str(tmp_path / "file" / "models"))

    with pytest.raises(OutputError, match="set DFASEG_MODEL_DIR"):
        resolve_model(f"{server.url}#sha256={DIGEST}")


def fill_hub_cache(cache: Path, *names: str) -> Path:
    """Lay out files as the hub's client keeps them."""
    repo = cache / "models--org--repo"
    snapshot = repo / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(COMMIT)
    for name in names:
        (snapshot / name).touch()
    return snapshot


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache, and no way to the hub."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


@pytest.mark.parametrize("revision", ["", "@main", f"@{COMMIT}"])
def test_hub_file_comes_from_the_cache_offline(hub_cache: Path, revision: str) -> None:
    """What was fetched once needs no network."""
    snapshot = fill_hub_cache(hub_cache, "net.safetensors")

    path = resolve_model(f"hf://org/repo/net.safetensors{revision}")

    assert path == snapshot / "net.safetensors"


def test_foreign_hub_file_brings_its_card(hub_cache: Path) -> None:
    """A network that was not made here is useless without the card beside it."""
    snapshot = fill_hub_cache(hub_cache, "net.onnx", "net.toml")

    assert resolve_model("hf://org/repo/net.onnx") == snapshot / "net.onnx"

    (snapshot / "net.toml").unlink()
    with pytest.raises(CheckpointError, match="not in the cache"):
        resolve_model("hf://org/repo/net.onnx")


def test_uncached_hub_file_offline_says_so(hub_cache: Path) -> None:
    """A node without a network learns to fetch the file elsewhere first."""
    assert not hub_cache.exists()

    with pytest.raises(CheckpointError, match="not in the cache, and the hub cannot be reached"):
        resolve_model("hf://org/repo/net.safetensors")


@pytest.mark.parametrize("location", ["hf://org/repo", "hf://repo/", "hf://org/repo/file@"])
def test_malformed_hub_location_is_refused(location: str) -> None:
    """The message shows the form."""
    with pytest.raises(CheckpointError, match="not of the form hf://org/repo/file"):
        resolve_model(location)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (errors.GatedRepoError, "grant access on request"),
        (errors.RepositoryNotFoundError, "no such repository"),
        (errors.RevisionNotFoundError, "no such revision"),
        (errors.RemoteEntryNotFoundError, "holds no such file"),
        (errors.HFValidationError, "not a valid repository name"),
        (ConnectionError, r"cannot be fetched \(two lines\)"),
    ],
)
def test_hub_errors_are_mapped(
    monkeypatch: pytest.MonkeyPatch, kind: type[Exception], message: str
) -> None:
    """Every failure of the hub becomes one line that says what to do."""
    error = kind.__new__(kind)
    error.args = ("two\nlines",)

    def fail(*_arguments: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)

    with pytest.raises(CheckpointError, match=f"model 'hf://org/repo/file': .*{message}"):
        resolve_model("hf://org/repo/file")
