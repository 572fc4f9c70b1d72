"""The one number per class that shifts attention: b of Dynamic Focal Attention, in seven modes."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from dfaseg.errors import ConfigError

BiasMode = Literal["none", "cffa", "hcfa", "dfa", "dfa_anchored", "frozen_init", "cold"]
BiasScope = Literal["shared", "layer", "head"]


@dataclass(frozen=True, slots=True)
class BiasRule:
    """What one bias mode adds up.

    Attributes:
        is_anchored: The fixed log prior is part of b.
        starts_warm: delta starts at the warm start; otherwise at 0.
        is_learned: delta is trained.
        prior_source: What the log prior is made of: class frequencies or a baseline run's Dice.
    """

    is_anchored: bool
    starts_warm: bool
    is_learned: bool
    prior_source: Literal["frequencies", "dice"] = "frequencies"


BIAS_RULES: dict[BiasMode, BiasRule] = {
    "none": BiasRule(is_anchored=False, starts_warm=False, is_learned=False),
    "cffa": BiasRule(is_anchored=True, starts_warm=False, is_learned=False),
    "hcfa": BiasRule(is_anchored=True, starts_warm=False, is_learned=False, prior_source="dice"),
    "dfa": BiasRule(is_anchored=False, starts_warm=True, is_learned=True),
    # The anchor already holds the whole prior: a warm start on top would count it twice.
    "dfa_anchored": BiasRule(is_anchored=True, starts_warm=False, is_learned=True),
    "frozen_init": BiasRule(is_anchored=False, starts_warm=True, is_learned=False),
    "cold": BiasRule(is_anchored=False, starts_warm=False, is_learned=True),
}


class ClassBias(nn.Module):
    """The class bias ``b = (log_prior where anchored) + delta`` (arXiv:2604.13479).

    Every mode keeps the same two tensors, so state dictionaries of all modes have one layout, and
    none draws a random number, so all modes leave equal weights elsewhere for equal seeds.

    Only differences between classes matter: softmax does not see a shift common to all class
    tokens. ``centred`` is therefore what to report. (Where the decoder has an IoU token, whose
    bias is 0, a common shift moves attention between that token and the classes.)

    Attributes:
        delta: Deviation of each class, ``(k,)``, ``(layers, k)`` or ``(layers, heads, k)`` by
            scope; a parameter in every mode, trained only where ``learned``.
        log_prior: What was known before training, ``(k,)``; zero where nothing was given.
        learned: Whether the optimiser moves delta.
    """

    delta: nn.Parameter
    log_prior: Tensor

    def __init__(
        self,
        *,
        num_classes: int,
        mode: BiasMode,
        scope: BiasScope,
        num_layers: int,
        num_heads: int,
    ) -> None:
        super().__init__()
        if mode not in BIAS_RULES:
            raise ConfigError(f"bias mode '{mode}': unknown; use one of {', '.join(BIAS_RULES)}")
        shapes: dict[BiasScope, tuple[int, ...]] = {
            "shared": (num_classes,),
            "layer": (num_layers, num_classes),
            "head": (num_layers, num_heads, num_classes),
        }
        if scope not in shapes:
            raise ConfigError(f"bias scope '{scope}': unknown; use one of {', '.join(shapes)}")
        self.rule = BIAS_RULES[mode]
        self.scope = scope
        self.learned = self.rule.is_learned
        self.delta = nn.Parameter(torch.zeros(shapes[scope]), requires_grad=self.learned)
        self.register_buffer("log_prior", torch.zeros(num_classes))

    def start_from(self, log_prior: Tensor, delta: Tensor) -> None:
        """Take over what is known before training.

        Args:
            log_prior: Log prior of each class, ``(k,)``.
            delta: Warm start of each class, ``(k,)``; used by the modes that start warm, in every
                layer and head.
        """
        with torch.no_grad():
            self.log_prior.copy_(log_prior)
            if self.rule.starts_warm:
                self.delta.copy_(delta.expand_as(self.delta))

    def bias(self) -> Tensor:
        """Return b, ``(k,)``, ``(layers, k)`` or ``(layers, heads, k)`` by scope."""
        return self.log_prior + self.delta if self.rule.is_anchored else self.delta

    def layer_bias(self, layer: int) -> Tensor:
        """Return b of one decoder layer, ``(k,)`` or ``(heads, k)``."""
        bias = self.bias()
        return bias if self.scope == "shared" else bias[layer]

    def centred(self) -> Tensor:
        """Return b minus its mean over the classes, the part that softmax sees; no gradient."""
        bias = self.bias().detach()
        return bias - bias.mean(dim=-1, keepdim=True)

    def delta_parameters(self) -> list[nn.Parameter]:
        """Return the parameters for delta's own optimiser group; empty where it is not learned."""
        return [self.delta] if self.learned else []
