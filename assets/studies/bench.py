"""Try out a trained network: change its class bias, silence its attention, replace both."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dfaseg.evaluation.confusion import ConfusionMatrix
from dfaseg.evaluation.metrics import compute_scores
from dfaseg.model.attention import DynamicFocalAttention
from dfaseg.model.segmenter import DfaSegmenter
from dfaseg.training.device import Placement

STEPS = (-3.0, -1.0, 1.0, 3.0)
"""Changes of b that are tried; 3 multiplies a class's attention by 20 before all are rescaled."""
BATCH = 40


class Bench:
    """A trained network and the images to try it on."""

    def __init__(
        self,
        network: DfaSegmenter,
        images: Sequence[NDArray[np.uint8]],
        labels: Sequence[NDArray[np.uint8]],
        placement: Placement,
    ) -> None:
        self.network = network.eval()
        scale = placement.scaling(network.normalisation)
        self.images: Tensor = scale(placement.to_device(np.stack(images)))
        self.labels = np.stack(labels)
        self.attentions: list[DynamicFocalAttention] = [
            module for module in network.modules() if isinstance(module, DynamicFocalAttention)
        ]

    @torch.no_grad()
    def look(self) -> dict[str, Any]:
        """Return the Dice of each class and the masks."""
        size = self.labels.shape[1:]
        masks = []
        for part in torch.split(self.images, BATCH):
            logits = nn.functional.interpolate(self.network(part).logits, size, mode="bilinear")
            masks.append(logits.argmax(dim=1).to(torch.uint8))
        mask = torch.cat(masks).numpy()
        confusion = ConfusionMatrix(self.network.spec.num_classes)
        confusion.update(self.labels, mask)
        return {"dice": compute_scores(confusion).dice, "mask": mask}

    @contextmanager
    def bias_changed(self, change: Tensor) -> Iterator[None]:
        """Add a change to b for as long as the context lasts."""
        delta = self.network.class_bias.delta
        before = delta.detach().clone()
        with torch.no_grad():
            delta.add_(change)
        try:
            yield
        finally:
            with torch.no_grad():
                delta.copy_(before)


def nudge(bench: Bench) -> list[dict[str, Any]]:
    """Change b of one class at a time and see what becomes of the trained network's masks."""
    before = bench.look()
    records = []
    for index in range(bench.network.spec.num_classes):
        for step in STEPS:
            change = torch.zeros(bench.network.spec.num_classes)
            change[index] = step
            with bench.bias_changed(change):
                after = bench.look()
            records.append(
                {
                    "class": index,
                    "step": step,
                    "dice_change": (after["dice"] - before["dice"]).tolist(),
                    "pixels_changed": float((after["mask"] != before["mask"]).mean()),
                }
            )
    return records


@torch.no_grad()
def share_attention(bench: Bench) -> list[dict[str, Any]]:
    """Return, per layer, the mean of a[i, c] and of a[i, c] (1 - a[i, c]) over pixels and heads.

    The latter is what every gradient by b[c] is multiplied with: near 0, b is starved.
    """
    bias = bench.network.class_bias
    facts = []
    for layer, (attention, inputs) in enumerate(
        zip(bench.attentions, _record_inputs(bench), strict=True)
    ):
        weights = attention.attention_weights(*inputs, bias.layer_bias(layer))  # (n, heads, k, hw)
        slopes = weights * (1 - weights)
        facts.append(
            {
                "share": weights.mean(dim=(0, 1, 3)).tolist(),
                "slope": slopes.mean(dim=(0, 1, 3)).tolist(),
            }
        )
    return facts


