"""Where the work around the network is done: on the host, or on the GPU that runs it."""

from collections.abc import Mapping
from typing import Any

from dfaseg.inference.job import Job
from dfaseg.inference.labelling import DeviceLabeller, HostLabeller, Labeller
from dfaseg.inference.on_device.labels import DeviceLabels
from dfaseg.inference.on_device.patch_stream import DevicePatchStream, can_cut
from dfaseg.model.network import Network
from dfaseg.slide.slide import Slide
from dfaseg.stitcher.labels import LabelUpsampler
from dfaseg.tiler.plan import ReadPlan
from dfaseg.tiler.stream import PatchSource, PatchStream

Patches = PatchSource[Any]
"""Patches on the host or on a device; a network takes both."""


def works_on_device(network: Network) -> bool:
    """Tell whether the network's device does more than run it."""
    return network.device.type == "cuda"


def open_patches(
    slide: Slide,
    job: Job,
    network: Network,
    first_row: int,
    unreadable: Mapping[tuple[int, int], str],
) -> Patches:
    """Prepare the stream of patches of a run.

    Args:
        slide: Open slide; stays open.
        job: What is read.
        network: What patches are for.
        first_row: Row of tiles to begin with.
        unreadable: Native tiles that an earlier part of the run could not decode.
    """
    places = (slide, job.plan, job.grid, job.selected)
    settings: dict[str, Any] = {
        "batch_size": job.batch_size,
        "num_workers": job.num_workers,
        "first_row": first_row,
        "unreadable": unreadable,
    }
    if works_on_device(network) and can_cut(job.plan):
        return DevicePatchStream(*places, network.device, **settings)
    return PatchStream(*places, **settings)


def make_labeller(network: Network, plan: ReadPlan) -> Labeller:
    """Prepare what turns logits into labels."""
    size = (len(network.card.classes), plan.width, plan.height, network.logit_stride)
    if works_on_device(network):
        return DeviceLabeller(DeviceLabels(*size, network.device))
    return HostLabeller(LabelUpsampler(*size))
