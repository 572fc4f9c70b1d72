"""Segment Anything's decoder weights give here what they give there."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv_transpose2d, gelu, layer_norm, linear, relu

from dfaseg.errors import CheckpointError, ConfigError
from dfaseg.model.build import WeightSources, build_segmenter, preset_spec
from dfaseg.model.segmenter import DfaSegmenter
from dfaseg.model.spec import ModelSpec
from tests.official_weights import SMALL_VIT, Shapes, fill, sam_shapes

DIM, MLP_DIM, HEADS = 16, 32, 2
SHAPES = sam_shapes(SMALL_VIT, dim=DIM, mlp_dim=MLP_DIM)
SPEC = replace(
    preset_spec("tiny", num_classes=4, bias_mode="none"),
    embed_dim=DIM,
    mlp_dim=MLP_DIM,
    num_heads=HEADS,
    pixel_dim=DIM // 8,
    activation="gelu",
    encoder="test_vit",
    sam_decoder=True,
    position_encoding=True,
    predicts_iou=True,
)
"""Four classes, to stand for the four mask tokens."""


def draw(shapes: Shapes) -> dict[str, Tensor]:
    """Return random weights of the wanted shapes."""
    generator = torch.Generator().manual_seed(3)
    return {
        name: torch.randn(shape, generator=generator) / math.sqrt(DIM)
        for name, shape in shapes.items()
    }


def load(state: dict[str, Tensor], folder: Path, spec: ModelSpec = SPEC) -> DfaSegmenter:
    """Build a network whose decoder comes from a file of official layout."""
    path = folder / "sam.pth"
    torch.save(state, path)
    torch.manual_seed(0)
    return build_segmenter(spec, weights=WeightSources(decoder=path)).eval()


class OfficialDecoder:
    """What Segment Anything's decoder computes, written down from its description.

    It follows arXiv:2304.02643, appendix A, in the names of the official file.
    """

    def __init__(self, state: dict[str, Tensor]) -> None:
        start = "mask_decoder."
        self.state = {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}

    def apply(self, name: str, values: Tensor) -> Tensor:
        """Apply a linear map."""
        return linear(values, self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    def norm(self, name: str, values: Tensor) -> Tensor:
        """Normalise over the last axis."""
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        return layer_norm(values, values.shape[-1:], weight, bias)

    def attend(self, name: str, asking: Tensor, asked: Tensor, answers: Tensor) -> Tensor:
        """Attend with several heads, all projections with bias; inputs are ``(tokens, d)``."""
        q, k, v = (
            self.apply(f"{name}.{part}_proj", tokens).unflatten(-1, (HEADS, -1)).transpose(0, 1)
            for part, tokens in (("q", asking), ("k", asked), ("v", answers))
        )
        weights = (q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])).softmax(dim=-1)
        return self.apply(f"{name}.out_proj", (weights @ v).transpose(0, 1).flatten(1))

    def exchange(self, tokens: Tensor, image: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Run the two-way transformer on ``(t, d)`` tokens and ``(hw, d)`` image tokens."""
        first = tokens
        for index in range(2):
            start = f"transformer.layers.{index}"
            if index == 0:
                tokens = self.attend(f"{start}.self_attn", tokens, tokens, tokens)
            else:
                both = tokens + first
                tokens = tokens + self.attend(f"{start}.self_attn", both, both, tokens)
            tokens = self.norm(f"{start}.norm1", tokens)
            name = f"{start}.cross_attn_token_to_image"
            tokens = tokens + self.attend(name, tokens + first, image + places, image)
            tokens = self.norm(f"{start}.norm2", tokens)
            hidden = relu(self.apply(f"{start}.mlp.lin1", tokens))
            tokens = self.norm(f"{start}.norm3", tokens + self.apply(f"{start}.mlp.lin2", hidden))
            name = f"{start}.cross_attn_image_to_token"
            image = image + self.attend(name, image + places, tokens + first, tokens)
            image = self.norm(f"{start}.norm4", image)
        name = "transformer.final_attn_token_to_image"
        tokens = tokens + self.attend(name, tokens + first, image + places, image)
        return self.norm("transformer.norm_final_attn", tokens), image

    def upscale(self, feature_map: Tensor) -> Tensor:
        """Enlarge ``(1, d, h, w)`` four times."""
        state = self.state
        half = conv_transpose2d(
            feature_map, state["output_upscaling.0.weight"], state["output_upscaling.0.bias"], 2
        )
        half = self.norm("output_upscaling.1", half.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        weight, bias = state["output_upscaling.3.weight"], state["output_upscaling.3.bias"]
        return gelu(conv_transpose2d(gelu(half), weight, bias, 2))

    def logits(self, feature_map: Tensor, places: Tensor) -> Tensor:
        """Return four maps of logits; all mask tokens use the first one's hypernetwork."""
        height, width = feature_map.shape[-2:]
        tokens = torch.cat((self.state["iou_token.weight"], self.state["mask_tokens.weight"]))
        image = feature_map[0].flatten(1).t()
        tokens, image = self.exchange(tokens, image, places)
        vectors = tokens[1:]
        for layer in range(3):
            vectors = self.apply(f"output_hypernetworks_mlps.0.layers.{layer}", vectors)
            vectors = relu(vectors) if layer < 2 else vectors
        pixels = self.upscale(image.t().view(1, -1, height, width))
        return torch.einsum("kc,nchw->nkhw", vectors, pixels)


def official_places(matrix: Tensor, height: int, width: int) -> Tensor:
    """Return the position encoding of each pixel of a grid, ``(hw, d)``."""
    rows = (torch.arange(height) + 0.5) / height
    cols = (torch.arange(width) + 0.5) / width
    grid = torch.stack(torch.meshgrid(cols, rows, indexing="xy"), dim=-1).view(-1, 2)
    phases = 2 * math.pi * ((2 * grid - 1) @ matrix)
    return torch.cat((phases.sin(), phases.cos()), dim=-1)


def test_decoder_computes_what_segment_anything_computes(tmp_path: Path) -> None:
    """With its tokens as classes, every logit is the official decoder's."""
    state = draw(SHAPES)
    segmenter = load(state, tmp_path)
    with torch.no_grad():
        segmenter.mask_decoder.class_tokens.copy_(state["mask_decoder.mask_tokens.weight"])
    feature_map = torch.randn(1, DIM, 2, 3)
    matrix = state["prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"]

    logits, _ = segmenter.mask_decoder(feature_map, {}, segmenter.class_bias)

    expected = OfficialDecoder(state).logits(feature_map, official_places(matrix, 2, 3))
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-3)


