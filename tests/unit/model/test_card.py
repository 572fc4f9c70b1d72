"""The model card is complete, typed and says what is wrong with it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dfaseg.classmap import ClassMap
from dfaseg.errors import CheckpointError
from dfaseg.model.card import BiasRecord, ModelCard, Normalisation, TrainingData, default_mpp_range

SOURCE = Path("model.safetensors")

TOML = """
name = "glands"
mpp = 0.5
patch_px = 512

[normalisation]
mean = [0.5, 0.5, 0.5]
std = [0.25, 0.25, 1]

[[class]]
index = 0
name = "other"
colour = "#808080"

[[class]]
index = 1
name = "gland"
colour = "#ff0000"
"""


@pytest.fixture
def card() -> ModelCard:
    """A card with every entry filled."""
    classes = [
        {"index": 0, "name": "other", "colour": "#808080"},
        {"index": 1, "name": "gland", "colour": "#ff0000"},
    ]
    return ModelCard(
        name="glands",
        description="Glands of the colon, µm by µm",
        architecture={"encoder": "tiny", "depth": 2},
        classes=ClassMap.from_records(classes),
        mpp=0.5,
        mpp_range=default_mpp_range(0.5),
        patch_px=512,
        overlap_px=128,
        pixel_frequencies=(0.7, 0.3),
        bias=BiasRecord("dfa", (0.25, -0.5), (0.25, -0.5), (0.375, -0.375)),
        training_data=TrainingData("GlaS", "research", "Sirinukunwattana et al.", "https://a.b"),
        licence="CC-BY-4.0",
        intended_use="research",
        limits="diagnosis",
        metrics={"dice": 0.9, "per_class": {"gland": 0.8}},
        tool_version="0.1.0",
        seed=7,
    )


def test_card_survives_json(card: ModelCard) -> None:
    """What is written is read back equal, and written again with the same bytes."""
    text = card.to_json()

    again = ModelCard.from_json(text, SOURCE)

    assert again == card
    assert again.to_json() == text


@pytest.mark.parametrize("key", ModelCard.__slots__)
def test_missing_entry_names_file_and_key(card: ModelCard, key: str) -> None:
    """A card without one of its entries is refused by that entry's name."""
    record = json.loads(card.to_json())
    del record[key]

    with pytest.raises(CheckpointError, match=rf"model 'model.safetensors'.* lacks '{key}'; add"):
        ModelCard.from_json(json.dumps(record), SOURCE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mpp": "fine"}, "'mpp' must be a number, not 'fine'"),
        ({"mpp": True}, "'mpp' must be a number, not True"),
        ({"mpp": 0}, r"mpp 0\.0 must be above 0; correct its card"),
        ({"mpp_range": [0.6, 0.7]}, r"mpp_range 0\.6 to 0\.7 must hold mpp 0\.5"),
        ({"mpp_range": [0.6]}, "'mpp_range' must be two numbers"),
        ({"patch_px": 512.5}, "'patch_px' must be a whole number"),
        ({"patch_px": -4, "overlap_px": 0}, "patch_px -4 must be above 0"),
        ({"overlap_px": 512}, "overlap_px 512 must be at least 0 and below"),
        ({"logit_stride": 3}, "logit_stride 3 must divide patch_px 512"),
        ({"name": 3}, "'name' must be text"),
        ({"seed": "x"}, "'seed' must be a whole number"),
        ({"classes": [{"index": 0}]}, "lacks colour, name"),
        ({"classes": 2}, "'classes' must be a list of tables"),
        ({"architecture": []}, "'architecture' must be a table"),
        ({"normalisation": {"mean": [0, 0, 0]}}, r"lacks 'normalisation\.std'"),
        ({"normalisation": {"mean": [0, 0, 0], "std": [1, 1, 0]}}, "std above 0"),
        ({"normalisation": {"mean": [0, 0, "0"], "std": [1, 1, 1]}}, r"'normalisation\.mean' must"),
        ({"pixel_frequencies": [1.0]}, "1 pixel_frequencies for 2 classes"),
        ({"bias": {"mode": "dfa", "b": 1}}, r"'bias\.b' must be a list of numbers"),
        (
            {"bias": {"mode": "dfa", "b": [1.0], "delta": [], "b_centred": []}},
            "1 numbers in bias.b for 2 classes",
        ),
        ({"training_data": {"name": 1}}, r"'training_data\.name' must be text"),
    ],
)
def test_wrong_entry_is_refused_by_name(
    card: ModelCard, change: dict[str, object], message: str
) -> None:
    """An ill-typed or impossible entry is named together with the file."""
    record = json.loads(card.to_json()) | change

    with pytest.raises(CheckpointError, match=rf"model 'model\.safetensors': .*{message}"):
        ModelCard.from_json(json.dumps(record), SOURCE)


