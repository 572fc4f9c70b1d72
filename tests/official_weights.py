"""Made-up weight files with the names and shapes of published ones, small or of full size.

Every weight is one number, drawn from its name and repeated without memory of its own, so that a
file of full layout is small and each weight can be told from the others.
"""

import zlib
from argparse import Namespace
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class VitSize:
    """Sizes of a vision transformer; by default those of SAM's ViT-B."""

    dim: int = 768
    depth: int = 12
    num_heads: int = 12
    grid: int = 64
    window: int = 14
    global_blocks: tuple[int, ...] = (2, 5, 8, 11)


SMALL_VIT = VitSize(dim=8, depth=2, num_heads=2, grid=2, window=3, global_blocks=(1,))
HIPT_VIT = VitSize(dim=384, num_heads=6, grid=14)


def fill(shapes: Shapes) -> dict[str, Tensor]:
    """Return one distinct number per name, seen in the wanted shape."""
    return {
        name: torch.tensor([zlib.crc32(name.encode()) / 2**32]).expand(shape)
        for name, shape in shapes.items()
    }


def sam_shapes(
    encoder: VitSize | None = None, *, dim: int = 256, mlp_dim: int = 2048, depth: int = 2
) -> Shapes:
    """Return names and shapes of Segment Anything's official file."""
    size = encoder or VitSize()
    return (
        _sam_encoder(size, dim)
        | _sam_prompt_encoder(dim)
        | _two_way_transformer(dim, mlp_dim, depth)
        | _sam_heads(dim)
    )


def dino_file(size: VitSize) -> dict[str, Any]:
    """Return a file of DINO's training program, as HIPT publishes it."""
    backbone = {f"backbone.{name}": shape for name, shape in vit_shapes(size).items()}
    head = {"head.mlp.0.weight": (4, size.dim), "head.last_layer.weight_g": (4, 1)}
    student = {f"module.{name}": shape for name, shape in (backbone | head).items()}
    return {
        "student": fill(student),
        "teacher": fill(backbone | head),
        "optimizer": {"state": {}, "param_groups": [{"lr": 1e-4}]},
        "epoch": 100,
        "args": Namespace(arch="vit_small", lr=5e-4),
    }


def vit_shapes(size: VitSize, *, has_layer_scale: bool = False) -> Shapes:
    """Return names and shapes of a plain vision transformer with a class token."""
    dim = size.dim
    shapes: Shapes = {
        "cls_token": (1, 1, dim),
        "pos_embed": (1, size.grid**2 + 1, dim),
        **_affine("patch_embed.proj", (dim, 3, 16, 16)),
        **_affine("norm", (dim,)),
    }
    for block in range(size.depth):
        start = f"blocks.{block}"
        shapes |= _block(start, dim, ("mlp.fc1", "mlp.fc2"))
        if has_layer_scale:
            shapes |= {f"{start}.ls1.gamma": (dim,), f"{start}.ls2.gamma": (dim,)}
    return shapes


def transformers_shapes(size: VitSize) -> Shapes:
    """Return names and shapes of a DINOv2 network of the package transformers (Phikon-v2)."""
    dim = size.dim
    shapes: Shapes = {
        "embeddings.cls_token": (1, 1, dim),
        "embeddings.mask_token": (1, dim),
        "embeddings.position_embeddings": (1, size.grid**2 + 1, dim),
        **_affine("embeddings.patch_embeddings.projection", (dim, 3, 16, 16)),
        **_affine("layernorm", (dim,)),
    }
    for block in range(size.depth):
        start = f"encoder.layer.{block}"
        shapes |= _affine(f"{start}.norm1", (dim,)) | _affine(f"{start}.norm2", (dim,))
        for part in ("attention.query", "attention.key", "attention.value", "output.dense"):
            shapes |= _affine(f"{start}.attention.{part}", (dim, dim))
        shapes |= {f"{start}.layer_scale{i}.lambda1": (dim,) for i in (1, 2)}
        shapes |= _affine(f"{start}.mlp.fc1", (4 * dim, dim))
        shapes |= _affine(f"{start}.mlp.fc2", (dim, 4 * dim))
    return shapes


def _affine(name: str, weight: tuple[int, ...]) -> Shapes:
    return {f"{name}.weight": weight, f"{name}.bias": weight[:1]}


