"""The model card: what a network sees, what it answers, where it comes from, what it is for.

It travels inside our own model files as JSON and beside other people's networks as ``name.toml``.
"""

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from dfaseg.classmap import ClassMap
from dfaseg.errors import CheckpointError, ClassMapError, ConfigError
from dfaseg.geometry import MIN_PLAUSIBLE_MPP
from dfaseg.model.card_table import CardTable

FORMAT_VERSION = 1
"""Version of the card that this package writes, and the newest it reads."""
COARSEST_MPP_FACTOR = 1.5
"""A slide coarser than this times the network's resolution holds too little detail to feed it."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_FOREIGN_DEFAULTS: dict[str, Any] = {
    "format_version": FORMAT_VERSION,
    "description": "",
    "architecture": {},
    "mpp_range": None,
    "overlap_px": None,
    "logit_stride": None,
    "pixel_frequencies": [],
    "bias": {},
    "training_data": {},
    "licence": "unknown",
    "intended_use": "",
    "limits": "",
    "metrics": {},
    "tool_version": "",
    "seed": None,
}
"""What a person need not write beside a network that was not made here."""


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Mean and standard deviation of red, green and blue, for pixel values scaled to 0-1."""

    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    def __post_init__(self) -> None:
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ConfigError("normalisation: mean and std need three numbers each, std above 0")


