"""A network so small that everything else in a run shows: one strided convolution.

It gives each cell of 4 px the nearest of five stain colours, by the mean colour of 8 × 8 px. What
comes out has the shapes of tissue, specks and all, so that labels and polygons cost what they cost
in earnest.
"""

import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

STRIDE, KERNEL_PX, PADDING_PX = 4, 8, 2
MEAN, STD = 0.5, 0.25
PATCH_PX, OVERLAP_PX = 512, 64
STAINS = {
    "glass": (243, 243, 243),
    "stroma": (226, 170, 200),
    "epithelium": (180, 110, 170),
    "nuclei": (96, 62, 130),
    "blood": (190, 60, 80),
}
"""Mean colour of each class, RGB."""


def toy_weights() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return kernel ``(k, 3, h, w)`` and offset ``(k,)`` for pixels scaled by mean and deviation.

    Of ``-|x - c|²`` only ``2 c·x - |c|²`` depends on the class, which is a linear function of x.
    """
    colours = (np.array(list(STAINS.values()), np.float32) / 255 - MEAN) / STD
    kernel = np.repeat(colours[:, :, None], KERNEL_PX**2, axis=2) / KERNEL_PX**2
    return kernel.reshape(-1, 3, KERNEL_PX, KERNEL_PX), -(colours**2).sum(axis=1) / 2


def write_toy(folder: Path, mpp: float) -> Path:
    """Write the network as TorchScript, its card beside it, and its weights as ``toy.npz``.

    Args:
        folder: An existing folder.
        mpp: The resolution to be run at: that of the slide, so that nothing is resampled.

    Returns:
        The network, ``toy.pt``.
    """
    kernel, offset = toy_weights()
    conv = torch.nn.Conv2d(3, len(STAINS), KERNEL_PX, STRIDE, PADDING_PX)
    conv.weight.data = torch.from_numpy(kernel)
    conv.bias.data = torch.from_numpy(offset)
    with warnings.catch_warnings():  # torch discourages TorchScript, which loads 50 times as fast
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(conv.eval(), torch.zeros(1, 3, PATCH_PX, PATCH_PX))
        torch.jit.save(traced, folder / "toy.pt")
    (folder / "toy.toml").write_text(_card(mpp), encoding="utf-8")
    np.savez(folder / "toy.npz", kernel=kernel, offset=offset)
    return folder / "toy.pt"


def _card(mpp: float) -> str:
    lines = [
        'name = "toy"',
        f"mpp = {mpp}",
        f"patch_px = {PATCH_PX}",
        f"overlap_px = {OVERLAP_PX}",
        f"normalisation = {{ mean = {[MEAN] * 3}, std = {[STD] * 3} }}",
    ]
    for index, (name, colour) in enumerate(STAINS.items()):
        code = "".join(f"{value:02x}" for value in colour)
        lines += ["[[class]]", f"index = {index}", f'name = "{name}"', f'colour = "#{code}"']
    return "\n".join(lines) + "\n"
