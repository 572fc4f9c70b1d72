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
from dfaseg.model.card_parse import (
    FOREIGN_DEFAULTS,
    parse_fields,
    refuse_newer,
    refuse_unknown_keys,
)
from dfaseg.model.card_parts import (
    COARSEST_MPP_FACTOR,
    FORMAT_VERSION,
    IMAGENET_MEAN,
    IMAGENET_STD,
    BiasRecord,
    Normalisation,
    TrainingData,
    default_mpp_range,
)
from dfaseg.model.card_table import CardTable

__all__ = [
    "COARSEST_MPP_FACTOR",
    "FORMAT_VERSION",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "BiasRecord",
    "ModelCard",
    "Normalisation",
    "TrainingData",
    "default_mpp_range",
]


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
    normalisation: Normalisation = field(default_factory=Normalisation)
    pixel_frequencies: tuple[float, ...] = ()
    bias: BiasRecord = field(default_factory=BiasRecord)
    training_data: TrainingData = field(default_factory=TrainingData)
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
            CheckpointError: The file is missing, is not TOML, lacks a key, has one that nobody
                knows or holds a wrong value.
        """
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise CheckpointError(
                f"model card '{path}': cannot be read ({error.strerror}); a network that was not "
                "made by dfaseg needs a card beside it"
            ) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise CheckpointError(f"model card '{path}': not valid TOML ({error})") from error
        if "class" not in table:
            raise CheckpointError(
                f"model card '{path}': needs one table [[class]] with index, name and colour per "
                "class"
            )
        record = {key: value for key, value in table.items() if key != "class"}
        card = cls._from_record(FOREIGN_DEFAULTS | record | {"classes": table["class"]}, path)
        refuse_unknown_keys(table, path)
        return card

    @classmethod
    def _from_record(cls, record: Any, source: Path) -> Self:
        table = CardTable(record, source)
        refuse_newer(table)
        try:
            return cls(**parse_fields(table))
        except (ClassMapError, ConfigError) as error:
            raise CheckpointError(f"model '{source}': {error}; correct its card") from error


def _null_if_not_finite(value: Any) -> Any:
    """Replace NaN and infinities, which JSON cannot hold, all the way down."""
    if isinstance(value, Mapping):
        return {key: _null_if_not_finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_null_if_not_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


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
        (
            len(card.bias.b) % num_classes == 0,
            f"{len(card.bias.b)} numbers in bias.b for {num_classes} classes",
        ),
    ]
    return next((problem for holds, problem in checks if not holds), None)
