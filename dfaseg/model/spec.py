"""The numbers that define a network, as one plain value."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import UnionType
from typing import Any, Literal, get_args

from dfaseg.errors import ConfigError
from dfaseg.model.class_bias import BiasMode, BiasScope

Activation = Literal["gelu", "hardswish"]
"""Non-linearity of the pixel decoder."""

_LATER_KEYS = frozenset({"second_encoder", "freeze_encoder", "sam_decoder", "has_logit_shift"})
"""Keys that the first model files do not have; their defaults describe those files."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Everything needed to build a network, apart from its weights.

    Attributes:
        encoder: timm model name, or a name of ``known_encoders.KNOWN_ENCODERS``.
        num_classes: Number of classes k.
        embed_dim: Width d of class tokens and image tokens.
        depth: Number of two-way blocks.
        num_heads: Heads of every attention.
        attention_downsample_rate: Narrowing of the inner width of cross-attention.
        mlp_dim: Hidden width of each block's MLP.
        pixel_dim: Width of pixel embeddings.
        activation: Non-linearity of the pixel decoder.
        position_encoding: Whether image tokens know where in the patch they are.
        predicts_iou: Whether an extra token predicts each class's IoU.
        bias_mode: What b is made of.
        bias_scope: Whether layers and heads share b.
        second_encoder: Another encoder whose maps are joined to the first one's; None for one.
        freeze_encoder: Whether the encoders' weights stay as they are, dropout and batch
            statistics included.
        sam_decoder: Whether the decoder is wired in all details as Segment Anything's, so that
            its weights give what they give there.
        has_logit_shift: Whether a number per class is subtracted from the logits.
    """

    encoder: str
    num_classes: int
    embed_dim: int
    depth: int
    num_heads: int
    attention_downsample_rate: int
    mlp_dim: int
    pixel_dim: int
    activation: Activation
    position_encoding: bool
    predicts_iou: bool
    bias_mode: BiasMode = "dfa"
    bias_scope: BiasScope = "shared"
    second_encoder: str | None = None
    freeze_encoder: bool = False
    sam_decoder: bool = False
    has_logit_shift: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            _check_field(field.name, getattr(self, field.name), field.type)
        inner_dim, rest = divmod(self.embed_dim, self.attention_downsample_rate)
        if rest or inner_dim % self.num_heads or self.embed_dim % 2:
            raise ConfigError(
                f"model spec: embed_dim {self.embed_dim} must be even and divisible by "
                f"attention_downsample_rate {self.attention_downsample_rate} times num_heads "
                f"{self.num_heads}; change one of them"
            )

    def to_record(self) -> dict[str, Any]:
        """Return a plain table, fit for JSON, that ``from_record`` reads back."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "ModelSpec":
        """Read a spec from a parsed table.

        Raises:
            ConfigError: A key is unknown or missing, or a value is impossible.
        """
        names = {field.name for field in fields(cls)}
        _refuse_keys(record.keys() - names, "unknown")
        _refuse_keys(names - _LATER_KEYS - record.keys(), "missing")
        return cls(**record)


def _refuse_keys(keys: set[str], problem: str) -> None:
    if keys:
        raise ConfigError(
            f"model spec: {problem} key {', '.join(sorted(keys))}; "
            "the file may come from another version of dfaseg"
        )


def _check_field(name: str, value: object, kind: Any) -> None:
    choices = get_args(kind)
    if isinstance(kind, UnionType):
        is_possible = isinstance(value, kind)
        expected = "a name or nothing"
    elif choices:
        is_possible = value in choices
        expected = f"one of {', '.join(choices)}"
    elif kind is int:
        is_possible = type(value) is int and value >= 1
        expected = "a whole number of 1 or more"
    else:
        is_possible = type(value) is kind
        expected = f"a {kind.__name__}"
    if not is_possible:
        raise ConfigError(f"model spec: {name} is {value!r}; it must be {expected}")
