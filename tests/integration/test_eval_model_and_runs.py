"""``dfaseg eval``: a model on a data set's split, and runs side by side."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import tomli_w
from click.testing import CliRunner, Result
from PIL import Image

from dfaseg.cli.main import cli
from dfaseg.datasets import readers
from dfaseg.datasets.dataset import Dataset
from dfaseg.datasets.synthetic import SyntheticSpec, read_synthetic
from dfaseg.evaluation.results import EvalResult
from dfaseg.model.card import default_mpp_range
from dfaseg.model.checkpoint import read_card
from dfaseg.model.resolve import resolve_model
from tests.model_files import write_tiny_model


def few_images() -> Dataset:
    """Return the synthetic data set with three images in each split."""
    return read_synthetic(SyntheticSpec(num_images=(3, 3, 3)))


@pytest.fixture
def run_eval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command on a small data set; returns what it said."""
    monkeypatch.setattr(readers, "MAKERS", {"synthetic": few_images})
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(cli, ["eval", *map(str, arguments)])


def write_model(folder: Path, seed: int, bias: str) -> Path:
    """Write an untrained model of the synthetic classes, and the settings of its run beside it."""
    info = few_images().info
    folder.mkdir()
    (folder / "config.toml").write_text(f'seed = {seed}\n[bias]\nmode = "{bias}"\n')
    return write_tiny_model(
        folder / "model.safetensors",
        num_classes=5,
        classes=info.class_map,
        mpp=info.mpp,
        mpp_range=default_mpp_range(info.mpp),
        seed=seed,
        limits="A model for tests, not for diagnosis.",
    )


def test_model_is_scored_on_images_for_testing_only(
    tmp_path: Path, run_eval: Callable[..., Result]
) -> None:
    """Those of another hospital need no images to train with beside them."""
    info, example = few_images().info, few_images().test[0].read()
    model, root = write_model(tmp_path / "run", 0, "dfa"), tmp_path / "data"
    for name, pixels in (("images", example.image), ("masks", example.label)):
        (root / "test" / name).mkdir(parents=True)
        Image.fromarray(pixels).save(root / "test" / name / "only.png")
    (root / "classes.toml").write_text(
        tomli_w.dumps({"mpp": info.mpp, "class": info.class_map.to_records()})
    )

    said = run_eval(
        "--model", model, "--dataset", "folder", "--root", root, "--out", "scores",
    )  # fmt: skip

    assert said.exit_code == 0, said.output
    record = json.loads(Path("scores/scores.json").read_text(encoding="utf-8"))
    pixels_of_truth = int((example.label != 255).sum())
    assert int(EvalResult.from_record(record).confusion().sum()) == pixels_of_truth


def test_model_is_scored_on_every_image_of_a_split(
    tmp_path: Path, run_eval: Callable[..., Result]
) -> None:
    """The files hold each image, its truth whole, and the report shows pictures."""
    model = write_model(tmp_path / "run", 0, "dfa")

    said = run_eval(
        "--model", model, "--dataset", "synthetic", "--out", "scores", "--objects", "Rare hard",
        "--precision", "fp32",
    )  # fmt: skip

    assert said.exit_code == 0, said.output
    record = json.loads(Path("scores/scores.json").read_text(encoding="utf-8"))
    result = EvalResult.from_record(record)
    images = [example.read() for example in few_images().test]
    assert int(result.confusion().sum()) == sum((image.label != 255).sum() for image in images)
    assert all(case.objects is not None and case.surface is not None for case in result.cases)
    calibration = result.calibration()
    assert calibration is not None
    assert calibration.pixels.sum() == result.confusion().sum()
    assert calibration.right.sum() == result.confusion().trace()
    assert f"{100 * calibration.expected_error:.1f} %" in said.output
    assert result.facts["settings"] == {"bias.mode": "dfa"}
    assert result.facts["precision"] == "fp32"
    assert "not for diagnosis" in " ".join(said.output.split())
    assert "data:image/jpeg" in Path("scores/report.html").read_text(encoding="utf-8")
    assert f"{result.pooled().macro_dice:.4f}" in said.output


