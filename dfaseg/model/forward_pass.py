"""One forward pass: uint8 patches in, float32 logits out, in the network's number format."""

from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor

from dfaseg.model.card import Normalisation
from dfaseg.model.device import Precision
from dfaseg.model.foreign import Forward
from dfaseg.native.scale import scale_pixels


@dataclass(frozen=True, slots=True)
class PixelScaling:
    """Turns pixel values 0-255 into the network's input with one multiplication and one addition.

    Attributes:
        factor: ``1 / (255 std)``, shape ``(3,)``.
        offset: ``-mean / std``, same shape.
    """

    factor: Tensor
    offset: Tensor

    @classmethod
    def on_device(cls, normalisation: Normalisation, device: torch.device) -> Self:
        """Prepare a normalisation on the device where patches will arrive."""
        mean, std = torch.tensor(normalisation.mean), torch.tensor(normalisation.std)
        return cls((1 / (255 * std)).to(device), (-mean / std).to(device))

    def __call__(self, patches: Tensor) -> Tensor:
        """Scale uint8 patches ``(n, h, w, 3)`` to float32 ``(n, 3, h, w)``, channels last."""
        if patches.is_cpu:
            # Torch would pass over memory three times, for a third of the time of a small network.
            scaled = torch.empty(patches.shape)
            arrays = (patches.contiguous(), self.factor, self.offset, scaled)
            scale_pixels(*(tensor.numpy() for tensor in arrays))
        else:
            scaled = patches.float().mul_(self.factor).add_(self.offset)
        # The permuted view of (n, h, w, 3) is channels-last already: nothing is moved in memory.
        return scaled.permute(0, 3, 1, 2)


@dataclass(frozen=True, slots=True)
class ForwardPass:
    """Runs a network on patches, in whatever thread calls it.

    Attributes:
        device: Where patches must lie and logits will.
        precision: Number format of the arithmetic.
        scaling: What is done to pixel values first.
        forward: The network.
    """

    device: torch.device
    precision: Precision
    scaling: PixelScaling = field(repr=False)
    forward: Forward = field(repr=False)

    def __call__(self, patches: Tensor) -> Tensor:
        """Return logits, float32 ``(n, k, h, w)``, of patches, uint8 ``(n, H, W, 3)``."""
        is_mixed = self.precision is not Precision.FP32
        # Both modes hold for the thread that sets them only.
        with (
            torch.inference_mode(),
            torch.autocast(self.device.type, self.precision.dtype, enabled=is_mixed),
        ):
            return self.forward(self.scaling(patches)).float()

    def filled_up(self, patches: Tensor, size: int) -> Tensor:
        """Do the same with blank patches added up to ``size``, whose logits are cut off."""
        num_missing = size - len(patches)
        if num_missing:
            blank = patches.new_zeros(num_missing, *patches.shape[1:])
            patches = torch.cat([patches, blank])
        return self(patches)[: size - num_missing]
