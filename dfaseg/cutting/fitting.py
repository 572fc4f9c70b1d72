"""What all slides of a data set must have alike, looked at before any of them is cut."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dfaseg.cutting.labelling import Labelling
from dfaseg.cutting.record import SlideRecord
from dfaseg.cutting.spec import LabelSpec, TileSpec
from dfaseg.errors import ConfigError
from dfaseg.slide.inputs import SlideInput


@dataclass(frozen=True, slots=True)
class CommonTraits:
    """What slides of one data set have alike.

    Attributes:
        classes: Names of the classes, by index.
        mpp: µm per pixel.
        save: Format of the images.
    """

    classes: tuple[str, ...]
    mpp: float
    save: str

    @classmethod
    def of_slide(cls, slide: SlideRecord) -> "CommonTraits":
        """Return those of a slide that is cut and labelled."""
        recipe: Mapping[str, Any] = slide.content["recipe"]
        names = tuple(entry["name"] for entry in recipe["labels"]["classes"])
        return cls(names, recipe["mpp"], recipe["save"])

    def difference(self, other: "CommonTraits") -> tuple[str, str, str] | None:
        """Return what differs here and there, and how to get what is here; None if nothing does."""
        if self.classes != other.classes:
            texts = (", ".join(f"'{name}'" for name in names.classes) for names in (self, other))
            here, there = (f"the classes {text}" for text in texts)
            return here, there, "a --class-map that lists the former, in this order"
        if self.mpp != other.mpp:
            return f"{self.mpp:g} µm/px", f"{other.mpp:g} µm/px", f"--mpp {self.mpp:g}"
        if self.save != other.save:
            return f"{self.save} images", f"{other.save} images", f"--save {self.save}"
        return None


def check_fit(
    spec: TileSpec,
    labels: LabelSpec,
    labelling: Labelling,
    sources: Sequence[SlideInput],
    finished: Sequence[SlideRecord],
) -> None:
    """Make sure that slides to be cut make a data set with those that are there and will stay.

    Args:
        spec: How slides are cut.
        labels: How they are grouped.
        labelling: Annotations and classes.
        sources: All slides to be cut, those of other jobs included.
        finished: The finished slides of the folder.

    Raises:
        ConfigError: They do not, or have no patient though they are to be grouped by it.
    """
    traits = CommonTraits(labelling.rules.class_map.names, spec.mpp, spec.save)
    replaced = {source.id for source in sources} if spec.overwrite else set[str]()
    labelled = labelled_slides(finished)
    for slide in labelled:
        difference = CommonTraits.of_slide(slide).difference(traits)
        if difference is None or slide.slide_id in replaced:
            continue
        theirs, ours, remedy = difference
        raise ConfigError(
            f"data set '{spec.out}': slide '{slide.slide_id}' was cut with {theirs}, and now"
            f" {ours} are asked for; pass {remedy}, name all slides of the folder in one command"
            " with --overwrite, or choose another --out"
        )
    groups = {slide.slide_id: slide.group for slide in labelled}
    check_groups(labels, groups | {one.id: one.group or groups.get(one.id) for one in sources})


def check_alike(slides: Sequence[SlideRecord]) -> None:
    """Make sure that labelled slides make a data set together.

    Raises:
        ConfigError: They do not: jobs with different settings have run side by side, or a slide
            could not be replaced with the others.
    """
    first = slides[0]
    for slide in slides:
        difference = CommonTraits.of_slide(first).difference(CommonTraits.of_slide(slide))
        if difference is not None:
            theirs, others, _ = difference
            raise ConfigError(
                f"slides '{first.slide_id}' and '{slide.slide_id}': one was cut with {theirs}, the"
                f" other with {others}, so that they make no data set together; mend or leave out"
                " slides that failed, and name all slides of the folder in one command with"
                " --overwrite"
            )


def check_groups(labels: LabelSpec, groups: Mapping[str, str | None]) -> None:
    """Make sure that each slide has a patient where patients are not to be parted.

    Raises:
        ConfigError: One has none.
    """
    without = [slide_id for slide_id, group in groups.items() if not group]
    if labels.group_by == "patient" and without:
        raise ConfigError(
            f"--group-by patient: {len(without)} slides have no patient, e.g. '{without[0]}';"
            " name slides in a .csv with the columns path and patient"
        )


def labelled_slides(slides: Collection[SlideRecord]) -> list[SlideRecord]:
    """Return the slides that were cut with annotations."""
    return [slide for slide in slides if "labels" in slide.content["recipe"]]
