"""What a run over many slides is asked to do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dfaseg.inference.spec import PredictSpec
from dfaseg.sharing.part import HIDDEN_FOLDER
from dfaseg.sharing.shared_files import SharedFiles, shared_files
from dfaseg.sharing.shares import Share
from dfaseg.slide.inputs import SlideInput
from dfaseg.storage.store_path import Place


def claims_in(folder: Place) -> SharedFiles:
    """Return the files of an output folder that say which process does which slide."""
    return shared_files(folder / HIDDEN_FOLDER / "claims")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSpec:
    """Many slides, one network, one folder of results.

    Attributes:
        slides: All slides, those of other shares included.
        folder: Where results go: ``ID.zarr`` and its companions for each slide.
        settings: What is done to each slide; its ``slide``, ``out`` and ``geojson`` do not count.
        share: Which of the slides are done here; None for all.
        on_error: Whether a slide that fails ends the run.
    """

    slides: Sequence[SlideInput]
    folder: Place
    settings: PredictSpec
    share: Share | None = None
    on_error: Literal["fail", "skip"] = "skip"

    @property
    def hidden(self) -> SharedFiles:
        """What processes must know of each other."""
        return shared_files(self.folder / HIDDEN_FOLDER)

    @property
    def claims(self) -> SharedFiles:
        """What says which process does which slide."""
        return claims_in(self.folder)

    def spec_of(self, slide: SlideInput) -> PredictSpec:
        """Return what is done to one slide; what a list says of it wins."""
        return replace(
            self.settings,
            slide=slide.path,
            slide_id=slide.id,
            out=self.folder / f"{slide.id}.zarr",
            geojson=None,
            mpp=slide.mpp or self.settings.mpp,
            tissue=slide.tissue or self.settings.tissue,
        )
