"""What a prediction run is asked to do, checked once."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dfaseg.errors import ConfigError
from dfaseg.files import refuse_long_stem
from dfaseg.slide.origin import Origin
from dfaseg.storage.store_path import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictSpec:
    """One slide, one network, one result.

    Attributes:
        slide: Path, URL, or ``sample`` for the built-in slide.
        slide_id: The slide's name in the results; ``None`` is its file's.
        out: The mask to write, ``*.zarr``; the other results lie beside it. On a disk or in an
            object store.
        model: Name, path or URL of a model file; ``None`` is the default model.
        geojson: Where polygons go; ``None`` is beside the mask. ``.gz`` compresses them.
        mpp: The slide's µm per pixel, in place of what its file says.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N``, or several GPUs: ``cuda:0,cuda:1``.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
        batch_size: Patches per forward pass; ``None`` suits the device.
        workers: Threads that read the slide; ``None`` suits the job's cores.
        patch_px: Side of a patch; ``None`` is the model's.
        overlap_px: Overlap of neighbouring patches; ``None`` is the model's.
        decode: Whether JPEG tiles finer than the model may be decoded smaller: ``auto``, ``full``
            (never) or ``fast`` (wherever possible).
        blend: How overlapping patches share a pixel.
        tissue: ``auto``, ``none`` (analyse everything) or the path of a tissue picture.
        simplify_um: Tolerance for simplified polygons; 0 keeps every corner.
        min_area_um2: Smaller polygons are left out; 0 keeps all.
        origin: Frame of the polygons.
        overwrite: Replace results that are there.
        scratch: Folder on a local disk to which the slide is copied before it is read, and in which
            results are made; ``None`` reads the slide where it is.
        limit_memory_bytes: What the process may hold; ``None`` is what the job has left.
        checkpoint_seconds: Time between two resumable states.
    """

    slide: str
    slide_id: str | None = None
    out: Place
    model: str | None = None
    geojson: Place | None = None
    mpp: float | None = None
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    batch_size: int | None = None
    workers: int | None = None
    patch_px: int | None = None
    overlap_px: int | None = None
    decode: Literal["auto", "full", "fast"] = "auto"
    blend: Literal["gaussian", "uniform", "none"] = "gaussian"
    tissue: str = "auto"
    simplify_um: float = 0.0
    min_area_um2: float = 0.0
    origin: Origin = "auto"
    overwrite: bool = False
    scratch: Path | None = None
    limit_memory_bytes: int | None = None
    checkpoint_seconds: float = 30.0

    def __post_init__(self) -> None:
        if self.out.suffix != ".zarr":
            raise ConfigError(f"output '{self.out}': the mask's name must end in .zarr")
        refuse_long_stem(self.out.name.removesuffix(".zarr"))
        if self.geojson is not None and not self.geojson.name.endswith(
            (".geojson", ".json", ".geojson.gz", ".json.gz")
        ):
            raise ConfigError(f"polygons '{self.geojson}': must end in .geojson or .geojson.gz")
        for name, value in (("simplify", self.simplify_um), ("min-area", self.min_area_um2)):
            if not 0 <= value < math.inf:
                raise ConfigError(f"--{name} {value}: must be a number of at least 0")
