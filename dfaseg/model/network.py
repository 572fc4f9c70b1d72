"""What a prediction runs: uint8 patches in, float32 logits out, on one device.

Results must not depend on the batch size. Convolution libraries choose their algorithm by the
shape of the batch, and another algorithm adds in another order. On the CPU a network therefore
always sees the same number of patches at once, whatever the size of the batch (which is also
faster: the feature maps of a few patches stay in the cache). On a GPU such a fixed number would
waste memory or speed, so there logits agree between batch sizes to rounding only, and who cuts
patches fills up the last batch (``inference.on_device``). Several threads on one forward pass
change the last bits too: networks that torch runs take one each, up to eight cores.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from dfaseg.errors import CheckpointError, ConfigError
from dfaseg.mapped_tensor import held_tensor
from dfaseg.model.archive import ModelKind, refuse_pickle, sniff_kind
from dfaseg.model.card import ModelCard
from dfaseg.model.checkpoint import load_checkpoint
from dfaseg.model.device import (
    Precision,
    is_out_of_memory,
    refuse_old_gpu,
    resolve_devices,
    resolve_precision,
)
from dfaseg.model.foreign import FOREIGN_KINDS, load_foreign
from dfaseg.model.forward_pass import ForwardPass, PixelScaling
from dfaseg.model.gpu_runner import GpuRunner
from dfaseg.model.pixel_decoder import LOGIT_STRIDE
from dfaseg.model.prepare import prepare_forward
from dfaseg.model.streams import ForwardStreams
from dfaseg.model.team import Team
from dfaseg.model.traced import Outlook
from dfaseg.wording import counted

_CPU_CHUNK_PX = 512 * 512
"""Pixels a CPU is given at once; enough to keep a few threads busy, small enough for the cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A loaded network, ready to run.

    Attributes:
        card: What it sees and answers.
        sha256: Hash of its file.
        run: One forward pass.
        logit_stride: Patch pixels per logit.
        fixed_batch: Number of patches the network insists on; None if it takes any.
        streams: Runs several chunks at a time; None for one after the other.
        gpu: Runs batches on a GPU without waiting for it; None on the CPU.
        team: The same network on several GPUs, this one first; None for one alone.
        outlook: What is to come, for preparations that take time; None where there are none.
    """

    card: ModelCard
    sha256: str
    run: ForwardPass
    logit_stride: int
    fixed_batch: int | None = None
    streams: ForwardStreams | None = field(default=None, repr=False)
    gpu: GpuRunner | None = field(default=None, repr=False)
    team: Team | None = field(default=None, repr=False)
    outlook: Outlook | None = field(default=None, repr=False)

    @property
    def device(self) -> torch.device:
        """Where patches must lie and logits will."""
        return self.run.device

    @property
    def devices(self) -> tuple[torch.device, ...]:
        """All devices that share the work."""
        return (self.device,) if self.team is None else self.team.devices

    @property
    def precision(self) -> Precision:
        """Number format of its arithmetic."""
        return self.run.precision

    def logits(self, patches: Tensor) -> Tensor:
        """Run the network.

        Args:
            patches: uint8, shape ``(n, h, w, 3)``, on the network's device.

        Returns:
            float32, shape ``(n, k, h / logit_stride, w / logit_stride)``, on the same device.

        Raises:
            CheckpointError: Logits are not finite or do not have the shape the card states.
            ConfigError: The device has not enough memory for the batch.
        """
        return self.start(patches)()

    def try_out(self, patches: Tensor) -> None:
        """Run the network for what that takes, from whatever thread, beside batches of others.

        Args:
            patches: As for ``logits``.

        Raises:
            ConfigError: The device has not enough memory.
        """
        if self.gpu is None:
            self.logits(patches)
            return
        # Not the runner, which belongs to who started it: it records, and says which logits are
        # not finite to who asks first.
        with self._explained(patches):
            self.run(patches)

    def start(self, patches: Tensor) -> Callable[[], Tensor]:
        """Begin to run the network, so that other work can be done meanwhile.

        Args:
            patches: As for ``logits``.

        Returns:
            A function that waits and returns what ``logits`` would; it raises the same errors.
        """
        if self.team is not None:
            return self.team.start(patches)
        if self.gpu is not None:
            return self._start_on_gpu(self.gpu, patches)
        num_patches, height, width, _ = patches.shape
        size = self.chunk_size(height, width) or num_patches
        firsts = range(0, num_patches, size)

        def run_chunk(first: int) -> None:
            chunk = patches[first : first + size]
            answer = self.run.filled_up(chunk, size)
            self._check_shape(answer, height, width)
            logits[first : first + len(chunk)] = answer

        pending = []
        with self._explained(patches):
            logits = held_tensor((num_patches, *self._logit_shape(height, width)), self.device)
            if self.streams is None:
                for first in firsts:
                    run_chunk(first)
            else:
                pending = self.streams.submit(run_chunk, firsts)

        def finish() -> Tensor:
            with self._explained(patches):
                for part in pending:
                    part.result()
            self._check_finite(_finite_patches(logits))
            return logits

        return finish

    def expect(self, num_patches: int, side: int) -> None:
        """Say how many patches of a side (px) are to come, so that what pays is prepared for them.

        It changes no result. What was said before is forgotten.
        """
        size = self.chunk_size(side, side)
        if self.outlook is not None:
            self.outlook.num_passes = -(-num_patches // size) if size else 0

    def warm_up(self, num_patches: int, side: int) -> None:
        """Prepare what pays for so many patches of a side (px), beside whatever comes next.

        It changes no result. A network that has run before has its preparations behind it or gets
        them where it is told what to ``expect``.
        """
        size = self.chunk_size(side, side)
        if size is None or self.streams is None or self.outlook is None or self.outlook.has_begun:
            return
        self.expect(num_patches, side)
        if self.outlook.is_long:
            generator = torch.Generator().manual_seed(0)  # of its own: that of others is theirs
            shape = (size, side, side, 3)
            patches = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
            # What fails here fails again, and is explained, where its results are wanted.
            self.streams.submit(self.run, [patches])

    def settle(self) -> None:
        """Make sure that all logits so far were finite; waits for a GPU.

        Raises:
            CheckpointError: Some were not.
        """
        if self.team is not None:
            self.team.settle()
        elif self.gpu is not None:
            for is_finite in self.gpu.watch.take(wait=True):
                self._check_finite(is_finite)

    def _start_on_gpu(self, gpu: GpuRunner, patches: Tensor) -> Callable[[], Tensor]:
        with self._explained(patches):
            logits = gpu.start(patches)
        self._check_shape(logits, *patches.shape[1:3])
        for is_finite in gpu.watch.take(wait=False):
            self._check_finite(is_finite)
        return lambda: logits

    def chunk_size(self, height: int, width: int) -> int | None:
        """Return how many patches of this size (px) run at once; None for any number.

        Batches that are a multiple of it waste nothing: a shorter rest is filled up.
        """
        if self.fixed_batch is not None:
            return self.fixed_batch
        return max(1, _CPU_CHUNK_PX // (height * width)) if self.device.type == "cpu" else None

    def batch_that_fits(self, side: int, wanted: int) -> int:
        """Return how many patches of a side (px) there is memory for, at most ``wanted``."""
        if self.gpu is None:
            return wanted
        return self.gpu.batch_that_fits(self.device, side, wanted)

    @property
    def useful_batch(self) -> int:
        """Number of chunks that keep all streams busy."""
        return self.streams.count if self.streams else 1

    @contextmanager
    def _explained(self, patches: Tensor) -> Iterator[None]:
        """Turn a lack of memory into a setting to change."""
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            num_patches, height, width, _ = patches.shape
            raise ConfigError(
                f"device '{self.device}': no memory left for a batch of "
                f"{counted(num_patches, 'patch', 'patches')} of {width} × {height} px; use a"
                " smaller --batch-size or --patch-size"
            ) from error

    def _logit_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Return classes, height and width of the logits of a patch of a height and width (px)."""
        return len(self.card.classes), height // self.logit_stride, width // self.logit_stride

    def _check_shape(self, logits: Tensor, height: int, width: int) -> None:
        wanted = self._logit_shape(height, width)
        if tuple(logits.shape[1:]) != wanted:
            raise CheckpointError(
                f"model '{self.card.name}': answers {tuple(logits.shape[1:])} to a patch of "
                f"{height} × {width} px where {wanted} (classes, height, width) is expected; "
                f"use patches of a multiple of {self.card.patch_px} px or correct its card"
            )

    def _check_finite(self, is_finite: Tensor) -> None:
        """Refuse a batch in which a patch, one of the flags ``(n,)``, has a logit that is not."""
        if not bool(is_finite.all()):
            num_bad = int((~is_finite).sum())
            remedy = (
                "its weights or the normalisation in its card are wrong"
                if self.precision is Precision.FP32
                else "use --precision fp32"
            )
            raise CheckpointError(
                f"model '{self.card.name}': logits of {num_bad} of a batch of "
                f"{counted(len(is_finite), 'patch', 'patches')} are not finite in "
                f"{self.precision}; {remedy}"
            )


