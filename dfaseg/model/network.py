"""What a prediction runs: uint8 patches in, float32 logits out, on one device.

Results must not depend on the batch size. Convolution libraries choose their algorithm by the
shape of the batch, and another algorithm adds in another order. On the CPU a network therefore
always sees the same number of patches at once, whatever the size of the batch (which is also
faster: the feature maps of a few patches stay in the cache). On a GPU such a fixed number would
waste memory or speed, so there logits agree between batch sizes to rounding only. Several threads
on one forward pass change the last bits too: our own networks take one each, up to eight cores.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from dfaseg.errors import CheckpointError, ConfigError
from dfaseg.model.archive import ModelKind, refuse_pickle, sniff_kind
from dfaseg.model.card import ModelCard, Normalisation
from dfaseg.model.checkpoint import load_checkpoint
from dfaseg.model.device import Precision, resolve_device, resolve_precision
from dfaseg.model.foreign import FOREIGN_KINDS, Forward, load_foreign
from dfaseg.model.pixel_decoder import LOGIT_STRIDE
from dfaseg.model.prepare import prepare_forward
from dfaseg.model.streams import ForwardStreams

_CPU_CHUNK_PX = 512 * 512
"""Pixels a CPU is given at once; enough to keep a few threads busy, small enough for the cache."""


@dataclass(frozen=True, slots=True)
class PixelScaling:
    """Turns pixel values 0-255 into the network's input with one multiplication and one addition.

    Attributes:
        factor: ``1 / (255 std)``, shape ``(1, 3, 1, 1)``.
        offset: ``-mean / std``, same shape.
    """

    factor: Tensor
    offset: Tensor

    @classmethod
    def on_device(cls, normalisation: Normalisation, device: torch.device) -> Self:
        """Prepare a normalisation on the device where patches will arrive."""
        mean, std = torch.tensor(normalisation.mean), torch.tensor(normalisation.std)
        shape = (1, 3, 1, 1)
        return cls((1 / (255 * std)).view(shape).to(device), (-mean / std).view(shape).to(device))

    def __call__(self, patches: Tensor) -> Tensor:
        """Scale uint8 patches ``(n, h, w, 3)`` to float32 ``(n, 3, h, w)``, channels last."""
        # The permuted view of (n, h, w, 3) is channels-last already: nothing is moved in memory.
        return patches.permute(0, 3, 1, 2).float().mul_(self.factor).add_(self.offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A loaded network, ready to run.

    Attributes:
        card: What it sees and answers.
        sha256: Hash of its file.
        device: Where patches must lie and logits will.
        precision: Number format of its arithmetic.
        logit_stride: Patch pixels per logit.
        fixed_batch: Number of patches the network insists on; None if it takes any.
        streams: Runs several chunks at a time; None for one after the other.
    """

    card: ModelCard
    sha256: str
    device: torch.device
    precision: Precision
    logit_stride: int
    scaling: PixelScaling = field(repr=False)
    forward: Forward = field(repr=False)
    fixed_batch: int | None = None
    streams: ForwardStreams | None = field(default=None, repr=False)

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

    def start(self, patches: Tensor) -> Callable[[], Tensor]:
        """Begin to run the network, so that other work can be done meanwhile.

        Args:
            patches: As for ``logits``.

        Returns:
            A function that waits and returns what ``logits`` would; it raises the same errors.
        """
        num_patches, height, width, _ = patches.shape
        size = self.chunk_size(height, width) or num_patches
        chunks = torch.split(patches, size)
        with self._explained(patches):
            if self.streams is None:
                results = [self._run(chunk, size) for chunk in chunks]
            else:
                pending = self.streams.submit(lambda chunk: self._run(chunk, size), chunks)

        def finish() -> Tensor:
            with self._explained(patches):
                done = results if self.streams is None else [part.result() for part in pending]
                logits = done[0] if len(done) == 1 else torch.cat(done)
            self._check(logits, height, width)
            return logits

        return finish

    def chunk_size(self, height: int, width: int) -> int | None:
        """Return how many patches of this size (px) run at once; None for any number.

        Batches that are a multiple of it waste nothing: a shorter rest is filled up.
        """
        if self.fixed_batch is not None:
            return self.fixed_batch
        return max(1, _CPU_CHUNK_PX // (height * width)) if self.device.type == "cpu" else None

    @property
    def useful_batch(self) -> int:
        """Number of chunks that keep all streams busy."""
        return self.streams.count if self.streams else 1

    def _run(self, patches: Tensor, size: int) -> Tensor:
        num_missing = size - len(patches)
        is_mixed = self.precision is not Precision.FP32
        # Both modes hold for the thread that sets them only.
        with (
            torch.inference_mode(),
            torch.autocast(self.device.type, self.precision.dtype, enabled=is_mixed),
        ):
            if num_missing:
                patches = torch.cat([patches, patches.new_zeros(num_missing, *patches.shape[1:])])
            logits = self.forward(self.scaling(patches))
            return logits[: size - num_missing].float()

    @contextmanager
    def _explained(self, patches: Tensor) -> Iterator[None]:
        """Turn a lack of memory into a setting to change."""
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            num_patches, height, width, _ = patches.shape
            raise ConfigError(
                f"device '{self.device}': no memory left for a batch of {num_patches} patches of "
                f"{width} x {height} px; use a smaller --batch-size or --patch-size"
            ) from error

    def _check(self, logits: Tensor, height: int, width: int) -> None:
        wanted = (len(self.card.classes), height // self.logit_stride, width // self.logit_stride)
        if tuple(logits.shape[1:]) != wanted:
            raise CheckpointError(
                f"model '{self.card.name}': answers {tuple(logits.shape[1:])} to a patch of "
                f"{height} x {width} px where {wanted} (classes, height, width) is expected; "
                f"use patches of a multiple of {self.card.patch_px} px or correct its card"
            )
        is_finite = logits.isfinite().flatten(1).all(dim=1)  # (n,)
        if not bool(is_finite.all()):
            bad = ", ".join(str(index) for index in (~is_finite).nonzero().flatten().tolist())
            raise CheckpointError(
                f"model '{self.card.name}': logits are not finite for patch {bad} of a batch of "
                f"{len(logits)} in {self.precision}; use --precision fp32"
            )


def _is_out_of_memory(error: Exception) -> bool:
    """Tell whether memory ran out; on the CPU torch says so in words only."""
    return isinstance(error, MemoryError) or any(
        words in str(error) for words in ("out of memory", "can't allocate memory")
    )


def load_network(
    location: Path, *, device: str = "auto", precision: str = "auto", cores: int = 1
) -> Network:
    """Load a model file and make it ready to run.

    Args:
        location: A ``.safetensors`` file of this package, or a ``.pt2``, TorchScript or ``.onnx``
            file with its card (``name.toml``) beside it.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
        cores: CPU cores the job may use; sets how many threads torch takes.

    Raises:
        CheckpointError: The file cannot be used.
        ConfigError: Device or precision are not to be had.
    """
    torch_device = resolve_device(device)
    torch.set_num_threads(cores)
    kind = sniff_kind(location)
    refuse_pickle(location, kind)
    if kind in FOREIGN_KINDS:
        return _load_foreign(location, kind, torch_device, precision)
    return _load_own(location, torch_device, resolve_precision(precision, torch_device), cores)


def _load_own(location: Path, device: torch.device, precision: Precision, cores: int) -> Network:
    loaded = load_checkpoint(location)
    streams = ForwardStreams(cores) if device.type == "cpu" else None
    return Network(
        card=loaded.card,
        sha256=loaded.sha256,
        device=device,
        precision=precision,
        logit_stride=LOGIT_STRIDE,
        scaling=PixelScaling.on_device(loaded.card.normalisation, device),
        forward=prepare_forward(loaded, device, precision, streams),
        streams=streams,
    )


def _load_foreign(location: Path, kind: ModelKind, device: torch.device, precision: str) -> Network:
    if precision not in {"auto", Precision.FP32}:
        raise ConfigError(
            f"precision '{precision}': '{location.name}' runs in the fp32 it was exported in; "
            "use auto or fp32"
        )
    loaded = load_foreign(location, kind, device)
    return Network(
        card=loaded.card,
        sha256=loaded.sha256,
        device=device,
        precision=Precision.FP32,
        logit_stride=loaded.logit_stride,
        scaling=PixelScaling.on_device(loaded.card.normalisation, device),
        forward=loaded.forward,
        fixed_batch=loaded.fixed_batch,
    )
