"""Class tokens and the heads that turn them into logits."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dfaseg.model.class_bias import ClassBias
from dfaseg.model.pixel_decoder import PixelDecoder
from dfaseg.model.position import RandomFourierPositions
from dfaseg.model.transformer import TwoWayTransformer


class ClassLinear(nn.Module):
    """One linear map per class, all applied at once.

    Args:
        num_classes: Number of classes k.
        in_dim: Width of what comes in.
        out_dim: Width of what goes out.
    """

    def __init__(self, *, num_classes: int, in_dim: int, out_dim: int) -> None:
        super().__init__()
        bound = in_dim**-0.5  # as torch initialises nn.Linear
        self.weight = nn.Parameter(
            torch.empty(num_classes, in_dim, out_dim).uniform_(-bound, bound)
        )
        self.bias = nn.Parameter(torch.empty(num_classes, out_dim).uniform_(-bound, bound))

    def forward(self, class_vectors: Tensor) -> Tensor:
        """Map ``(n, k, in_dim)`` to ``(n, k, out_dim)``, class by class."""
        # Not einsum: a trace would not see how mixed precision rounds inside it.
        by_class = torch.bmm(class_vectors.transpose(0, 1), self.weight)  # (k, n, out_dim)
        return by_class.transpose(0, 1) + self.bias


class ClassHypernetwork(nn.Sequential):
    """Turn each class token into the vector its pixels are compared with, by its own MLP.

    Args:
        num_classes: Number of classes k.
        embed_dim: Width d of class tokens, and of the hidden layers.
        pixel_dim: Width of pixel embeddings.
    """

    def __init__(self, *, num_classes: int, embed_dim: int, pixel_dim: int) -> None:
        super().__init__(
            ClassLinear(num_classes=num_classes, in_dim=embed_dim, out_dim=embed_dim),
            nn.ReLU(),
            ClassLinear(num_classes=num_classes, in_dim=embed_dim, out_dim=embed_dim),
            nn.ReLU(),
            ClassLinear(num_classes=num_classes, in_dim=embed_dim, out_dim=pixel_dim),
        )


class IouHead(nn.Module):
    """An extra token and the MLP that reads each class's expected IoU from it.

    Args:
        num_classes: Number of classes k.
        embed_dim: Width d of tokens, and of the hidden layers.
    """

    def __init__(self, *, num_classes: int, embed_dim: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, embed_dim))
        self.mlp = nn.Sequential(
            nn.Linear(embed_dim, embed_dim),
            nn.ReLU(),
            nn.Linear(embed_dim, embed_dim),
            nn.ReLU(),
            nn.Linear(embed_dim, num_classes),
        )

    def forward(self, token: Tensor) -> Tensor:
        """Return the expected IoU of each class, ``(n, k)`` in 0-1, from ``(n, d)``."""
        return torch.sigmoid(self.mlp(token))


class MaskDecoder(nn.Module):
    """Let class tokens and image exchange, then compare each pixel with each class.

    Token c, bias c, MLP c and logit channel c belong together: the class tokens come first in
    the token list and in the order of the class map. The IoU token, where there is one, comes
    last and has bias 0; a shift common to all classes is then not neutral, since it moves
    attention between that token and the classes.

    Args:
        num_classes: Number of classes k.
        embed_dim: Width d of tokens.
        transformer: Exchange between tokens and image.
        pixel_decoder: Upscales the image tokens.
        pixel_dim: Width of pixel embeddings.
        positions: Position encoding of image tokens, or None.
        predicts_iou: Whether to add the IoU token and its head.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        embed_dim: int,
        transformer: TwoWayTransformer,
        pixel_decoder: PixelDecoder,
        pixel_dim: int,
        positions: RandomFourierPositions | None,
        predicts_iou: bool,
    ) -> None:
        super().__init__()
        self.class_tokens = nn.Parameter(torch.randn(num_classes, embed_dim))
        self.transformer = transformer
        self.pixel_decoder = pixel_decoder
        self.hypernetwork = ClassHypernetwork(
            num_classes=num_classes, embed_dim=embed_dim, pixel_dim=pixel_dim
        )
        self.positions = positions
        self.iou_head = (
            IouHead(num_classes=num_classes, embed_dim=embed_dim) if predicts_iou else None
        )

    def forward(
        self, feature_map: Tensor, fine_maps: Mapping[int, Tensor], class_bias: ClassBias
    ) -> tuple[Tensor, Tensor | None]:
        """Return logits and, where predicted, IoU.

        Args:
            feature_map: Fused feature map, ``(n, d, h / 16, w / 16)``.
            fine_maps: The encoder's maps by stride.
            class_bias: b of every layer.

        Returns:
            Logits ``(n, k, h / 4, w / 4)`` and IoU ``(n, k)`` or None.
        """
        tokens, attended_map = self._exchange(feature_map, class_bias)
        num_classes = len(self.class_tokens)
        class_vectors = self.hypernetwork(tokens[:, :num_classes])  # (n, k, pixel_dim)
        logits = _compare(class_vectors, self.pixel_decoder(attended_map, fine_maps))
        iou = None if self.iou_head is None else self.iou_head(tokens[:, num_classes])
        return logits, iou

    def _exchange(self, feature_map: Tensor, class_bias: ClassBias) -> tuple[Tensor, Tensor]:
        num_images, _, height, width = feature_map.shape
        image = feature_map.permute(0, 2, 3, 1).flatten(1, 2)  # (n, hw, d)
        positions = None if self.positions is None else self.positions(height, width)
        tokens = self._tokens().expand(num_images, -1, -1)
        tokens, image = self.transformer(tokens, image, positions, self._biases(class_bias))
        return tokens, image.view(num_images, height, width, -1).permute(0, 3, 1, 2)

    def _tokens(self) -> Tensor:
        if self.iou_head is None:
            return self.class_tokens
        return torch.cat((self.class_tokens, self.iou_head.token))

    def _biases(self, class_bias: ClassBias) -> list[Tensor]:
        num_extra = 0 if self.iou_head is None else 1
        return [
            nn.functional.pad(class_bias.layer_bias(layer), (0, num_extra))
            for layer in range(len(self.transformer.blocks))
        ]


def _compare(class_vectors: Tensor, pixel_embeddings: Tensor) -> Tensor:
    """Return the dot product of each class vector with each pixel, ``(n, k, h, w)``."""
    height, width = pixel_embeddings.shape[-2:]
    pixels = pixel_embeddings.permute(0, 2, 3, 1).flatten(1, 2)  # (n, hw, pixel_dim)
    products = class_vectors @ pixels.transpose(1, 2)  # (n, k, hw)
    return products.view(*products.shape[:2], height, width)