def _finite_patches(logits: Tensor) -> Tensor:
    """Tell for each patch whether all its logits, ``(n, k, h, w)`` on the CPU, are finite."""
    # A sum finds what is not in a thirtieth of the time; only a very large one can be wrong.
    is_finite = logits.flatten(1).sum(dim=1).isfinite()
    return is_finite if bool(is_finite.all()) else logits.isfinite().flatten(1).all(dim=1)


def load_network(
    location: Path, *, device: str = "auto", precision: str = "auto", cores: int = 1
) -> Network:
    """Load a model file and make it ready to run.

    Args:
        location: A ``.safetensors`` file of this package, or a ``.pt2``, TorchScript or ``.onnx``
            file with its card (``name.toml``) beside it.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N``, or several GPUs: ``cuda:0,cuda:1``.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
        cores: CPU cores the job may use; sets how many threads torch takes.

    Raises:
        CheckpointError: The file cannot be used.
        ConfigError: Device or precision are not to be had.
    """
    devices = resolve_devices(device)
    for one in devices:
        refuse_old_gpu(one)
    torch.set_num_threads(cores)
    # fp32 means fp32: a GPU would round the factors of convolutions to ten bits, and where the
    # environment asks for it (NVIDIA's containers do) those of matrix products, too: pixels that
    # are shrunk by them would differ from the host's.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    kind = sniff_kind(location)
    refuse_pickle(location, kind)
    if kind is ModelKind.UNKNOWN:
        raise CheckpointError(
            f"model '{location}': not a dfaseg model file, nor a torch.export, TorchScript or ONNX "
            "network (ONNX must end in .onnx); give another file"
        )
    networks = [_load_on(one, location, kind, precision, cores) for one in devices]
    return networks[0] if len(networks) == 1 else replace(networks[0], team=Team(networks))


