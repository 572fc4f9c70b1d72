"""The files of one result: where they lie, how they appear together, what may be replaced."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from dfaseg.errors import OutputError, OutputExistsError
from dfaseg.files import explain, locked, write_aside

PUBLISHING = "publishing"
"""File in the hidden folder that says: all is made, only names are missing."""


@dataclass(frozen=True, slots=True)
class OutputPaths:
    """Final places of a result's files, and the hidden folder in which they are made."""

    mask: Path
    polygons: Path
    overlay: Path
    areas: Path
    record: Path
    partial: Path

    @classmethod
    def beside(cls, mask: Path, polygons: Path | None = None) -> "OutputPaths":
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
    def finals(self) -> tuple[Path, ...]:
        """All final files, in the order in which they appear; the record comes last."""
        return self.mask, self.polygons, self.overlay, self.areas, self.record

    def made(self, final: Path) -> Path:
        """Return where a final file lies while it is being made."""
        return self.partial / final.name

    @property
    def polygons_text(self) -> Path:
        """Where polygons are streamed to while they are made, not compressed yet."""
        return self.partial / self.polygons.name.removesuffix(".gz")

    def check(self, *, overwrite: bool) -> None:
        """Make sure that the results can be written before any work is done.

        Raises:
            OutputExistsError: A result is there and may not be replaced, or is not ours.
            OutputError: A folder is missing or not writable.
        """
        self._refuse_clash()
        for final in self.finals:
            if not os.path.lexists(final):
                continue
            if not overwrite:
                raise OutputExistsError(
                    f"output '{final}': already there; pass --overwrite to replace it or choose "
                    "another --out"
                )
            is_ours = _is_our_mask(final) if final == self.mask else not final.is_dir()
            if not is_ours:
                raise OutputExistsError(
                    f"output '{final}': what is there was not written by dfaseg and is not "
                    "replaced; choose another --out"
                )
        for folder in {final.parent for final in self.finals}:
            if not folder.is_dir():
                raise OutputError(f"output folder '{folder}': does not exist; create it first")
            if not os.access(folder, os.W_OK | os.X_OK):
                raise OutputError(f"output folder '{folder}': not writable; choose another --out")

    def _refuse_clash(self) -> None:
        """Make sure that polygons do not take the name of another result."""
        # By name, since all of them are made in one folder.
        if self.polygons.name in {self.overlay.name, self.areas.name, self.record.name}:
            raise OutputError(
                f"output '{self.polygons}': the name of another result; choose another --geojson"
            )

    def publish(self) -> None:
        """Give all finished files their final names and remove the hidden folder.

        May be interrupted and called again: what has been renamed is not there any more.

        Raises:
            OutputError: A file cannot be renamed.
        """
        try:
            (self.partial / PUBLISHING).touch()
            for final in self.finals:
                if self.made(final).exists():
                    _replace(self.made(final), final, self.partial / f"replaced-{final.name}")
            self._remove_partial()
        except OSError as error:
            raise OutputError(
                f"output '{error.filename}': cannot be put in place ({explain(error)}); "
                "run the same command again when it can"
            ) from error

    @property
    def is_left_over(self) -> bool:
        """Whether a run was killed after it had made everything and before it had tidied up."""
        if (self.partial / PUBLISHING).exists():
            return True
        return self.partial.is_dir() and not any(self.partial.iterdir())

    def _remove_partial(self) -> None:
        """Remove the hidden folder, and last in it what tells that it is of no use any more."""
        for entry in self.partial.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != PUBLISHING:
                entry.unlink()
        (self.partial / PUBLISHING).unlink()
        self.partial.rmdir()

    def finish_publishing(self, *, overwrite: bool) -> bool:
        """Put in place what a run had finished when it was killed; tell whether there was any.

        Args:
            overwrite: Whether what has come up at the final names since then may be replaced.

        Raises:
            OutputError: A file cannot be renamed, or another run is at it.
        """
        if not (self.partial / PUBLISHING).exists():
            return False
        waiting = [final for final in self.finals if self.made(final).exists()]
        if not overwrite and any(os.path.lexists(final) for final in waiting):
            return False
        with locked(self.partial):
            self.publish()
        return True


def _is_our_mask(folder: Path) -> bool:
    """Tell whether a folder is a Zarr group that carries our run record."""
    try:
        metadata = json.loads((folder / "zarr.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(metadata, dict) and "dfaseg" in metadata.get("attributes", {})


def _replace(made: Path, final: Path, old: Path) -> None:
    """Move a file or folder to its final name; what was there is removed only afterwards."""
    if made.parent.stat().st_dev != final.parent.stat().st_dev:
        # Polygons may be asked for on another disk, where a rename cannot reach.
        with write_aside(final) as aside:
            shutil.copyfile(made, aside)
        made.unlink()
        return
    if final.is_dir():
        final.rename(old)
    made.replace(final)
    if old.is_dir():
        shutil.rmtree(old)
