"""The documentation keeps its word: links lead somewhere and examples run."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner

from dfaseg import errors
from dfaseg.annotation import read_class_rules
from dfaseg.classmap import CLASS_KEYS, FILE_KEYS
from dfaseg.cli.main import cli

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted([*REPOSITORY.glob("README.md"), *REPOSITORY.glob("docs/**/*.md")])
EXECUTED_PAGES = sorted(
    [*REPOSITORY.glob("docs/tutorial*.md"), *REPOSITORY.glob("docs/how-to/*.md")]
)
NEEDS_MODEL = "<!-- needs the default model -->"
"""Stands on pages whose examples run the model inside the package."""

_BLOCK = re.compile(
    r"^(?P<run><!-- run -->\n)?```(?P<language>\w*)\n(?P<code>.*?)^```$", re.M | re.S
)
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (?P<text>.+)$", re.M)


@dataclass(frozen=True, slots=True)
class Example:
    """One block of a page that can be run."""

    language: str
    code: str


def _name(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def _prose(page: Path) -> str:
    return _BLOCK.sub("", page.read_text(encoding="utf-8"))


def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    headings = (match["text"].lower() for match in _HEADING.finditer(_prose(page)))
    return {re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-") for text in headings}


def _examples(page: Path) -> Iterator[Example]:
    """Yield Python blocks, and console blocks below a mark, in the order of the page."""
    for match in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        if match["language"] == "python" or match["run"]:
            yield Example(match["language"], match["code"])


def _commands(console: str) -> Iterator[list[str]]:
    """Yield the arguments of each ``$ dfaseg ...`` line; the other lines are output."""
    for line in console.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            program, *arguments = shlex.split(line.removeprefix("$ "))
            assert program == "dfaseg"
            yield arguments


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_relative_links_resolve(page: Path) -> None:
    """Each link to a file, and to a heading in it, has a target."""
    broken = []
    for match in _LINK.finditer(_prose(page)):
        path, _, anchor = match["target"].partition("#")
        if "://" in path or path.startswith("mailto:"):
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(match["target"])

    assert broken == []


def test_every_page_is_reached_from_the_index() -> None:
    """No page is left out of the map."""
    index = REPOSITORY / "docs" / "index.md"
    linked = {
        (index.parent / match["target"].partition("#")[0]).resolve()
        for match in _LINK.finditer(_prose(index))
    }

    missing = [_name(page) for page in index.parent.glob("**/*.md") if page not in linked | {index}]

    assert missing == []


def test_every_error_is_explained() -> None:
    """Whoever catches an error finds out what it means."""
    page = (REPOSITORY / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    classes = [
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.DfasegError)
    ]

    missing = [name for name in classes if f"| `{name}`" not in page]

    assert missing == []


@pytest.mark.parametrize("name", ["annotations.md", "dataset-folder.md"])
def test_class_maps_are_read_and_their_keys_known(name: str, tmp_path: Path) -> None:
    """No key is refused that a page explains or shows."""
    page = (REPOSITORY / "docs" / "reference" / name).read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```toml\n(.*?)^```$", page, re.M | re.S)
    class_map = tmp_path / "classes.toml"
    class_map.write_text(shown, encoding="utf-8")
    table = page.partition("| key | meaning |")[2].partition("\n\n")[0]
    first_cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]

    read_class_rules(class_map)

    keys = {key.strip("[]") for cell in first_cells for key in re.findall("`(.*?)`", cell)}
    assert len(keys) > 5
    assert keys <= CLASS_KEYS | FILE_KEYS


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch's exporter warns; a reader may see that too
@pytest.mark.parametrize(
    "page", [page for page in EXECUTED_PAGES if any(_examples(page))], ids=_name
)
def test_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples of a page run one after another in an empty folder."""
    weights = files("dfaseg.model") / "weights" / "default.safetensors"
    if NEEDS_MODEL in page.read_text(encoding="utf-8") and not weights.is_file():
        pytest.skip("this installation holds no default model")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}

    for example in _examples(page):
        if example.language == "python":
            exec(compile(example.code, _name(page), "exec"), names)
            continue
        for arguments in _commands(example.code):
            result = CliRunner().invoke(cli, arguments)
            assert result.exit_code == 0, result.output