def _load_on(
    device: torch.device, location: Path, kind: ModelKind, precision: str, cores: int
) -> Network:
    if kind in FOREIGN_KINDS:
        return _load_foreign(location, kind, device, precision, cores)
    return _load_own(location, device, resolve_precision(precision, device), cores)


def _load_own(location: Path, device: torch.device, precision: Precision, cores: int) -> Network:
    loaded = load_checkpoint(location)
    streams = ForwardStreams(cores) if device.type == "cpu" else None
    outlook = Outlook()
    run = ForwardPass(
        device,
        precision,
        PixelScaling.on_device(loaded.card.normalisation, device),
        prepare_forward(loaded, device, streams, outlook),
    )
    return Network(
        card=loaded.card,
        sha256=loaded.sha256,
        run=run,
        logit_stride=LOGIT_STRIDE,
        streams=streams,
        gpu=GpuRunner(run, is_recorded=True) if device.type == "cuda" else None,
        outlook=outlook,
    )


def _load_foreign(
    location: Path, kind: ModelKind, device: torch.device, precision: str, cores: int
) -> Network:
    if precision not in {"auto", Precision.FP32}:
        raise ConfigError(
            f"precision '{precision}': '{location.name}' runs in the fp32 it was exported in; "
            "use auto or fp32"
        )
    loaded = load_foreign(location, kind, device)
    scaling = PixelScaling.on_device(loaded.card.normalisation, device)
    run = ForwardPass(device, Precision.FP32, scaling, loaded.forward)
    takes_any = loaded.fixed_batch is None
    has_own_threads = kind is ModelKind.ONNX
    return Network(
        card=loaded.card,
        sha256=loaded.sha256,
        run=run,
        logit_stride=loaded.logit_stride,
        fixed_batch=loaded.fixed_batch,
        streams=ForwardStreams(cores) if device.type == "cpu" and not has_own_threads else None,
        # What its operations do is not known, so they are not recorded.
        gpu=GpuRunner(run, is_recorded=False) if device.type == "cuda" and takes_any else None,
    )