def test_newer_format_asks_for_an_upgrade(card: ModelCard) -> None:
    """A card of a later format is refused even when its other entries look strange."""
    text = json.dumps({"format_version": 2, "new": card.name})

    with pytest.raises(CheckpointError, match=r"written by a newer dfaseg .* upgrade"):
        ModelCard.from_json(text, SOURCE)


@pytest.mark.parametrize("text", ["{", "[]", "3", "null"])
def test_text_that_is_no_card_is_refused(text: str) -> None:
    """JSON that is broken or no table is refused."""
    with pytest.raises(CheckpointError, match=r"model 'model\.safetensors'"):
        ModelCard.from_json(text, SOURCE)


def test_undefined_scores_become_null(card: ModelCard) -> None:
    """The score of a class that does not occur is NaN, which JSON cannot hold."""
    scored = replace(card, metrics={"dice": {"gland": float("nan"), "list": [float("inf"), 1.0]}})

    assert ModelCard.from_json(scored.to_json(), SOURCE).metrics == {
        "dice": {"gland": None, "list": [None, 1.0]}
    }


@pytest.mark.parametrize(
    ("mpp", "is_accepted"), [(0.01, False), (0.25, True), (0.5, True), (0.75, True), (0.8, False)]
)
def test_slide_resolution_is_checked(card: ModelCard, mpp: float, is_accepted: bool) -> None:
    """Any finer slide is resampled; one more than half as coarse again lacks the detail."""
    assert card.accepts_mpp(mpp) is is_accepted


def test_toml_card_needs_little(tmp_path: Path) -> None:
    """A card beside a foreign network may leave out what only training knows."""
    path = tmp_path / "net.toml"
    path.write_text(TOML, encoding="utf-8")

    card = ModelCard.from_toml(path)

    assert card.classes.names == ("other", "gland")
    assert card.normalisation == Normalisation((0.5, 0.5, 0.5), (0.25, 0.25, 1.0))
    assert (card.mpp_range, card.overlap_px, card.logit_stride) == ((0.05, 0.75), 128, None)


@pytest.mark.parametrize("key", ["name", "mpp", "patch_px"])
def test_toml_card_names_the_missing_key(tmp_path: Path, key: str) -> None:
    """What cannot be guessed must be written."""
    path = tmp_path / "net.toml"
    path.write_text(TOML.replace(f"{key} =", "other_key =", 1), encoding="utf-8")

    with pytest.raises(CheckpointError, match=rf"net\.toml': its card lacks '{key}'"):
        ModelCard.from_toml(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"overlap = 64\n{TOML}", r"key 'overlap' is unknown \(is 'overlap_px' meant\?\)"),
        (f"{TOML}overlap_px = 64\n", "key 'overlap_px' of table 'class': it belongs above"),
        (
            TOML.replace("std =", "mpp_range = [0.1, 1]\nstd ="),
            "key 'mpp_range' of table 'normalisation': it belongs above the first table; move",
        ),
        (f'{TOML}[training_data]\nlicense = "CC0"\n', "key 'license' of .*'licence' meant"),
    ],
    ids=["misspelt", "after the classes", "in a table", "American"],
)
def test_key_that_means_nothing_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """An overlap that stands in the wrong place would be none, in silence."""
    path = tmp_path / "net.toml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(CheckpointError, match=rf"net\.toml': {message}"):
        ModelCard.from_toml(path)


def test_toml_card_of_a_windows_editor_is_read(tmp_path: Path) -> None:
    """A byte order mark is no part of the first key, as in class maps."""
    path = tmp_path / "net.toml"
    path.write_text(TOML, encoding="utf-8-sig")

    assert ModelCard.from_toml(path).name == "glands"


def test_toml_card_without_classes_says_how_they_are_written(tmp_path: Path) -> None:
    """In TOML the key is ``class``; ``classes`` is the name in our own files."""
    path = tmp_path / "net.toml"
    path.write_text(TOML.replace("[[class]]", "[[classes]]"), encoding="utf-8")

    with pytest.raises(CheckpointError, match=r"needs one table \[\[class\]\] with index, name"):
        ModelCard.from_toml(path)


@pytest.mark.parametrize("text", ["name = ", "\xff"])
def test_broken_toml_is_refused(tmp_path: Path, text: str) -> None:
    """A card that is not TOML is refused by its path."""
    path = tmp_path / "net.toml"
    path.write_bytes(text.encode("latin-1"))

    with pytest.raises(CheckpointError, match="not valid TOML"):
        ModelCard.from_toml(path)


def test_absent_toml_says_that_a_card_is_needed(tmp_path: Path) -> None:
    """A network that was not made here cannot be used without its card."""
    with pytest.raises(CheckpointError, match="needs a card beside it"):
        ModelCard.from_toml(tmp_path / "net.toml")
