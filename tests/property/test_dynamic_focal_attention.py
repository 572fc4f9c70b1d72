"""Laws of the class bias, whatever the weights, sizes and biases."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dfaseg.model.attention import DynamicFocalAttention

LAW = settings(max_examples=30)

SEEDS = st.integers(0, 2**31 - 1)
BIASES = st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=7)


def make_case(seed: int, num_classes: int) -> tuple[DynamicFocalAttention, Tensor, Tensor]:
    """Build an attention in float64, image tokens of two images and class tokens."""
    torch.manual_seed(seed)
    attention = DynamicFocalAttention(embed_dim=8, num_heads=2, downsample_rate=2).double()
    image = torch.randn(2, 5, 8, dtype=torch.float64)
    return attention, image, torch.randn(2, num_classes, 8, dtype=torch.float64)


@LAW
@given(seed=SEEDS, biases=BIASES)
def test_log_weight_reweights_and_renormalises(seed: int, biases: list[float]) -> None:
    """B = log w multiplies class c's share by w[c] before the shares are made to sum to 1."""
    attention, image, tokens = make_case(seed, len(biases))
    bias = torch.tensor(biases, dtype=torch.float64)
    plain = attention.attention_weights(image, tokens)  # (n, heads, k, hw)

    reweighted = plain * bias.exp()[:, None]
    expected = reweighted / reweighted.sum(dim=2, keepdim=True)

    torch.testing.assert_close(attention.attention_weights(image, tokens, bias), expected)


@LAW
@given(seed=SEEDS, biases=BIASES)
def test_weights_of_each_pixel_sum_to_one(seed: int, biases: list[float]) -> None:
    """The softmax runs over the class tokens, not over the pixels."""
    attention, image, tokens = make_case(seed, len(biases))
    bias = torch.tensor(biases, dtype=torch.float64)

    totals = attention.attention_weights(image, tokens, bias).sum(dim=2)

    torch.testing.assert_close(totals, torch.ones_like(totals))


@LAW
@given(seed=SEEDS, biases=BIASES, shift=st.floats(-10, 10))
def test_common_shift_is_neutral(seed: int, biases: list[float], shift: float) -> None:
    """Only differences between classes mean anything."""
    attention, image, tokens = make_case(seed, len(biases))
    bias = torch.tensor(biases, dtype=torch.float64)

    torch.testing.assert_close(
        attention(image, tokens, tokens, bias + shift), attention(image, tokens, tokens, bias)
    )


@LAW
@given(seed=SEEDS, biases=BIASES)
def test_order_of_classes_is_free_when_biases_move_along(seed: int, biases: list[float]) -> None:
    """Permuting tokens together with their biases changes nothing: b[c] belongs to token c."""
    attention, image, tokens = make_case(seed, len(biases))
    bias = torch.tensor(biases, dtype=torch.float64)
    order = torch.randperm(len(biases))
    moved = tokens[:, order]

    torch.testing.assert_close(
        attention(image, moved, moved, bias[order]), attention(image, tokens, tokens, bias)
    )


@LAW
@given(seed=SEEDS, biases=BIASES)
def test_raising_a_bias_raises_its_share_everywhere(seed: int, biases: list[float]) -> None:
    """No pixel gives less to a class whose bias went up, nor more to any other class."""
    attention, image, tokens = make_case(seed, len(biases))
    bias = torch.tensor(biases, dtype=torch.float64)
    raised = bias.clone()
    raised[0] += 1.0

    change = attention.attention_weights(image, tokens, raised) - attention.attention_weights(
        image, tokens, bias
    )

    assert (change[:, :, 0] >= -1e-12).all()
    assert (change[:, :, 1:] <= 1e-12).all()


@LAW
@given(seed=SEEDS, biases=BIASES)
def test_bias_of_the_query_side_cancels(seed: int, biases: list[float]) -> None:
    """In token -> image attention a class bias is constant along the softmax axis, the pixels."""
    torch.manual_seed(seed)
    bias = torch.tensor(biases, dtype=torch.float64)
    scores = torch.randn(2, len(biases), 5, dtype=torch.float64)  # (n, k, hw)

    torch.testing.assert_close(
        (scores + bias[:, None]).softmax(dim=-1), scores.softmax(dim=-1), atol=1e-14, rtol=1e-12
    )
