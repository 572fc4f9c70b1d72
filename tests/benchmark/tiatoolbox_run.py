"""Segment one slide with TIAToolbox, in its own environment; ``against_tiatoolbox`` starts it.

Imports nothing of dfaseg. Prints its figures as one line of JSON.
"""

import argparse
import json
import logging
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tiatoolbox import logger, rcParam
from tiatoolbox.models.engine.io_config import IOSegmentorConfig
from tiatoolbox.models.engine.semantic_segmentor import SemanticSegmentor
from tiatoolbox.models.models_abc import ModelABC


class Toy(ModelABC):
    """One strided convolution; upsampled to the patch, as TIAToolbox asks of a network."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        super().__init__()
        weights = np.load(arguments.weights)
        kernel, offset = (torch.from_numpy(weights[name]) for name in ("kernel", "offset"))
        num_classes, channels, side, _ = kernel.shape
        self.conv = torch.nn.Conv2d(
            channels, num_classes, side, arguments.stride, arguments.padding
        )
        self.conv.weight.data, self.conv.bias.data = kernel, offset
        self.scale = (1 / (255 * arguments.std), -arguments.mean / arguments.std)
        self.stride = arguments.stride

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Return logits of uint8 patches ``(n, h, w, 3)``, at the patch's own resolution."""
        factor, offset = self.scale
        images = patches.permute(0, 3, 1, 2).float() * factor + offset
        return torch.nn.functional.interpolate(
            self.conv(images), scale_factor=self.stride, mode="bilinear", align_corners=False
        )

    @staticmethod
    def infer_batch(model: torch.nn.Module, batch: torch.Tensor, *, device: str) -> Any:
        """Return logits ``(n, h, w, k)`` as an array."""
        with torch.inference_mode():
            return model(batch.to(device)).permute(0, 2, 3, 1).cpu().numpy()

    @staticmethod
    def postproc(image: Any) -> Any:
        """Return the class of each pixel."""
        return image.argmax(axis=-1)


def main() -> None:
    """Segment, and print seconds from call to result, core-seconds, peak memory and the result."""
    arguments = _parsed()
    # Compiling would take longer than all that this network has to do.
    rcParam["torch_compile_mode"] = "disable"
    logger.setLevel(logging.ERROR)
    side = (arguments.patch, arguments.patch)
    resolution = [{"units": "baseline", "resolution": 1.0}]
    before, started = _cpu_seconds(), time.perf_counter()
    engine = SemanticSegmentor(
        model=Toy(arguments),
        batch_size=arguments.batch,
        num_workers=arguments.workers,
        device=arguments.device,
        verbose=False,
    )
    found = engine.run(
        [arguments.slide],
        masks=[arguments.tissue] if arguments.tissue else None,
        patch_mode=False,
        ioconfig=IOSegmentorConfig(
            input_resolutions=resolution,
            output_resolutions=resolution,
            patch_input_shape=side,
            patch_output_shape=side,
            stride_shape=(arguments.patch - arguments.overlap,) * 2,
        ),
        save_dir=arguments.out,
        output_type="zarr",
        auto_get_mask=False,
    )
    figures = {
        "seconds": time.perf_counter() - started,
        "core_seconds": _cpu_seconds() - before,
        "peak_bytes": _peak_bytes(),
        "path": str(found[arguments.slide]),
    }
    print(json.dumps(figures))


def _cpu_seconds() -> float:
    return sum(usage.ru_utime + usage.ru_stime for usage in _usages())


def _peak_bytes() -> float:
    """Of the largest process alone: its loaders' memory is not counted."""
    return max(usage.ru_maxrss for usage in _usages()) * 1024.0


def _usages() -> list[resource.struct_rusage]:
    return [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slide", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--tissue", type=Path)
    parser.add_argument("--device", default="cpu")
    for name in ("patch", "overlap", "stride", "padding", "batch", "workers"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("mean", "std"):
        parser.add_argument(f"--{name}", type=float, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
