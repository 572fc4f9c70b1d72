"""Where the files of one result go, whether on a disk or in an object store."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Self, TypeVar

from dfaseg.storage.store_path import StorePath

P = TypeVar("P", Path, StorePath)


@dataclass(frozen=True, slots=True)
class ResultPlaces(ABC, Generic[P]):
    """Final places of a result's files, and the hidden one of what is not finished."""

    mask: P
    polygons: P
    overlay: P
    areas: P
    record: P
    partial: P

    @classmethod
    def beside(cls, mask: P, polygons: P | None = None) -> Self:
        """Name the files after the mask: ``x.zarr`` gives ``x.geojson``, ``x.overlay.png``, ..."""
        mask = mask.absolute()
        stem = mask.with_suffix("")
        return cls(
            mask=mask,
            polygons=(polygons or stem.with_name(f"{stem.name}.geojson")).absolute(),
            overlay=stem.with_name(f"{stem.name}.overlay.png"),
            areas=stem.with_name(f"{stem.name}.areas.csv"),
            record=stem.with_name(f"{stem.name}.run.json"),
            partial=mask.with_name(f".{mask.name}.partial"),
        )

    @property
    def finals(self) -> tuple[P, ...]:
        """All final files, in the order in which they appear; the record comes last."""
        return self.mask, self.polygons, self.overlay, self.areas, self.record

    @property
    @abstractmethod
    def is_half_replaced(self) -> bool:
        """Whether a run of ours was killed while it replaced the mask by a new one."""

    @abstractmethod
    def is_taken(self, final: P) -> bool:
        """Tell whether anything is at a final place."""

    @abstractmethod
    def names_below_mask(self) -> Iterable[str]:
        """Return the names of all that lies in the mask that is there, as seen from the mask."""

    @abstractmethod
    def read(self, file: P, limit: int | None = None) -> bytes:
        """Return the first bytes of a file, all without a limit; none where that cannot be read."""
