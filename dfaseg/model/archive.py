"""What kind of file poses as a model, told from its bytes before any loader touches it."""

import zipfile
from enum import Enum
from pathlib import Path

from dfaseg.errors import CheckpointError


class ModelKind(Enum):
    """The kinds of model files, safe and unsafe."""

    SAFETENSORS = "safetensors"
    PICKLE = "pickle"
    TORCHSCRIPT = "TorchScript archive"
    EXPORTED = "torch.export archive"
    ONNX = "ONNX"
    UNKNOWN = "unknown"


_ZIP_MAGIC = b"PK\x03\x04"
_LEGACY_TORCH_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_PICKLE_PROTOCOLS = range(2, 6)


def sniff_kind(path: Path) -> ModelKind:
    """Tell a model file's kind without executing or unpickling anything.

    Raises:
        CheckpointError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise CheckpointError(
            f"model '{path}': cannot be read ({error.strerror}); check the path"
        ) from error
    if head.startswith(_ZIP_MAGIC):
        return _sniff_zip(path)
    if head[8:9] == b"{":  # eight bytes of header length, then JSON
        return ModelKind.SAFETENSORS
    if _is_pickle(head):
        return ModelKind.PICKLE
    return ModelKind.ONNX if path.suffix.lower() == ".onnx" else ModelKind.UNKNOWN


def refuse_pickle(path: Path, kind: ModelKind) -> None:
    """Raise for a file that could run any code when loaded.

    Raises:
        CheckpointError: ``kind`` is a pickle.
    """
    if kind is ModelKind.PICKLE:
        raise CheckpointError(
            f"model '{path}': this is a pickled PyTorch file, which could run any code when "
            "loaded; ask its author for a .safetensors, torch.export (.pt2) or ONNX file"
        )


def _is_pickle(head: bytes) -> bool:
    if head.startswith(_LEGACY_TORCH_MAGIC):
        return True
    return len(head) > 1 and head[0] == 0x80 and head[1] in _PICKLE_PROTOCOLS


def _sniff_zip(path: Path) -> ModelKind:
    """Tell TorchScript and torch.export archives from pickles by their members' names."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name.partition("/")[2] for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"model '{path}': a damaged or cut-off archive ({error}); get the file again"
        ) from error
    if "archive_format" in members and any(name.startswith("models/") for name in members):
        return ModelKind.EXPORTED
    if "constants.pkl" in members and any(name.startswith("code/") for name in members):
        return ModelKind.TORCHSCRIPT
    return ModelKind.PICKLE if "data.pkl" in members else ModelKind.UNKNOWN
