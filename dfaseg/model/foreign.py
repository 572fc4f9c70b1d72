"""Other people's networks, each with its card ``name.toml`` beside it.

What loading and running them may execute:

* **ONNX**: a graph of ONNX operators; nothing else. The format to ask for.
* **torch.export** (``.pt2``): a graph of torch operators. The archive can also hold pickles,
  Python expressions and compiled libraries; one that does is refused before torch opens it.
* **TorchScript** (``.pt``, ``.ts``): a program in TorchScript, run by torch's interpreter. It can
  reach neither Python nor other programs, but its operators include reading and writing files:
  load it only from people you trust. A pickled ``.pt`` file is refused before torch opens it.

They run in float32, the precision they were exported in.
"""

import hashlib
import importlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.export.passes import move_to_device_pass

from dfaseg.errors import CheckpointError, ConfigError
from dfaseg.model.archive import ModelKind
from dfaseg.model.card import ModelCard
from dfaseg.model.checkpoint import hash_file
from dfaseg.model.device import is_out_of_memory
from dfaseg.model.exported_guard import refuse_code
from dfaseg.model.foreign_problems import (
    LOADING_FAILURES,
    cannot_run,
    damaged,
    no_tensor,
    only_input,
)
from dfaseg.wording import counted

Forward = Callable[[Tensor], Tensor]
"""Normalised patches ``(n, 3, h, w)`` to logits ``(n, k, h / stride, w / stride)``."""

FOREIGN_KINDS = frozenset({ModelKind.TORCHSCRIPT, ModelKind.EXPORTED, ModelKind.ONNX})

_BATCH_WITHIN_BOUNDS = 4
"""Patches at once for a network whose batch size is bounded above."""


@dataclass(frozen=True, slots=True)
class ForeignModel:
    """A network that was not made here.

    Attributes:
        card: Its card, completed with the stride its logits were found to have.
        sha256: Hash of the hashes of its file and its card, for both decide the result.
        forward: Runs it.
        fixed_batch: Number of patches it insists on; None if it takes any.
        logit_stride: Patch pixels per logit.
    """

    card: ModelCard
    sha256: str
    forward: Forward
    fixed_batch: int | None
    logit_stride: int


def load_foreign(path: Path, kind: ModelKind, device: torch.device) -> ForeignModel:
    """Load a network and its card, and try it on one blank batch.

    Args:
        path: The network; its card is the file of the same name that ends in ``.toml``.
        kind: What ``sniff_kind`` says it is; one of ``FOREIGN_KINDS``.
        device: Where it will run.

    Raises:
        CheckpointError: Network or card are missing, unsafe, damaged or do not fit one another.
        ConfigError: What runs it is not installed or cannot use the device.
    """
    card_path = path.with_suffix(".toml")
    card = ModelCard.from_toml(card_path)
    load = {
        ModelKind.ONNX: _load_onnx,
        ModelKind.EXPORTED: _load_exported,
        ModelKind.TORCHSCRIPT: _load_torchscript,
    }[kind]
    forward, fixed_batch = load(path, device)
    stride = _try_out(path, card, forward, fixed_batch or 1, device)
    digest = hashlib.sha256((hash_file(path) + hash_file(card_path)).encode()).hexdigest()
    overlap_px = card.overlap_px - card.overlap_px % stride  # patches are laid out in whole logits
    card = replace(card, logit_stride=stride, overlap_px=overlap_px)
    return ForeignModel(card, digest, forward, fixed_batch, stride)


def _load_torchscript(path: Path, device: torch.device) -> tuple[Forward, int | None]:
    try:
        with warnings.catch_warnings():  # torch discourages writing TorchScript; this only reads
            warnings.simplefilter("ignore")
            module = torch.jit.load(str(path), map_location=device)  # type: ignore[no-untyped-call]
    except LOADING_FAILURES as error:
        raise damaged(path, error) from error
    module.eval()
    return _picking_logits(path, module), None


def _load_exported(path: Path, device: torch.device) -> tuple[Forward, int | None]:
    try:
        refuse_code(path)
        program = torch.export.load(path)
        name = only_input(path, program.graph_signature.user_inputs)
        fixed_batch = _exported_batch(program, name)
        if device.type != "cpu":
            program = move_to_device_pass(program, str(device))
        return _picking_logits(path, program.module()), fixed_batch
    except LOADING_FAILURES as error:
        raise damaged(path, error) from error


def _exported_batch(program: torch.export.ExportedProgram, name: Any) -> int | None:
    """Return a batch size the program accepts; None if it accepts any."""
    [node] = [node for node in program.graph.nodes if node.name == name]
    size = node.meta["val"].shape[0]
    if isinstance(size, int):
        return size
    bounds = program.range_constraints[size.node.expr]
    is_bounded = bounds.upper < torch.iinfo(torch.int32).max
    if bounds.lower <= 2 and not is_bounded:  # torch writes 2 for "any", and takes 1 all the same
        return None
    most = min(int(bounds.upper), _BATCH_WITHIN_BOUNDS) if is_bounded else 1
    return max(int(bounds.lower), most)


