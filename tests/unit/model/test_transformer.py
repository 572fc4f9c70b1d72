"""The two-way transformer and the position encoding."""

import pytest
import torch
from torch import Tensor

from dfaseg.model.position import RandomFourierPositions
from dfaseg.model.transformer import TwoWayTransformer


@pytest.fixture
def transformer() -> TwoWayTransformer:
    """Two blocks of width 8."""
    torch.manual_seed(0)
    return TwoWayTransformer(depth=2, embed_dim=8, num_heads=2, downsample_rate=2, mlp_dim=16)


@pytest.fixture
def image() -> Tensor:
    """One image of six pixels."""
    return torch.randn(1, 6, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def tokens() -> Tensor:
    """Three class tokens."""
    return torch.randn(1, 3, 8, generator=torch.Generator().manual_seed(2))


def test_shapes_are_kept(transformer: TwoWayTransformer, image: Tensor, tokens: Tensor) -> None:
    """Tokens stay tokens and pixels stay pixels."""
    new_tokens, new_image = transformer(tokens, image, None, [torch.zeros(3)] * 2)

    assert new_tokens.shape == tokens.shape
    assert new_image.shape == image.shape


@pytest.mark.parametrize("block", [0, 1])
def test_bias_of_every_block_changes_the_image(
    transformer: TwoWayTransformer, image: Tensor, tokens: Tensor, block: int
) -> None:
    """No block ignores its bias."""
    biases = [torch.zeros(3), torch.zeros(3)]
    _, plain = transformer(tokens, image, None, biases)
    biases[block] = torch.tensor([2.0, 0.0, 0.0])

    _, biased = transformer(tokens, image, None, biases)

    assert not torch.allclose(plain, biased, atol=1e-4)


def test_pixels_have_no_order_without_positions(
    transformer: TwoWayTransformer, image: Tensor, tokens: Tensor
) -> None:
    """Moving pixels moves their results along, so a patch has no privileged frame."""
    biases = [torch.tensor([0.5, -0.5, 0.0])] * 2
    expected_tokens, expected_image = transformer(tokens, image, None, biases)

    new_tokens, new_image = transformer(tokens, image.flip(1), None, biases)

    torch.testing.assert_close(new_image.flip(1), expected_image)
    torch.testing.assert_close(new_tokens, expected_tokens)


def test_positions_tell_pixels_apart(
    transformer: TwoWayTransformer, image: Tensor, tokens: Tensor
) -> None:
    """With the encoding, the same pixels elsewhere give another result."""
    positions = RandomFourierPositions(embed_dim=8)(2, 3)
    biases = [torch.zeros(3)] * 2
    _, expected = transformer(tokens, image, positions, biases)

    _, moved = transformer(tokens, image.flip(1), positions, biases)

    assert not torch.allclose(moved.flip(1), expected, atol=1e-4)


def test_number_of_biases_must_match_the_depth(
    transformer: TwoWayTransformer, image: Tensor, tokens: Tensor
) -> None:
    """A bias too few is a mistake, not a block without bias."""
    with pytest.raises(ValueError, match="zip"):
        transformer(tokens, image, None, [torch.zeros(3)])


def test_positions_leave_the_random_state_alone() -> None:
    """The projection comes from its own seed, so weights stay equal with and without it."""
    before = torch.get_rng_state()

    first, second = RandomFourierPositions(embed_dim=8), RandomFourierPositions(embed_dim=8)

    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.projection, second.projection)


def test_positions_follow_rows() -> None:
    """Encodings lie row by row, as image tokens do, and are relative to the patch."""
    encoder = RandomFourierPositions(embed_dim=8)

    one_row, two_rows = encoder(1, 4), encoder(2, 4)

    assert two_rows.shape == (1, 8, 8)
    assert not torch.allclose(two_rows[0, 0], two_rows[0, 4])
    torch.testing.assert_close(encoder(3, 4)[0, 4:8], one_row[0])
