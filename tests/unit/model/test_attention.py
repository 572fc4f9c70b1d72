"""The three attentions against their formulas written out."""

import math

import pytest
import torch
from torch import Tensor, nn

from dfaseg.errors import ConfigError
from dfaseg.model.attention import (
    DynamicFocalAttention,
    MultiHeadProjections,
    TokenSelfAttention,
    TokenToImageAttention,
)

NUM_HEADS = 2
EMBED_DIM = 8


@pytest.fixture
def focal() -> DynamicFocalAttention:
    """Image -> token attention with random weights."""
    torch.manual_seed(0)
    return DynamicFocalAttention(embed_dim=EMBED_DIM, num_heads=NUM_HEADS, downsample_rate=2)


@pytest.fixture
def image() -> Tensor:
    """Two images of six pixels."""
    return torch.randn(2, 6, EMBED_DIM, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def tokens() -> Tensor:
    """Three class tokens for each image."""
    return torch.randn(2, 3, EMBED_DIM, generator=torch.Generator().manual_seed(2))


def written_out(
    attention: MultiHeadProjections, queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor
) -> Tensor:
    """Multi-head attention head by head, as in the paper; bias ``(heads, keys)``."""
    q, k, v = attention.q_proj(queries), attention.k_proj(keys), attention.v_proj(values)
    head_dim = q.shape[-1] // attention.num_heads
    heads = []
    for head in range(attention.num_heads):
        part = slice(head * head_dim, (head + 1) * head_dim)
        scores = q[..., part] @ k[..., part].transpose(1, 2) / math.sqrt(head_dim) + bias[head]
        heads.append(scores.softmax(dim=-1) @ v[..., part])
    out: Tensor = attention.out_proj(torch.cat(heads, dim=-1))
    return out


@pytest.mark.parametrize("per_head", [False, True], ids=["shared", "per head"])
def test_focal_attention_is_equation_1(
    focal: DynamicFocalAttention, image: Tensor, tokens: Tensor, per_head: bool
) -> None:
    """Projections moved to the token side give the formula's result."""
    bias = torch.tensor([[0.5, -1.0, 2.0], [-0.3, 0.0, 0.7]])
    bias = bias if per_head else bias[0]
    expected = written_out(focal, image, tokens, tokens + 1, bias.expand(NUM_HEADS, 3))

    torch.testing.assert_close(focal(image, tokens, tokens + 1, bias), expected)


def test_token_to_image_attention_is_its_formula(image: Tensor, tokens: Tensor) -> None:
    """Projections moved to the token side give plain attention over pixels."""
    attention = TokenToImageAttention(embed_dim=EMBED_DIM, num_heads=NUM_HEADS, downsample_rate=2)
    expected = written_out(attention, tokens, image, image + 1, torch.zeros(NUM_HEADS, 6))

    torch.testing.assert_close(attention(tokens, image, image + 1), expected)


def test_self_attention_is_its_formula(tokens: Tensor) -> None:
    """Tokens attend to all tokens."""
    attention = TokenSelfAttention(embed_dim=EMBED_DIM, num_heads=NUM_HEADS)
    expected = written_out(attention, tokens, tokens, tokens + 1, torch.zeros(NUM_HEADS, 3))

    torch.testing.assert_close(attention(tokens, tokens + 1), expected)


def test_zero_bias_is_plain_attention_bit_for_bit(
    focal: DynamicFocalAttention, image: Tensor, tokens: Tensor
) -> None:
    """Mode none costs nothing in exactness."""
    plain = focal(image, tokens, tokens)

    assert torch.equal(focal(image, tokens, tokens, torch.zeros(3)), plain)


@pytest.mark.parametrize("chosen", [0, 1, 2])
def test_overwhelming_bias_returns_the_chosen_value(
    focal: DynamicFocalAttention, image: Tensor, tokens: Tensor, chosen: int
) -> None:
    """b[c] -> infinity gives out[i] = v_c at every pixel: b[c] acts on token c."""
    bias = 100.0 * nn.functional.one_hot(torch.tensor(chosen), 3)
    value = focal.out_proj(focal.v_proj(tokens[:, chosen : chosen + 1]))

    attended = focal(image, tokens, tokens, bias)

    torch.testing.assert_close(attended, value.expand(-1, 6, -1))


def test_gradient_of_weights_is_a_times_indicator_minus_a(
    focal: DynamicFocalAttention, image: Tensor, tokens: Tensor
) -> None:
    """D a[i, c] / d b[c'] = a[i, c] (1[c = c'] - a[i, c'])."""
    bias = torch.tensor([0.3, -0.2, 0.1])
    weights = focal.attention_weights(image, tokens, bias)  # (n, heads, k, hw)
    derivative = torch.func.jacrev(lambda b: focal.attention_weights(image, tokens, b))(bias)
    identity = torch.eye(3)[None, None, :, None, :]
    others = weights.transpose(2, 3).unsqueeze(2)  # (n, heads, 1, hw, k)

    torch.testing.assert_close(derivative, weights.unsqueeze(-1) * (identity - others))


def test_gradient_starves_where_attention_is_tiny(
    focal: DynamicFocalAttention, image: Tensor, tokens: Tensor
) -> None:
    """A class pushed to almost no attention gets almost no gradient: why delta starts warm."""

    def gradient_of_first(start: float) -> float:
        bias = torch.tensor([start, 0.0, 0.0], requires_grad=True)
        focal.attention_weights(image, tokens, bias)[:, :, 0].sum().backward()  # type: ignore[no-untyped-call]  # torch leaves backward untyped
        assert bias.grad is not None
        return float(bias.grad[0])

    assert gradient_of_first(-20.0) < 1e-6 * gradient_of_first(0.0)


@pytest.mark.parametrize(
    ("embed_dim", "num_heads", "rate"), [(8, 3, 1), (8, 2, 3), (8, 8, 2)], ids=str
)
def test_indivisible_width_is_refused(embed_dim: int, num_heads: int, rate: int) -> None:
    """Heads and the inner width must divide exactly."""
    with pytest.raises(ConfigError, match="must be exact"):
        MultiHeadProjections(embed_dim=embed_dim, num_heads=num_heads, downsample_rate=rate)
