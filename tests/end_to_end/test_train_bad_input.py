"""Whatever is wrong with a training run ends in one clear line, and loses nothing."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from dfaseg.cli.main import cli
from tests.datasets_trees import write_folder_tree, write_pair
from tests.labelled import write_ebhi_tree

QUICK = ("--preset", "tiny", "--epochs", "1", "--batch-size", "2", "--device", "cpu", "--no-plots")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a made-up data set of the genuine layout."""
    write_ebhi_tree(tmp_path / "data")
    return tmp_path / "data"


def _train(root: Path, run_dir: Path, *options: str) -> Result:
    places = ["--dataset", "ebhi", "--root", str(root), "--out", str(run_dir)]
    return CliRunner().invoke(cli, ["train", *places, *QUICK, *options])


def _assert_one_line(result: Result, *parts: str, code: int = 1) -> None:
    assert result.exit_code == code, result.output
    (line,) = [line for line in result.stderr.splitlines() if "error:" in line]
    for part in parts:
        assert part in line
    assert "Traceback" not in result.stderr


def test_mask_with_an_unknown_code_is_named(tree: Path, tmp_path: Path) -> None:
    """File and code are named before anything is trained."""
    mask = tree / "train" / "masks" / "normal_train-1.png"
    pixels = np.ones((224, 224), np.uint8)
    pixels[100, 100] = 77
    cv2.imwrite(str(mask), pixels)

    result = _train(tree, tmp_path / "run")

    _assert_one_line(result, "normal_train-1", "77")
    assert not (tmp_path / "run").exists()


def test_mask_of_another_size_is_named(tree: Path, tmp_path: Path) -> None:
    """An image and its mask must agree."""
    mask = tree / "val" / "masks" / "normal_val-0.png"
    cv2.imwrite(str(mask), np.zeros((224, 200), np.uint8))

    _assert_one_line(_train(tree, tmp_path / "run"), "normal_val-0.png", "200 × 224 px")


def test_validation_without_labels_is_refused_at_once(tmp_path: Path) -> None:
    """No epoch would be the best: the run would end without a model, after all of its epochs."""
    root = _glas_like(tmp_path / "data")
    cv2.imwrite(str(root / "val" / "masks" / "val.png"), np.full((64, 64), 255, np.uint8))

    result = _train(root, tmp_path / "run", "--dataset", "folder")

    _assert_one_line(result, "validation split", "no labelled pixel")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--bias", "hcfa"), ("hcfa", "--baseline")),
        (("--patch-size", "100"), ("patch of 100 px", "multiple of 32")),
        (("--accumulate", "3"), ("batch_size 2", "3 equal parts")),
        (("--preset", "huge"), ("preset 'huge'", "small")),
        (("--encoder", "no_such_net"), ("no_such_net",)),
        (("--encoder-weights", "/no/file.pth"), ("/no/file.pth",)),
        (("--device", "cuda:9"), ("cuda:9",)),
        (("--precision", "fp16"), ("fp16",)),
        (("--loss-weights", "0,0,0"), ("weights",)),
    ],
    ids=lambda value: " ".join(value) if value[0].startswith("--") else "",
)
def test_impossible_setting_is_one_line(
    options: tuple[str, ...], parts: tuple[str, ...], tree: Path, tmp_path: Path
) -> None:
    """What is wrong and what to do; no folder is made."""
    _assert_one_line(_train(tree, tmp_path / "run", *options), *parts)
    assert not (tmp_path / "run").exists()


