"""Where the work around the network is done: on the host, or on the GPU that runs it."""

import atexit
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from dfaseg.files import explain
from dfaseg.inference.job import Job
from dfaseg.inference.labelling import DeviceLabeller, HostLabeller, Labeller
from dfaseg.inference.on_device.labels import DeviceLabels
from dfaseg.inference.on_device.patch_stream import DevicePatchStream, can_cut
from dfaseg.inference.results.host import Makers, ResultHost
from dfaseg.inference.results.process import ProcessResults, num_processes, processes
from dfaseg.inference.results.split import SplitResults
from dfaseg.inference.results.threads import ThreadedResults
from dfaseg.model.device import resolve_devices
from dfaseg.model.network import Network
from dfaseg.slide.slide import Slide
from dfaseg.stitcher.labels import LabelUpsampler
from dfaseg.tiler.decode_pool import DecodePool
from dfaseg.tiler.plan import ReadPlan
from dfaseg.tiler.shared_memory import can_share
from dfaseg.tiler.stream import PatchSource, PatchStream

log = logging.getLogger(__name__)

Patches = PatchSource[Any]
"""Patches on the host or on a device; a network takes both."""


MIN_PROCESSES = 4
"""Fewer threads than this hardly wait for each other, and processes take memory and a start."""
APART = "polygons"
"""The result that takes as long as all others together, and has a process if there are two."""


def works_on_device(network: Network) -> bool:
    """Tell whether the network's device does more than run it."""
    return network.device.type == "cuda"


def decoding_processes(network_device: str, workers: int) -> DecodePool | None:
    """Return the processes that decode for a device, started at the first call; None for threads.

    They start beside whatever comes next, serve one slide after another and end with this process.

    Args:
        network_device: As the user named it.
        workers: Number of processes.
    """
    device = resolve_devices(network_device)[0]
    if device.type != "cuda" or workers < MIN_PROCESSES or not can_share():
        return None
    try:
        return _pools.of(workers)
    except OSError as error:
        log.warning("tiles are decoded by threads, no process can be started: %s", explain(error))
        return None


class _Pools:
    """The one pool of this process, made anew where a slide leaves memory for fewer processes."""

    def __init__(self) -> None:
        self._pool: DecodePool | None = None

    def of(self, workers: int) -> DecodePool:
        """Return a pool of so many processes."""
        if self._pool is None or len(self._pool) != workers:
            self.close()
            self._pool = DecodePool(workers)
        return self._pool

    def close(self) -> None:
        """End its processes."""
        if self._pool is not None:
            self._pool.close()
        self._pool = None


_pools = _Pools()
atexit.register(_pools.close)


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
        pool = decoding_processes(str(network.device), job.num_workers)
        return DevicePatchStream(*places, network.device, pool=pool, **settings)
    return PatchStream(*places, **settings, most_ahead=job.memory.workload.strips_ahead)


def make_labeller(network: Network, plan: ReadPlan) -> Labeller:
    """Prepare what turns logits into labels."""
    size = (len(network.card.classes), plan.width, plan.height, network.logit_stride)
    if works_on_device(network):
        return DeviceLabeller(DeviceLabels(*size, network.device))
    return HostLabeller(LabelUpsampler(*size))


def start_hosts_ahead(slide: Slide, network: Network) -> None:
    """Start what will probably make a slide's results, while the slide is looked over.

    Args:
        slide: Open slide, of which a quarter may be tissue.
        network: What it is for.
    """
    level = slide.info.levels[0]
    scale = network.card.mpp / slide.info.mpp
    num_px = round(level.width * level.height / scale**2 / 4)
    with suppress(OSError):  # then threads will do, and it is said when they are needed
        processes.start_ahead(num_processes(num_px, beside_gpu=works_on_device(network)))


def host_results(makers: Makers, job: Job, network: Network) -> ResultHost:
    """Prepare what takes mask rows.

    Args:
        makers: What makes each result.
        job: What is read.
        network: What labels come from.
    """
    num_px = job.num_tiles * job.grid.stride_px**2
    count = num_processes(num_px, beside_gpu=works_on_device(network))
    if count == 0:
        return ThreadedResults(makers)
    hosts: list[ResultHost] = []
    try:
        for share in _shared_out(makers, count):
            hosts.append(ProcessResults(share, job.plan.width))  # noqa: PERF401  # closed if one fails
    except OSError as error:
        for host in hosts:
            host.close()
        log.warning("results are made by threads, no process can be started: %s", explain(error))
        return ThreadedResults(makers)
    return hosts[0] if len(hosts) == 1 else SplitResults(hosts)


def _shared_out(makers: Makers, count: int) -> list[Makers]:
    """Divide results among one or two processes."""
    if count == 1:
        return [makers]
    return [
        {name: make for name, make in makers.items() if (name == APART) is apart}
        for apart in (True, False)
    ]