def test_absent_prompt_joins_the_image_tokens(tmp_path: Path) -> None:
    """Segment Anything adds one embedding to all image tokens where there is no prompt."""
    state = draw(SHAPES)

    segmenter = load(state, tmp_path)

    no_prompt = state["prompt_encoder.no_mask_embed.weight"].flatten()
    assert torch.equal(segmenter.neck.norm_out.bias, no_prompt)


def test_what_has_no_counterpart_starts_at_random(tmp_path: Path) -> None:
    """Class tokens, encoder and neck are those of the same seed without the file."""
    loaded = load(draw(SHAPES), tmp_path).state_dict()
    torch.manual_seed(0)
    fresh = build_segmenter(SPEC).state_dict()

    copied = {name for name in fresh if not torch.equal(fresh[name], loaded[name])}

    same = fresh.keys() - copied
    assert "mask_decoder.class_tokens" in same
    assert {name for name in fresh if name.startswith("encoder.")} <= same
    decoder = {name for name in fresh if name.startswith("mask_decoder.")}
    last_layer = {"mask_decoder.iou_head.mlp.4.weight", "mask_decoder.iou_head.mlp.4.bias"}
    assert decoder - copied == {"mask_decoder.class_tokens"} | last_layer


def test_all_classes_begin_with_the_first_hypernetwork(tmp_path: Path) -> None:
    """As many classes as wanted get a copy each, which training then moves apart."""
    segmenter = load(draw(SHAPES), tmp_path, replace(SPEC, num_classes=7))

    for weights in segmenter.mask_decoder.hypernetwork.parameters():
        assert all(torch.equal(weights[0], weights[c]) for c in range(7))
        assert weights.is_contiguous()


def test_pyramid_adds_its_fine_maps_to_the_official_decoder(tmp_path: Path) -> None:
    """Another encoder's skips start at random, all else from the file."""
    spec = replace(SPEC, encoder="test_efficientnet")

    segmenter = load(draw(SHAPES), tmp_path, spec)

    assert segmenter(torch.randn(1, 3, 32, 32)).logits.isfinite().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", r"lacks 'mask_decoder\.transformer\.layers\.1\.norm2\.weight'"),
        ("extra", r"holds 'mask_decoder\.surprise\.weight', which has no place"),
        ("shape", r"'mask_decoder\.transformer\.layers\.1\.norm2\.weight' of shape \(1,\)"),
    ],
)
def test_file_of_another_layout_is_refused(change: str, message: str, tmp_path: Path) -> None:
    """The official name of what is wrong is in the message."""
    state = draw(SHAPES)
    name = "mask_decoder.transformer.layers.1.norm2.weight"
    if change == "missing":
        del state[name]
    elif change == "extra":
        state["mask_decoder.surprise.weight"] = torch.zeros(1)
    else:
        state[name] = torch.zeros(1)

    with pytest.raises(CheckpointError, match=message):
        load(state, tmp_path)


@pytest.mark.parametrize("key", ["sam_decoder", "position_encoding", "predicts_iou"])
def test_decoder_wired_otherwise_is_refused(key: str, tmp_path: Path) -> None:
    """Weights that would mean something else are not copied."""
    with pytest.raises(ConfigError, match="use the preset 'sam-path'"):
        load(draw(SHAPES), tmp_path, replace(SPEC, **{key: False}))


@pytest.mark.slow
def test_official_file_fills_the_whole_preset(tmp_path: Path) -> None:
    """One file of full layout serves encoder and decoder of 'sam-path', key by key."""
    path = tmp_path / "sam_vit_b_01ec64.pth"
    state = fill(sam_shapes())
    torch.save(state, path)
    spec = preset_spec("sam-path", num_classes=5)

    segmenter = build_segmenter(spec, weights=WeightSources(encoder=path, decoder=path))

    weights = segmenter.state_dict()
    block = weights["encoder.first.net.vit.blocks.11.mlp.fc2.weight"]
    assert torch.equal(block, state["image_encoder.blocks.11.mlp.lin2.weight"])
    attention = weights["mask_decoder.transformer.blocks.1.image_to_token.q_proj.weight"]
    name = "mask_decoder.transformer.layers.1.cross_attn_image_to_token.q_proj.weight"
    assert torch.equal(attention, state[name])
    with torch.no_grad():
        logits, iou = segmenter(torch.zeros(1, 3, 64, 64))
    assert logits.shape == (1, 5, 16, 16)
    assert iou is not None