def _block(start: str, dim: int, mlp: tuple[str, str]) -> Shapes:
    return {
        **_affine(f"{start}.norm1", (dim,)),
        **_affine(f"{start}.norm2", (dim,)),
        **_affine(f"{start}.attn.qkv", (3 * dim, dim)),
        **_affine(f"{start}.attn.proj", (dim, dim)),
        **_affine(f"{start}.{mlp[0]}", (4 * dim, dim)),
        **_affine(f"{start}.{mlp[1]}", (dim, 4 * dim)),
    }


def _sam_encoder(size: VitSize, neck_dim: int) -> Shapes:
    shapes: Shapes = {
        "pos_embed": (1, size.grid, size.grid, size.dim),
        **_affine("patch_embed.proj", (size.dim, 3, 16, 16)),
        "neck.0.weight": (neck_dim, size.dim, 1, 1),
        **_affine("neck.1", (neck_dim,)),
        "neck.2.weight": (neck_dim, neck_dim, 3, 3),
        **_affine("neck.3", (neck_dim,)),
    }
    for block in range(size.depth):
        start = f"blocks.{block}"
        side = size.grid if block in size.global_blocks else size.window
        table = (2 * side - 1, size.dim // size.num_heads)
        shapes |= _block(start, size.dim, ("mlp.lin1", "mlp.lin2"))
        shapes |= {f"{start}.attn.rel_pos_h": table, f"{start}.attn.rel_pos_w": table}
    return {f"image_encoder.{name}": shape for name, shape in shapes.items()}


def _sam_prompt_encoder(dim: int) -> Shapes:
    masks: Shapes = {
        **_affine("mask_downscaling.0", (4, 1, 2, 2)),
        **_affine("mask_downscaling.1", (4,)),
        **_affine("mask_downscaling.3", (16, 4, 2, 2)),
        **_affine("mask_downscaling.4", (16,)),
        **_affine("mask_downscaling.6", (dim, 16, 1, 1)),
    }
    shapes: Shapes = {
        "pe_layer.positional_encoding_gaussian_matrix": (2, dim // 2),
        **{f"point_embeddings.{index}.weight": (1, dim) for index in range(4)},
        "not_a_point_embed.weight": (1, dim),
        "no_mask_embed.weight": (1, dim),
        **masks,
    }
    return {f"prompt_encoder.{name}": shape for name, shape in shapes.items()}


def _attention(name: str, dim: int, inner_dim: int) -> Shapes:
    shapes: Shapes = {}
    for part in ("q_proj", "k_proj", "v_proj"):
        shapes |= _affine(f"{name}.{part}", (inner_dim, dim))
    return shapes | _affine(f"{name}.out_proj", (dim, inner_dim))


def _two_way_transformer(dim: int, mlp_dim: int, depth: int) -> Shapes:
    shapes: Shapes = {
        **_attention("final_attn_token_to_image", dim, dim // 2),
        **_affine("norm_final_attn", (dim,)),
    }
    for index in range(depth):
        start = f"layers.{index}"
        shapes |= _attention(f"{start}.self_attn", dim, dim)
        shapes |= _attention(f"{start}.cross_attn_token_to_image", dim, dim // 2)
        shapes |= _attention(f"{start}.cross_attn_image_to_token", dim, dim // 2)
        shapes |= _affine(f"{start}.mlp.lin1", (mlp_dim, dim))
        shapes |= _affine(f"{start}.mlp.lin2", (dim, mlp_dim))
        for norm in ("norm1", "norm2", "norm3", "norm4"):
            shapes |= _affine(f"{start}.{norm}", (dim,))
    return {f"mask_decoder.transformer.{name}": shape for name, shape in shapes.items()}


def _sam_heads(dim: int) -> Shapes:
    shapes: Shapes = {
        "iou_token.weight": (1, dim),
        "mask_tokens.weight": (4, dim),
        "output_upscaling.0.weight": (dim, dim // 4, 2, 2),
        "output_upscaling.0.bias": (dim // 4,),
        **_affine("output_upscaling.1", (dim // 4,)),
        "output_upscaling.3.weight": (dim // 4, dim // 8, 2, 2),
        "output_upscaling.3.bias": (dim // 8,),
        **_affine("iou_prediction_head.layers.0", (dim, dim)),
        **_affine("iou_prediction_head.layers.1", (dim, dim)),
        **_affine("iou_prediction_head.layers.2", (4, dim)),
    }
    for token in range(4):
        start = f"output_hypernetworks_mlps.{token}.layers"
        shapes |= _affine(f"{start}.0", (dim, dim)) | _affine(f"{start}.1", (dim, dim))
        shapes |= _affine(f"{start}.2", (dim // 8, dim))
    return {f"mask_decoder.{name}": shape for name, shape in shapes.items()}
