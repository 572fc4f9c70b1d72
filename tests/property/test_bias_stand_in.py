"""The class bias adds nothing that keys and query bias could not do in its place."""

import pytest
import torch

from dfaseg.model.attention import DynamicFocalAttention

EMBED_DIM, NUM_HEADS, NUM_CLASSES = 64, 2, 5


@pytest.mark.parametrize("seed", range(3))
def test_moved_keys_and_query_bias_do_what_the_class_bias_does(seed: int) -> None:
    """Where a head is wider than there are classes, ordinary weights give the same attention.

    With n at right angles to all keys and e small, ``k_c + e b_c n`` and ``query bias + n / e``
    add b_c to the score of class c, and to no other; what the pixels say is disturbed by e only.
    """
    torch.manual_seed(seed)
    attention = DynamicFocalAttention(embed_dim=EMBED_DIM, num_heads=NUM_HEADS).double()
    pixels = torch.randn(2, 30, EMBED_DIM, dtype=torch.float64)
    tokens = torch.randn(1, NUM_CLASSES, EMBED_DIM, dtype=torch.float64).expand(2, -1, -1)
    bias = torch.tensor([2.0, -1.0, 0.5, 0.0, -3.0], dtype=torch.float64)
    wanted = attention.attention_weights(pixels, tokens, bias)
    plain = attention.attention_weights(pixels, tokens)

    moved = _move(attention, tokens, bias, smallness=1e-4)
    found = attention.attention_weights(pixels, moved)

    assert (wanted - plain).abs().max() > 0.1
    assert torch.allclose(found, wanted, atol=1e-3)


@torch.no_grad()
def _move(
    attention: DynamicFocalAttention, tokens: torch.Tensor, bias: torch.Tensor, smallness: float
) -> torch.Tensor:
    """Change the query bias in place and return the moved tokens."""
    keys = attention.split_heads(attention.k_proj(tokens[:1]))[0]  # (heads, k, head_dim)
    normals = torch.linalg.svd(keys, full_matrices=True).Vh[:, -1]  # (heads, head_dim)
    attention.q_proj.bias += (normals / smallness / attention.scale).flatten()
    wanted_keys = bias[:, None] * smallness * normals.flatten()  # (k, inner_dim)
    return tokens + wanted_keys @ torch.linalg.pinv(attention.k_proj.weight).T