def test_data_for_testing_only_are_one_line(tmp_path: Path) -> None:
    """They can be scored, but nothing can be learned from them."""
    root = tmp_path / "data"
    write_folder_tree(root, [])
    write_pair(root / "test", "only")

    options = ["--dataset", "folder", "--root", str(root), "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(cli, ["train", *options])

    _assert_one_line(result, "no image in the split 'train'", "each of train, val and test")
    assert not (tmp_path / "run").exists()


def test_unknown_key_in_the_file_is_one_line(tree: Path, tmp_path: Path) -> None:
    """A slip of the pen in a TOML file is not passed over."""
    config = tmp_path / "my.toml"
    config.write_text("[bias]\nmoed = 'dfa'\n")

    result = _train(tree, tmp_path / "run", "--config", str(config))

    _assert_one_line(result, "bias.moed", "did you mean 'bias.mode'?")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("run = 5", "setting 'run': must be a table"),
        ("[run]\nroot = 5", "setting 'run.root': 5 is no text"),
        ("seed = 99999999999999999999", "training.seed 99999999999999999999: must be at most"),
    ],
)
def test_value_of_the_wrong_kind_in_the_file_is_one_line(
    text: str, part: str, tmp_path: Path
) -> None:
    """Also a note of where the data lay, and a number for which torch has no room."""
    config = tmp_path / "my.toml"
    config.write_text(f"dataset = 'ebhi'\n{text}\n")

    options = ["train", "--config", str(config), "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(cli, options)

    _assert_one_line(result, part)


def test_folder_without_a_run_cannot_be_resumed(tree: Path, tmp_path: Path) -> None:
    """The line says what is not there, and what to leave out."""
    _assert_one_line(_train(tree, tmp_path / "run", "--resume"), "last.safetensors", "--resume")


def test_data_set_must_be_named(tmp_path: Path) -> None:
    """Neither file nor option names it: the line says so."""
    result = CliRunner().invoke(cli, ["train", "--out", str(tmp_path / "run")])

    _assert_one_line(result, "'dataset': missing")


def test_baseline_of_other_classes_is_refused(tree: Path, tmp_path: Path) -> None:
    """Its Dice would be given to the wrong classes."""
    _train(tree, tmp_path / "first")
    glas = _glas_like(tmp_path / "folder")

    result = CliRunner().invoke(
        cli,
        [
            "train", "--dataset", "folder", "--root", str(glas), "--out", str(tmp_path / "run"),
            "--bias", "hcfa", "--baseline", str(tmp_path / "first"), *QUICK,
        ],
    )  # fmt: skip

    _assert_one_line(result, "baseline", "classes", "Adenocarcinoma")


def test_run_is_resumed_with_its_own_settings(tree: Path, tmp_path: Path) -> None:
    """--resume needs neither data set nor folder nor settings; others are refused."""
    first = _train(tree, tmp_path / "run", "--loss", "ce", "--seed", "3")
    again = CliRunner().invoke(cli, ["train", "--out", str(tmp_path / "run"), "--resume"])
    changed = CliRunner().invoke(
        cli, ["train", "--out", str(tmp_path / "run"), "--resume", "--lr", "0.5"]
    )

    assert first.exit_code == again.exit_code == 0, again.output
    assert first.stdout == again.stdout
    _assert_one_line(changed, "optimiser.lr 0.001 (now 0.5)")


def test_run_with_weights_of_a_file_is_resumed_from_anywhere(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their path is recorded whole; given again with --resume, it is the same setting."""
    run_dir = tmp_path / "run"
    (tmp_path / "here").mkdir()
    _train(tree, run_dir)
    shutil.copy(run_dir / "model.safetensors", tmp_path / "encoder.safetensors")
    monkeypatch.chdir(tmp_path)
    weights = ("--encoder-weights", "encoder.safetensors")
    first = _train(tree, tmp_path / "second", *weights)
    resume = ["train", "--out", str(tmp_path / "second"), "--resume", "--no-plots"]
    with_option = CliRunner().invoke(cli, [*resume, *weights])
    monkeypatch.chdir(tmp_path / "here")

    elsewhere = CliRunner().invoke(cli, resume)

    assert (first.exit_code, with_option.exit_code) == (0, 0), with_option.output
    assert elsewhere.exit_code == 0, elsewhere.output


def test_run_of_a_file_is_the_run_it_came_from(tree: Path, tmp_path: Path) -> None:
    """A run's config.toml alone makes the same model again."""
    first = _train(tree, tmp_path / "first", "--bias", "cold", "--seed", "5")
    config = tmp_path / "first" / "config.toml"

    again = CliRunner().invoke(
        cli, ["train", "--config", str(config), "--out", str(tmp_path / "again"), "--no-plots"]
    )

    assert first.exit_code == again.exit_code == 0, again.output
    model, other = (tmp_path / name / "model.safetensors" for name in ("first", "again"))
    assert model.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("small_disk", [64, 700, 1200], indirect=True)
def test_full_disk_is_said_and_leaves_whole_files(tree: Path, small_disk: Path) -> None:
    """At whatever file the space ends: settings, model or state."""
    (small_disk / "filler").write_bytes(bytes(60 * 1024))

    result = _train(tree, small_disk / "run")

    _assert_one_line(result, "cannot be written")
    left = [path.name for path in (small_disk / "run").glob("*")]
    assert not [name for name in left if name.endswith(".tmp")]
    assert "last.safetensors" not in left


def _glas_like(root: Path) -> Path:
    """Write a folder data set of two classes."""
    rng = np.random.default_rng(0)
    (root / "classes.toml").parent.mkdir(parents=True)
    (root / "classes.toml").write_text(
        "mpp = 1.0\n"
        "[[class]]\nindex = 0\nname = 'stroma'\ncolour = '#cccccc'\n"
        "[[class]]\nindex = 1\nname = 'gland'\ncolour = '#00aa00'\n"
    )
    for split in ("train", "val", "test"):
        for kind in ("images", "masks"):
            (root / split / kind).mkdir(parents=True)
        image = rng.integers(0, 256, (64, 64, 3), np.uint8)
        mask = rng.integers(0, 2, (64, 64), np.uint8)
        cv2.imwrite(str(root / split / "images" / f"{split}.png"), image)
        cv2.imwrite(str(root / split / "masks" / f"{split}.png"), mask)
    return root