def test_model_whose_images_are_too_large_for_objects_says_so(
    tmp_path: Path, run_eval: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is lowered here."""
    monkeypatch.setattr("dfaseg.evaluation.objects.MAX_PIXELS", 100)
    model = write_model(tmp_path / "run", 0, "dfa")

    said = run_eval(
        "--model", model, "--dataset", "synthetic", "--out", "scores", "--objects", "Rare hard"
    )

    assert said.exit_code == 0, said.output
    assert "Objects of Rare hard were not counted" in said.output


def test_evaluated_models_are_compared_as_methods(
    tmp_path: Path, run_eval: Callable[..., Result]
) -> None:
    """Folders of the command are runs of their own, told apart by their settings."""
    folders = []
    for bias, seed in (("dfa", 0), ("dfa", 1), ("none", 0)):
        model = write_model(tmp_path / f"{bias}-{seed}", seed, bias)
        out = f"scores-{bias}-{seed}"
        assert run_eval("--model", model, "--dataset", "synthetic", "--out", out).exit_code == 0
        folders.append(out)

    said = run_eval(*folders, "--out", "compared")

    assert said.exit_code == 0, said.output
    record = json.loads(Path("compared/scores.json").read_text(encoding="utf-8"))
    methods = {method["name"]: method["seeds"] for method in record["methods"]}
    assert methods == {"dfa": [0, 1], "none": [0]}
    assert "dfa" in said.output


def test_model_of_other_classes_is_refused(tmp_path: Path, run_eval: Callable[..., Result]) -> None:
    """Both lists of classes are named."""
    model = write_tiny_model(tmp_path / "other.safetensors")

    said = run_eval("--model", model, "--dataset", "synthetic", "--out", "scores")

    assert said.exit_code == 1
    assert "are not those of data set 'synthetic'" in said.output
    assert not Path("scores").exists()


def test_model_may_be_named_as_for_predict(
    tmp_path: Path, run_eval: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name is looked for in the folder of models, as everywhere."""
    write_tiny_model(tmp_path / "other.safetensors")
    monkeypatch.setenv("DFASEG_MODEL_DIR", str(tmp_path))

    said = run_eval("--model", "other", "--dataset", "synthetic", "--out", "scores")

    assert "are not those of data set 'synthetic'" in said.output


def test_what_is_no_form_of_the_command_is_refused(run_eval: Callable[..., Result]) -> None:
    """The message names the forms."""
    assert run_eval("--out", "scores").exit_code == 2
    assert run_eval("--model", "m", "--out", "scores").exit_code == 2
    needless = run_eval("p.png", "--truth", "t.png", "--dataset", "ebhi", "--out", "scores")
    assert needless.exit_code == 2
    assert "--dataset and --root are what a --model is scored on" in needless.output
    for option in ("--class-map", "--ignore", "--background", "--level0-scale"):
        needless = run_eval("--model", "m", "--dataset", "ebhi", "--out", "scores", option, "2")
        assert needless.exit_code == 2
        assert f"{option} is for predictions" in needless.output
    needless = run_eval("a", "b", "--truth-origin", "4", "4", "--out", "scores")
    assert "--truth-origin is for predictions" in needless.output
    for option in ("--tolerance", "--objects"):
        needless = run_eval("a", "b", "--out", "scores", option, "5")
        assert needless.exit_code == 2
        assert f"{option} has no effect on runs" in needless.output


@pytest.mark.parametrize("name", ["p.png", "mask.zarr"])
def test_predictions_without_truth_are_told_from_runs(
    tmp_path: Path, run_eval: Callable[..., Result], name: str
) -> None:
    """The likeliest slip is to leave --truth out."""
    for path in (tmp_path / name, tmp_path / f"other-{name}"):
        path.mkdir() if path.suffix == ".zarr" else path.touch()

    said = run_eval(name, f"other-{name}", "--out", "scores")

    assert said.exit_code == 1
    assert f"run '{name}': is no folder of a finished run" in said.output
    assert "--truth" in said.output
    assert not Path("scores").exists()


def test_damaged_evaluation_is_named(tmp_path: Path, run_eval: Callable[..., Result]) -> None:
    """With its folder, and what to do."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "scores.json").write_text('{"format": "dfaseg-evaluation-1"}')

    said = run_eval("a", "b", "--out", "scores")

    assert said.exit_code == 1
    assert "run 'a': the record of its evaluation is damaged" in said.output
    assert "evaluate again" in said.output


@pytest.mark.slow
def test_card_of_the_default_model_states_what_is_scored(tmp_path: Path, real_data: Path) -> None:
    """Of the validation split; the test split is left alone."""
    out = tmp_path / "scores"
    arguments = ["--model", "default", "--dataset", "ebhi", "--root", str(real_data / "ebhi_seg")]
    arguments += ["--split", "val", "--precision", "fp32", "--out", str(out)]

    said = CliRunner().invoke(cli, ["eval", *arguments])

    assert said.exit_code == 0, said.output
    pooled = json.loads((out / "scores.json").read_text(encoding="utf-8"))["pooled"]
    stated = read_card(resolve_model(None)).metrics
    assert stated["val"]["macro_dice"] == pytest.approx(pooled["macro_dice"], abs=5e-4)
    for name, scores in pooled["classes"].items():
        assert stated["val"]["classes"][name]["dice"] == pytest.approx(scores["dice"], abs=2e-3)
