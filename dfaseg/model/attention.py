"""Attention between class tokens and image tokens, with a bias on the class tokens.

Each softmax runs over the keys. In image -> token attention the keys are the class tokens, so a
bias per class changes how the attention of every pixel is shared among classes. In token -> image
attention the keys are the pixels: a bias per class would be the same number along the whole
softmax axis and cancel out, so there is none.

Class tokens are few and image tokens many, so the projections of the image side are applied to
the class tokens instead: ``(W_q x + c) . k = x . (W_q^T k) + c . k``, and likewise for values and
the output projection. The result is that of ordinary multi-head attention, but no tensor of
projected image tokens is ever made.

Keys have no additive bias of their own: it would add ``q . c`` to every key alike and cancel.
"""

import math

import torch
from torch import Tensor, nn

from dfaseg.errors import ConfigError


class MultiHeadProjections(nn.Module):
    """The four linear maps of multi-head attention and the splitting into heads.

    Args:
        embed_dim: Width d of tokens.
        num_heads: Number of heads; divides the inner width.
        downsample_rate: Inner width is ``embed_dim / downsample_rate``.
    """

    def __init__(self, *, embed_dim: int, num_heads: int, downsample_rate: int = 1) -> None:
        super().__init__()
        inner_dim = embed_dim // downsample_rate
        if embed_dim % downsample_rate or inner_dim % num_heads:
            raise ConfigError(
                f"attention width {embed_dim} / {downsample_rate} with {num_heads} heads: "
                "both divisions must be exact; change embed_dim, num_heads or the rate"
            )
        self.num_heads = num_heads
        self.scale = 1.0 / math.sqrt(inner_dim // num_heads)
        self.q_proj = nn.Linear(embed_dim, inner_dim)
        self.k_proj = nn.Linear(embed_dim, inner_dim, bias=False)
        self.v_proj = nn.Linear(embed_dim, inner_dim)
        self.out_proj = nn.Linear(inner_dim, embed_dim)

    def split_heads(self, tokens: Tensor) -> Tensor:
        """Turn ``(n, tokens, inner_dim)`` into ``(n, heads, tokens, head_dim)``."""
        num_images, num_tokens, inner_dim = tokens.shape
        heads = tokens.view(num_images, num_tokens, self.num_heads, inner_dim // self.num_heads)
        return heads.transpose(1, 2)

    def head_weight(self, projection: nn.Linear) -> Tensor:
        """Return a query, key or value weight as ``(heads, head_dim, embed_dim)``."""
        return projection.weight.view(self.num_heads, -1, projection.in_features)


class TokenSelfAttention(MultiHeadProjections):
    """Attention among the class tokens."""

    def forward(self, queries: Tensor, values: Tensor) -> Tensor:
        """Attend from every token to every token.

        Args:
            queries: Tokens that ask and are asked, ``(n, k, d)``.
            values: Tokens that are averaged, ``(n, k, d)``.

        Returns:
            Update of the tokens, ``(n, k, d)``.
        """
        attended = nn.functional.scaled_dot_product_attention(
            self.split_heads(self.q_proj(queries)),
            self.split_heads(self.k_proj(queries)),
            self.split_heads(self.v_proj(values)),
        )
        merged: Tensor = self.out_proj(attended.transpose(1, 2).flatten(2))
        return merged


class TokenToImageAttention(MultiHeadProjections):
    """Attention from class tokens (queries) to image tokens (keys); softmax over the pixels.

    It takes no class bias: on this side the bias would belong to the query, be constant along the
    softmax axis and cancel exactly.
    """

    def forward(self, token_queries: Tensor, image_keys: Tensor, image_values: Tensor) -> Tensor:
        """Gather from the image what each token asks for.

        Args:
            token_queries: ``(n, k, d)``.
            image_keys: ``(n, hw, d)``.
            image_values: ``(n, hw, d)``.

        Returns:
            Update of the tokens, ``(n, k, d)``.
        """
        queries = self.split_heads(self.q_proj(token_queries)) * self.scale
        probes = queries @ self.head_weight(self.k_proj)  # (n, heads, k, d)
        scores = probes.flatten(1, 2) @ image_keys.transpose(1, 2)  # (n, heads * k, hw)
        pooled = scores.softmax(dim=-1).to(image_values.dtype) @ image_values
        pooled = pooled.view(probes.shape)  # (n, heads, k, d)
        heads = pooled @ self.head_weight(self.v_proj).transpose(1, 2)  # (n, heads, k, head_dim)
        # The weights over pixels sum to 1, so the value bias passes through unchanged.
        merged: Tensor = self.out_proj(heads.transpose(1, 2).flatten(2) + self.v_proj.bias)
        return merged


class DynamicFocalAttention(MultiHeadProjections):
    """Image -> token attention with a bias per class token (arXiv:2604.13479, eq. 1).

    For image token i and class token c, in each head::

        a[i, c] = softmax over c of (q_i . k_c / sqrt(head_dim) + b[c])
        out[i]  = sum over c of a[i, c] * v_c

    Adding ``log w`` to b[c] multiplies class c's share of every pixel by w before renormalising.
    """

    def forward(
        self,
        image_queries: Tensor,
        token_keys: Tensor,
        token_values: Tensor,
        bias: Tensor | None = None,
    ) -> Tensor:
        """Update every image token from the class tokens.

        Args:
            image_queries: ``(n, hw, d)``.
            token_keys: ``(n, k, d)``.
            token_values: ``(n, k, d)``.
            bias: b, ``(k,)`` or ``(heads, k)``; None is plain attention.

        Returns:
            Update of the image tokens, ``(n, hw, d)``.
        """
        weights = self.attention_weights(image_queries, token_keys, bias)  # (n, heads, k, hw)
        values = self.split_heads(self.v_proj(token_values))  # (n, heads, k, head_dim)
        out_weight = self.out_proj.weight.t().view(self.num_heads, -1, self.out_proj.out_features)
        # A pixel's weights sum to 1 in each head, so the output bias can ride on the answers.
        answers = values @ out_weight + self.out_proj.bias / self.num_heads  # (n, heads, k, d)
        answers = answers.to(image_queries.dtype).flatten(1, 2)
        return weights.to(answers.dtype).flatten(1, 2).transpose(1, 2) @ answers

    def attention_weights(
        self, image_queries: Tensor, token_keys: Tensor, bias: Tensor | None = None
    ) -> Tensor:
        """Return a: how each image token shares its attention among the class tokens.

        Args:
            image_queries: ``(n, hw, d)``.
            token_keys: ``(n, k, d)``.
            bias: b, ``(k,)`` or ``(heads, k)``; None is plain attention.

        Returns:
            Weights, ``(n, heads, k, hw)``; they sum to 1 over k, the softmax axis. Pixels come
            last because a softmax over a short inner axis is many times slower on CPUs.
        """
        keys = self.split_heads(self.k_proj(token_keys)) * self.scale  # (n, heads, k, head_dim)
        probes = keys @ self.head_weight(self.q_proj)  # (n, heads, k, d)
        query_bias = self.q_proj.bias.view(self.num_heads, -1, 1)
        offset = (keys @ query_bias).squeeze(-1)  # (n, heads, k)
        if bias is not None:
            offset = offset + bias
        scores = probes.flatten(1, 2) @ image_queries.transpose(1, 2)  # (n, heads * k, hw)
        scores = scores.view(*offset.shape, -1) + offset.unsqueeze(-1)
        return torch.softmax(scores, dim=2)