def _load_onnx(path: Path, device: torch.device) -> tuple[Forward, int | None]:
    try:
        runtime = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise ConfigError(
            f"model '{path}': ONNX needs onnxruntime; install it with: pip install 'dfaseg[onnx]'"
        ) from error
    failure = _onnx_failure(runtime)
    try:
        session = runtime.InferenceSession(
            str(path), _onnx_options(runtime), providers=_onnx_providers(runtime, path, device)
        )
    except failure as error:
        raise damaged(path, error) from error
    source = only_input(path, session.get_inputs())

    def forward(images: Tensor) -> Tensor:
        try:
            outputs = session.run(None, {source.name: images.contiguous().cpu().numpy()})
        except failure as error:
            raise cannot_run(path, images, error) from error
        if not isinstance(outputs[0], np.ndarray):
            raise no_tensor(path)
        return torch.from_numpy(outputs[0]).to(images.device)

    batch = source.shape[0]
    return forward, batch if isinstance(batch, int) else None


def _onnx_options(runtime: Any) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors reach us as exceptions; the rest is chatter
    return options


def _onnx_providers(runtime: Any, path: Path, device: torch.device) -> list[Any]:
    if device.type == "cpu":
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in runtime.get_available_providers():
        raise ConfigError(
            f"model '{path}': the installed onnxruntime cannot use a GPU; use --device cpu or "
            "install onnxruntime-gpu in its place"
        )
    return [("CUDAExecutionProvider", {"device_id": device.index})]


def _onnx_failure(runtime: Any) -> tuple[type[Exception], ...]:
    """Return onnxruntime's own exceptions, which share no base class but Exception."""
    state = runtime.capi.onnxruntime_pybind11_state
    kinds = [kind for kind in vars(state).values() if isinstance(kind, type)]
    own = [kind for kind in kinds if issubclass(kind, Exception)]
    return (*own, *LOADING_FAILURES)


def _picking_logits(path: Path, module: Callable[[Tensor], Any]) -> Forward:
    def forward(images: Tensor) -> Tensor:
        try:
            return _pick_logits(path, module(images))
        except LOADING_FAILURES as error:
            if is_out_of_memory(error):
                raise  # the network is fine, the batch too large
            raise cannot_run(path, images, error) from error

    return forward


def _pick_logits(path: Path, output: Any) -> Tensor:
    """Find the logits in what a network returns: a tensor, the first of several, or by name."""
    if isinstance(output, Mapping):
        output = output.get("logits", output.get("out"))
    elif isinstance(output, tuple | list) and output:
        output = output[0]
    if not isinstance(output, Tensor):
        raise no_tensor(path)
    return output


def _try_out(
    path: Path, card: ModelCard, forward: Forward, batch: int, device: torch.device
) -> int:
    """Run a blank batch and return the logit stride, after checking the shape of the answer."""
    side = card.patch_px
    shape = _shape_of_answer(path, side, forward, batch, device)
    if len(shape) != 4 or shape[:2] != (batch, len(card.classes)):
        raise CheckpointError(
            f"model '{path}': answers {shape} where {counted(batch, 'patch', 'patches')} and "
            f"{counted(len(card.classes), 'class', 'classes')}, (n, k, h, w), are expected; "
            "correct its card or export it anew"
        )
    stride = side // shape[2] if shape[2] else 0
    if stride < 1 or shape[2:] != (side / stride, side / stride):
        raise CheckpointError(
            f"model '{path}': {shape[3]} × {shape[2]} logits do not divide a patch of {side} px; "
            "correct patch_px in its card"
        )
    if stride > 1 and stride % 2:
        raise CheckpointError(
            f"model '{path}': its logits have stride {stride} where only 1 and even numbers can be "
            "used; export it to resize its logits to the patch"
        )
    if card.logit_stride not in {None, stride}:
        raise CheckpointError(
            f"model '{path}': its logits have stride {stride} where its card says "
            f"{card.logit_stride}; correct logit_stride in its card"
        )
    return stride


def _shape_of_answer(
    path: Path, side: int, forward: Forward, batch: int, device: torch.device
) -> tuple[int, ...]:
    try:
        with torch.inference_mode():
            return tuple(forward(torch.zeros(batch, 3, side, side, device=device)).shape)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise ConfigError(
            f"model '{path}': no memory for {counted(batch, 'patch', 'patches')} of {side} x "
            f"{side} px; correct patch_px in its card or give the job more"
        ) from error
