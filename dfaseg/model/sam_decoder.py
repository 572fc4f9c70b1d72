"""Segment Anything's own decoder weights, copied key by key from its official file.

What is copied: the two-way transformer, the upscaling, the position encoding, the IoU token with
all but the last layer of its head, and the embedding that stands for "no prompt", which is added
to every image token and so belongs to the last bias of our neck. The four mask tokens mean
something else than our classes, so class tokens stay random; every class begins with the
hypernetwork of the first mask token, as in SAM-Path (arXiv:2307.09570).

Key projections have a bias there and none here: it shifts all scores of a softmax alike.
"""

import re
from pathlib import Path

from torch import Tensor, nn

from dfaseg.errors import ConfigError
from dfaseg.model.encoder_weights import refuse_misfit
from dfaseg.model.spec import ModelSpec
from dfaseg.model.weight_files import read_weights

_OFFICIAL_PARTS = (
    ("transformer.blocks.", "transformer.layers."),
    (".self_attention.", ".self_attn."),
    (".token_to_image.", ".cross_attn_token_to_image."),
    (".image_to_token.", ".cross_attn_image_to_token."),
    (".final_attention.", ".final_attn_token_to_image."),
    (".norm_final.", ".norm_final_attn."),
    (".norm_self.", ".norm1."),
    (".norm_gather.", ".norm2."),
    (".norm_mlp.", ".norm3."),
    (".norm_image.", ".norm4."),
    (".iou_head.token", ".iou_token.weight"),
    (".iou_head.mlp.0.", ".iou_prediction_head.layers.0."),
    (".iou_head.mlp.2.", ".iou_prediction_head.layers.1."),
    (".mlp.0.", ".mlp.lin1."),
    (".mlp.2.", ".mlp.lin2."),
    (".pixel_decoder.to_stride8.upscale.", ".output_upscaling.0."),
    (".pixel_decoder.to_stride8.norm.", ".output_upscaling.1."),
    (".pixel_decoder.to_stride4.upscale.", ".output_upscaling.3."),
    (".hypernetwork.0.", ".output_hypernetworks_mlps.0.layers.0."),
    (".hypernetwork.2.", ".output_hypernetworks_mlps.0.layers.1."),
    (".hypernetwork.4.", ".output_hypernetworks_mlps.0.layers.2."),
    (
        "mask_decoder.positions.projection",
        "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
    ),
    ("neck.norm_out.bias", "prompt_encoder.no_mask_embed.weight"),
)
"""Pieces of our names, and what stands for them in the official ones."""

_UNUSED = re.compile(
    r"image_encoder\..*"
    r"|prompt_encoder\.(point_embeddings|not_a_point_embed|mask_downscaling)\..*"
    r"|mask_decoder\.(mask_tokens\.|iou_prediction_head\.layers\.2\.).*"
    r"|mask_decoder\.output_hypernetworks_mlps\.[1-9]\..*"
    r"|mask_decoder\.transformer\..*\.k_proj\.bias"
)
"""Official weights that nothing here corresponds to."""

_FRESH = re.compile(
    r"mask_decoder\.(class_tokens|iou_head\.mlp\.4\.(weight|bias)|pixel_decoder\..*\.skip\.weight)"
)
"""Weights of ours that start at random; there, no encoder gives finer maps to add."""


def load_sam_decoder(segmenter: nn.Module, spec: ModelSpec, path: Path) -> None:
    """Fill the decoder of a network with Segment Anything's weights; draws no random numbers.

    Args:
        segmenter: A ``DfaSegmenter``; its neck's last bias is set too.
        spec: Its numbers.
        path: The official file, ``sam_vit_b_01ec64.pth`` (the decoder is the same in all three).

    Raises:
        ConfigError: The network's decoder is not wired as Segment Anything's.
        CheckpointError: The file cannot be read, lacks weights, holds others, or shapes differ.
    """
    if not (spec.sam_decoder and spec.position_encoding and spec.predicts_iou):
        raise ConfigError(
            "decoder weights: only a network with sam_decoder, position_encoding and predicts_iou "
            "has a place for them; use the preset 'sam-path'"
        )
    state = segmenter.state_dict()
    names = [name for name in state if name.startswith("mask_decoder.")]
    official_names = {
        _official_name(name): name
        for name in (*names, "neck.norm_out.bias")
        if not _FRESH.fullmatch(name)
    }
    found = {
        official: _in_our_shape(official_names.get(official, ""), tensor, spec.num_classes)
        for official, tensor in read_weights(path).items()
        if official in official_names or not _UNUSED.fullmatch(official)
    }
    wanted = {official: state[name] for official, name in official_names.items()}
    refuse_misfit("decoder", path, wanted=wanted, found=found)
    copies = {official_names[official]: tensor for official, tensor in found.items()}
    segmenter.load_state_dict(copies, strict=False)


def _official_name(name: str) -> str:
    for ours, theirs in _OFFICIAL_PARTS:
        name = name.replace(ours, theirs)
    return name


def _in_our_shape(name: str, tensor: Tensor, num_classes: int) -> Tensor:
    """Give each class a copy of a hypernetwork; drop the axis of the single embedding."""
    if name.startswith("mask_decoder.hypernetwork."):
        one = tensor.t() if tensor.ndim == 2 else tensor  # ours maps from the left
        return one.expand(num_classes, *one.shape)
    return tensor.flatten() if name == "neck.norm_out.bias" else tensor