@dataclass(frozen=True, slots=True)
class BiasRecord:
    """The class bias as trained: its mode and one number per class, in class order.

    Where layers or heads have their own, all follow one another, the classes running fastest.

    Attributes:
        mode: How the bias came about, one of the bias modes of the network.
        b: What was added to the attention logits.
        delta: The learned part of ``b``; empty where nothing was learned.
        b_centred: ``b`` minus its mean; only differences between classes mean anything.
    """

    mode: str = "none"
    b: tuple[float, ...] = ()
    delta: tuple[float, ...] = ()
    b_centred: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Where the training images come from and on which terms."""

    name: str = "unknown"
    licence: str = "unknown"
    attribution: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """Everything a run must know about a network besides its weights.

    Attributes:
        name: Short name, shown in messages and records.
        description: One or two sentences for a person.
        architecture: Record of the ``ModelSpec``; empty for networks that bring their own code.
        classes: The classes, in the order of the logits' channels.
        mpp: Resolution the network was trained at (µm per pixel); slides are resampled to it.
        mpp_range: Finest and coarsest slide resolution (µm per pixel of level 0) fit to feed it.
        patch_px: Side of a patch (px) to predict with.
        overlap_px: Advised overlap (px) of neighbouring patches.
        logit_stride: Patch pixels per logit; None where it must be read from the output.
        normalisation: What is done to pixels before they enter the network.
        pixel_frequencies: Share of each class in the training pixels; empty if unknown.
        bias: The class bias as trained.
        training_data: Origin and terms of the training images.
        licence: Terms of the weights.
        intended_use: What the network is for.
        limits: What it is not for.
        metrics: Measured scores: numbers, or tables of numbers.
        tool_version: Version of this package that trained it.
        seed: Seed of the training run; None if unknown.
        format_version: Version of the card itself.

    Raises:
        ConfigError: Two entries contradict each other or one is out of range.
    """

    name: str
    classes: ClassMap
    mpp: float
    mpp_range: tuple[float, float]
    patch_px: int
    overlap_px: int
    logit_stride: int | None = 4
    description: str = ""
    architecture: Mapping[str, Any] = field(default_factory=dict)
    normalisation: Normalisation = Normalisation()
    pixel_frequencies: tuple[float, ...] = ()
    bias: BiasRecord = BiasRecord()
    training_data: TrainingData = TrainingData()
    licence: str = "unknown"
    intended_use: str = ""
    limits: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    tool_version: str = ""
    seed: int | None = None
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        problem = _contradiction(self)
        if problem:
            raise ConfigError(f"model card '{self.name}': {problem}")

    def accepts_mpp(self, mpp: float) -> bool:
        """Tell whether a slide whose level 0 has this resolution (µm per pixel) may be fed."""
        finest, coarsest = self.mpp_range
        return finest <= mpp <= coarsest

    def to_json(self) -> str:
        """Return the card as JSON whose bytes depend on nothing but the card.

        Scores that are not numbers (a class absent from the split) become null.
        """
        record = asdict(self) | {
            "classes": self.classes.to_records(),
            "metrics": _null_if_not_finite(self.metrics),
        }
        return json.dumps(record, sort_keys=True, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str, source: Path) -> Self:
        """Read a card that ``to_json`` wrote.

        Args:
            text: The card.
            source: The file it was found in, for messages.

        Raises:
            CheckpointError: The card lacks a key, holds a wrong value or is of a newer format.
        """
        try:
            record = json.loads(text)
        except json.JSONDecodeError as error:
            raise CheckpointError(
                f"model '{source}': its card is not valid JSON ({error}); get the file again"
            ) from error
        return cls._from_record(record, source)

    @classmethod
    def from_toml(cls, path: Path) -> Self:
        """Read the card beside a network that was not made here; ``[[class]]`` lists its classes.

        Only name, class, mpp, patch_px and normalisation must be there.

        Raises:
            CheckpointError: The file is missing, is not TOML, lacks a key or holds a wrong value.
        """
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise CheckpointError(
                f"model card '{path}': cannot be read ({error.strerror}); a network that was not "
                "made by dfaseg needs a card beside it"
            ) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise CheckpointError(f"model card '{path}': not valid TOML ({error})") from error
        table["classes"] = table.pop("class", None)  # the table [[class]] of TOML
        return cls._from_record(_FOREIGN_DEFAULTS | table, path)

    @classmethod
    def _from_record(cls, record: Any, source: Path) -> Self:
        table = CardTable(record, source)
        _refuse_newer(table)
        try:
            return cls(**_parse_fields(table))
        except (ClassMapError, ConfigError) as error:
            raise CheckpointError(f"model '{source}': {error}; correct its card") from error


def default_mpp_range(mpp: float) -> tuple[float, float]:
    """Return the slide resolutions (µm per pixel) fit for a network trained at ``mpp``.

    Any finer slide is resampled; a much coarser one lacks the detail.
    """
    return min(MIN_PLAUSIBLE_MPP, mpp), COARSEST_MPP_FACTOR * mpp


def _null_if_not_finite(value: Any) -> Any:
    """Replace NaN and infinities, which JSON cannot hold, all the way down."""
    if isinstance(value, Mapping):
        return {key: _null_if_not_finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_null_if_not_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _refuse_newer(table: CardTable) -> None:
    version = table.integer("format_version")
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"model '{table.source}': written by a newer dfaseg (format {version}, this one reads "
            f"up to {FORMAT_VERSION}); upgrade with: pip install --upgrade dfaseg"
        )


def _parse_fields(table: CardTable) -> dict[str, Any]:
    mpp = table.number("mpp")
    patch_px = table.integer("patch_px")
    finest_coarsest = table.optional("mpp_range", table.pair)
    overlap_px = table.optional("overlap_px", table.integer)
    texts = ("name", "description", "licence", "intended_use", "limits", "tool_version")
    bias, data = table.table("bias"), table.table("training_data")
    normalisation = table.table("normalisation")
    return {
        **{key: table.text(key) for key in texts},
        "classes": ClassMap.from_records(table.records("classes")),
        "mpp": mpp,
        "mpp_range": default_mpp_range(mpp) if finest_coarsest is None else finest_coarsest,
        "patch_px": patch_px,
        "overlap_px": patch_px // 4 if overlap_px is None else overlap_px,
        "logit_stride": table.optional("logit_stride", table.integer),
        "architecture": table.table("architecture").entries,
        "normalisation": Normalisation(normalisation.numbers("mean"), normalisation.numbers("std")),
        "pixel_frequencies": table.numbers("pixel_frequencies"),
        "bias": _parse_bias(bias) if bias.entries else BiasRecord(),
        "training_data": TrainingData(**{key: data.text(key) for key in data.entries}),
        "metrics": table.table("metrics").entries,
        "seed": table.optional("seed", table.integer),
        "format_version": table.integer("format_version"),
    }


def _parse_bias(table: CardTable) -> BiasRecord:
    return BiasRecord(
        table.text("mode"), table.numbers("b"), table.numbers("delta"), table.numbers("b_centred")
    )


def _contradiction(card: ModelCard) -> str | None:
    finest, coarsest = card.mpp_range
    stride = card.logit_stride
    num_classes = len(card.classes)
    checks = [
        (card.mpp > 0, f"mpp {card.mpp} must be above 0"),
        (
            0 <= finest <= card.mpp <= coarsest,
            f"mpp_range {finest:g} to {coarsest:g} must hold mpp {card.mpp:g}",
        ),
        (card.patch_px > 0, f"patch_px {card.patch_px} must be above 0"),
        (
            0 <= card.overlap_px < card.patch_px,
            f"overlap_px {card.overlap_px} must be at least 0 and below patch_px {card.patch_px}",
        ),
        (
            stride is None or (stride > 0 and card.patch_px % stride == 0),
            f"logit_stride {stride} must divide patch_px {card.patch_px}",
        ),
        (
            len(card.pixel_frequencies) in {0, num_classes},
            f"{len(card.pixel_frequencies)} pixel_frequencies for {num_classes} classes",
        ),
    ]
    return next((problem for holds, problem in checks if not holds), None)
