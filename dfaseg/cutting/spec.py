"""What ``dfaseg tile`` is asked to do, checked once."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dfaseg.errors import ConfigError
from dfaseg.slide.origin import Origin
from dfaseg.tiler.plan import Decoding

PatchFormat = Literal["none", "png", "jpeg"]
TableFormat = Literal["csv", "parquet"]
CoordsFormat = Literal["none", "clam", "trident"]
GroupBy = Literal["auto", "patient", "slide", "tile"]
"""What must not lie in two splits: a patient, a slide, or only a tile; ``auto`` is the patient of
slides for which one is stated, and the slide for all others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSpec:
    """How labels are made for training.

    Attributes:
        annotations: Annotations of one slide, or a folder of files named after slides.
        class_map: TOML that says which names are which classes; None takes names as they are.
        group_by: What is never parted between splits.
        val_share: Share of the images for validation.
        test_share: Share of the images for the test.
        seed: Another number gives other splits.
    """

    annotations: Path
    class_map: Path | None = None
    group_by: GroupBy = "auto"
    val_share: float = 0.15
    test_share: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.val_share, self.test_share) <= 0 or self.val_share + self.test_share >= 1:
            raise ConfigError(
                f"--val-share {self.val_share:g} and --test-share {self.test_share:g}: must be"
                " above 0, and leave something to train on"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TileSpec:
    """How slides are cut and what is written.

    Attributes:
        out: Folder of all results.
        mpp: µm per pixel of the patches.
        slide_mpp: µm per level-0 pixel of the slides, in place of what their files say.
        patch_px: Side of a patch.
        overlap_px: Overlap of neighbouring patches.
        decode: Whether JPEG tiles finer than wanted may be decoded smaller.
        tissue: ``auto``, ``none`` (everything) or the path of a tissue picture.
        min_tissue: Least share of tissue in a tile, 0 to 1; 0 keeps tiles that touch tissue.
        save: Format of the patches, or none of them.
        table: Format of the table of tiles.
        hdf5: Whose HDF5 coordinates to write besides.
        origin: Where GeoJSON has (0, 0), in grids that are written and annotations that are read.
        workers: Threads; None suits the job's cores.
        overwrite: Replace slides that were cut with other settings.
        labels: How labels are made for training; None makes none.
    """

    out: Path
    mpp: float = 0.5
    slide_mpp: float | None = None
    patch_px: int = 512
    overlap_px: int = 0
    decode: Decoding = "auto"
    tissue: str = "auto"
    min_tissue: float = 0.0
    save: PatchFormat = "none"
    table: TableFormat = "csv"
    hdf5: CoordsFormat = "none"
    origin: Origin = "auto"
    workers: int | None = None
    overwrite: bool = False
    labels: LabelSpec | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mpp) and self.mpp > 0):
            raise ConfigError(f"--mpp {self.mpp}: must be a positive number of µm per pixel")
        if self.patch_px < 1 or not 0 <= self.overlap_px < self.patch_px:
            raise ConfigError(
                f"--patch-size {self.patch_px} with --overlap {self.overlap_px}: the overlap must"
                " be at least 0 and smaller than the patch"
            )
        if not 0 <= self.min_tissue <= 1:
            raise ConfigError(f"--min-tissue {self.min_tissue}: must be a share from 0 to 1")
        if self.labels is not None and self.save == "none":
            raise ConfigError("--save none: with --annotations, images are what is made; leave it")
        if self.labels is not None and self.labels.group_by == "tile" and self.overlap_px:
            raise ConfigError(
                f"--group-by tile with --overlap {self.overlap_px}: what is trained on would be"
                " tested as well; pass --overlap 0"
            )