def silence(bench: Bench) -> dict[str, Any]:
    """Take the whole image -> token attention out: how much does the network use it?"""
    before = bench.look()
    ratios: list[float] = []

    def silenced(_module: nn.Module, inputs: tuple[Tensor, ...], answer: Tensor) -> Tensor:
        varying = answer - answer.mean(dim=1, keepdim=True)
        ratios.append(float(varying.norm() / inputs[0].norm()))
        return torch.zeros_like(answer)

    with ExitStack() as stack:
        for attention in bench.attentions:
            stack.callback(attention.register_forward_hook(silenced).remove)
        after = bench.look()
    return {
        "dice_change": (after["dice"] - before["dice"]).tolist(),
        "pixels_changed": float((after["mask"] != before["mask"]).mean()),
        "varying_answer_over_image": ratios,
    }


def stand_in(bench: Bench) -> dict[str, Any]:
    """Drop b, then let a constant shift of the class tokens' keys do its work.

    For a direction u in which the queries of all pixels have nearly the same component 1, moving
    key c by ``b[c] / scale * u`` adds nearly b[c] to every score of class c.
    """
    bias = bench.network.class_bias.centred()
    given = _record_inputs(bench)
    with_b = bench.look()
    with bench.bias_changed(-bench.network.class_bias.delta.detach()):
        without_b = bench.look()
        with ExitStack() as stack:
            layers = []
            for attention, inputs in zip(bench.attentions, given, strict=True):
                shift, facts = _key_shift(attention, inputs, bias)
                layers.append(facts)
                hook = attention.register_forward_pre_hook(_shifted_keys(shift))
                stack.callback(hook.remove)
            shifted = bench.look()
    return {
        "b_centred": bias.tolist(),
        "layers": layers,
        "dice": with_b["dice"].tolist(),
        "dice_without_b": without_b["dice"].tolist(),
        "dice_with_shift": shifted["dice"].tolist(),
        "pixels_changed_without_b": float((without_b["mask"] != with_b["mask"]).mean()),
        "pixels_changed_with_shift": float((shifted["mask"] != with_b["mask"]).mean()),
    }


def _record_inputs(bench: Bench) -> list[tuple[Tensor, Tensor]]:
    """Return image queries and token keys of each layer for the first images."""
    seen: list[tuple[Tensor, Tensor]] = []
    with torch.no_grad(), ExitStack() as stack:
        for attention in bench.attentions:
            hook = attention.register_forward_pre_hook(
                lambda _module, inputs: seen.append((inputs[0], inputs[1]))
            )
            stack.callback(hook.remove)
        bench.network(bench.images[:BATCH])
    return seen


@torch.no_grad()
def _key_shift(
    attention: DynamicFocalAttention, inputs: tuple[Tensor, Tensor], bias: Tensor
) -> tuple[Tensor, dict[str, Any]]:
    """Return the shift of the tokens that ask for keys, ``(k, d)``, and how good it is."""
    image_queries, token_keys = inputs
    heads = attention.split_heads(attention.q_proj(image_queries))  # (n, heads, hw, head_dim)
    queries = heads.transpose(0, 1).flatten(1, 2)  # (heads, n * hw, head_dim)
    ones = torch.ones(*queries.shape[:2], 1)
    directions = torch.linalg.lstsq(queries, ones).solution  # (heads, head_dim, 1)
    unevenness = (queries @ directions - 1).square().mean(dim=(1, 2)).sqrt()  # (heads,)
    wanted = bias[:, None] / attention.scale * directions.flatten()  # (k, inner_dim)
    shift = wanted @ torch.linalg.pinv(attention.k_proj.weight).T  # (k, d)
    bare, biased = (attention.attention_weights(*inputs, b) for b in (None, bias))
    moved = attention.attention_weights(image_queries, token_keys + shift)
    facts = {
        "unevenness": unevenness.tolist(),
        "shift_over_token": float(shift.norm(dim=1).mean() / token_keys.norm(dim=2).mean()),
        "attention_change_by_b": float((biased - bare).abs().mean()),
        "attention_error_of_shift": float((moved - biased).abs().mean()),
    }
    return shift, facts


def _shifted_keys(shift: Tensor) -> Any:
    def before(_module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        queries, keys, *rest = inputs
        return queries, keys + shift, *rest

    return before
