"""The two-way transformer: class tokens and image tokens update each other."""

from collections.abc import Sequence

from torch import Tensor, nn

from dfaseg.model.attention import (
    DynamicFocalAttention,
    TokenSelfAttention,
    TokenToImageAttention,
)


class TwoWayBlock(nn.Module):
    """One round of exchange (after Segment Anything, arXiv:2304.02643).

    Token self-attention; token -> image attention; MLP on the tokens; image -> token attention
    with the class bias. Each step is added to its input and normalised.

    Args:
        embed_dim: Width d of all tokens.
        num_heads: Heads of every attention.
        downsample_rate: Narrowing of the inner width of cross-attention.
        mlp_dim: Hidden width of the MLP.
        replaces_tokens: Whether self-attention takes the place of the tokens instead of being
            added to them, as in Segment Anything's first block.
    """

    def __init__(
        self,
        *,
        embed_dim: int,
        num_heads: int,
        downsample_rate: int,
        mlp_dim: int,
        replaces_tokens: bool = False,
    ) -> None:
        super().__init__()
        self.replaces_tokens = replaces_tokens
        self.self_attention = TokenSelfAttention(embed_dim=embed_dim, num_heads=num_heads)
        self.norm_self = nn.LayerNorm(embed_dim)
        self.token_to_image = TokenToImageAttention(
            embed_dim=embed_dim, num_heads=num_heads, downsample_rate=downsample_rate
        )
        self.norm_gather = nn.LayerNorm(embed_dim)
        self.mlp = nn.Sequential(
            nn.Linear(embed_dim, mlp_dim), nn.ReLU(), nn.Linear(mlp_dim, embed_dim)
        )
        self.norm_mlp = nn.LayerNorm(embed_dim)
        self.image_to_token = DynamicFocalAttention(
            embed_dim=embed_dim, num_heads=num_heads, downsample_rate=downsample_rate
        )
        self.norm_image = nn.LayerNorm(embed_dim)

    def forward(
        self,
        tokens: Tensor,
        image: Tensor,
        token_identity: Tensor,
        positions: Tensor | None,
        bias: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Run one round.

        Args:
            tokens: Class tokens (and the IoU token), ``(n, t, d)``.
            image: Image tokens, ``(n, hw, d)``.
            token_identity: Tokens as they were before the first block, ``(n, t, d)``; added to
                queries and keys so that a token stays recognisable.
            positions: Encoding of the image tokens, ``(1, hw, d)``, or None.
            bias: Bias of each token, ``(t,)`` or ``(heads, t)``.

        Returns:
            Updated tokens and image tokens, shapes as given.
        """
        tokens = self.norm_self(self._attend_to_each_other(tokens, token_identity))
        asking = tokens + token_identity
        placed = _with_positions(image, positions)
        tokens = self.norm_gather(tokens + self.token_to_image(asking, placed, image))
        tokens = self.norm_mlp(tokens + self.mlp(tokens))
        answering = tokens + token_identity
        image = self.norm_image(image + self.image_to_token(placed, answering, tokens, bias))
        return tokens, image

    def _attend_to_each_other(self, tokens: Tensor, token_identity: Tensor) -> Tensor:
        if self.replaces_tokens:
            replaced: Tensor = self.self_attention(tokens, tokens)
            return replaced
        added: Tensor = tokens + self.self_attention(tokens + token_identity, tokens)
        return added


class TwoWayTransformer(nn.Module):
    """A stack of two-way blocks and one last look of the tokens at the image.

    Args:
        depth: Number of blocks.
        embed_dim: Width d of all tokens.
        num_heads: Heads of every attention.
        downsample_rate: Narrowing of the inner width of cross-attention.
        mlp_dim: Hidden width of each block's MLP.
        is_sam: Whether the first block's self-attention takes the place of the tokens, as in
            Segment Anything.
    """

    def __init__(
        self,
        *,
        depth: int,
        embed_dim: int,
        num_heads: int,
        downsample_rate: int,
        mlp_dim: int,
        is_sam: bool = False,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            TwoWayBlock(
                embed_dim=embed_dim,
                num_heads=num_heads,
                downsample_rate=downsample_rate,
                mlp_dim=mlp_dim,
                replaces_tokens=is_sam and index == 0,
            )
            for index in range(depth)
        )
        self.final_attention = TokenToImageAttention(
            embed_dim=embed_dim, num_heads=num_heads, downsample_rate=downsample_rate
        )
        self.norm_final = nn.LayerNorm(embed_dim)

    def forward(
        self, tokens: Tensor, image: Tensor, positions: Tensor | None, biases: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Run all blocks.

        Args:
            tokens: Class tokens (and the IoU token), ``(n, t, d)``.
            image: Image tokens, ``(n, hw, d)``.
            positions: Encoding of the image tokens, ``(1, hw, d)``, or None.
            biases: One bias per block, each ``(t,)`` or ``(heads, t)``.

        Returns:
            Updated tokens and image tokens, shapes as given.
        """
        identity = tokens
        for block, bias in zip(self.blocks, biases, strict=True):
            tokens, image = block(tokens, image, identity, positions, bias)
        gathered = self.final_attention(tokens + identity, _with_positions(image, positions), image)
        return self.norm_final(tokens + gathered), image


def _with_positions(image: Tensor, positions: Tensor | None) -> Tensor:
    return image if positions is None else image + positions
