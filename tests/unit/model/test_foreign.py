"""Other people's networks run like our own, and nothing in their files runs code on loading."""

import io
import json
import pickle
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from onnx import TensorProto, helper, numpy_helper, save_model

from dfaseg.errors import CheckpointError, ConfigError
from dfaseg.model.network import Network, load_network
from tests.model_files import TOML_CARD, foreign_module

Rewrite = Callable[[str, bytes], bytes]


def write_torchscript(path: Path) -> None:
    """Write the module as a TorchScript archive."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(foreign_module()), str(path))


def write_exported(path: Path, batch: int | None = None) -> None:
    """Write the module as a torch.export archive for any batch size, or for one."""
    shapes = None if batch else ({0: torch.export.Dim("n")},)
    example = torch.zeros(batch or 2, 3, 32, 32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(foreign_module(), (example,), dynamic_shapes=shapes)
        torch.export.save(program, path)


def write_onnx(path: Path, batch: int | None = None) -> None:
    """Write the module as an ONNX graph, node by node."""
    conv = foreign_module()[0]
    assert isinstance(conv, torch.nn.Conv2d)
    assert conv.bias is not None
    arrays = {"w": conv.weight.detach().numpy(), "b": conv.bias.detach().numpy()}
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], strides=[4, 4], pads=[1, 1, 1, 1]),
        helper.make_node("Tanh", ["c"], ["logits"]),
    ]
    size = batch or "n"
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [size, 3, "h", "w"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [size, 2, "i", "j"])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    opset = helper.make_opsetid("", 17)
    save_model(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)


WRITERS = {"net.pt": write_torchscript, "net.pt2": write_exported, "net.onnx": write_onnx}


def load(path: Path, card: str = TOML_CARD, **options: str) -> Network:
    """Load a network after writing its card."""
    path.with_suffix(".toml").write_text(card, encoding="utf-8")
    return load_network(path, device="cpu", **options)


def rewrite_archive(path: Path, rewrite: Rewrite) -> None:
    """Change the members of a zip archive."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, rewrite(name, content))


@pytest.mark.parametrize("name", WRITERS)
def test_foreign_network_gives_its_own_logits(tmp_path: Path, name: str) -> None:
    """The module itself and its file, loaded as a network, answer the same."""
    WRITERS[name](tmp_path / name)
    pixels = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8)

    network = load(tmp_path / name)

    with torch.no_grad():
        wanted = foreign_module()(network.run.scaling(pixels))
    assert torch.allclose(network.logits(pixels), wanted, atol=1e-5)
    assert (network.logit_stride, network.card.logit_stride) == (4, 4)
    assert network.precision == "fp32"


@pytest.mark.parametrize(("name", "writer"), [("n.pt2", write_exported), ("n.onnx", write_onnx)])
def test_fixed_batch_is_filled_up(
    tmp_path: Path, name: str, writer: Callable[[Path, int], None]
) -> None:
    """A network exported for four patches runs one, five or eight."""
    writer(tmp_path / name, 4)
    pixels = torch.randint(0, 256, (5, 32, 32, 3), dtype=torch.uint8)

    network = load(tmp_path / name)

    assert network.fixed_batch == 4
    assert torch.equal(network.logits(pixels)[:1], network.logits(pixels[:1]))
    assert network.logits(pixels).shape == (5, 2, 8, 8)


def test_hash_covers_the_card(tmp_path: Path) -> None:
    """Another normalisation is another network, for resuming runs."""
    write_onnx(tmp_path / "net.onnx")

    first = load(tmp_path / "net.onnx")
    second = load(tmp_path / "net.onnx", TOML_CARD.replace("0.25, 0.25]", "0.25, 0.5]"))

    assert first.sha256 != second.sha256


@pytest.mark.parametrize(
    ("card", "message"),
    [
        (TOML_CARD + '[[class]]\nindex = 2\nname = "x"\ncolour = "#000000"\n', "and 3 classes"),
        (f"logit_stride = 8\n{TOML_CARD}", "stride 4 where its card says 8"),
        (TOML_CARD.replace("patch_px = 32", "patch_px = 30"), "do not divide a patch of 30 px"),
        (TOML_CARD.replace("mpp = 0.5", "mpp = 'fine'"), "'mpp' must be a number"),
    ],
    ids=["classes", "stride", "patch", "type"],
)
def test_card_must_fit_the_network(tmp_path: Path, card: str, message: str) -> None:
    """What the card says is tried out on a blank patch before any slide is read."""
    write_onnx(tmp_path / "net.onnx")

    with pytest.raises(CheckpointError, match=message):
        load(tmp_path / "net.onnx", card)


def test_odd_stride_names_the_network(tmp_path: Path) -> None:
    """Labels are laid out in halves of a logit; the network is to blame, and can be mended."""
    write_onnx(tmp_path / "net.onnx")

    with pytest.raises(CheckpointError, match=r"net\.onnx': its logits have stride 3 where only 1"):
        load(tmp_path / "net.onnx", TOML_CARD.replace("patch_px = 32", "patch_px = 3"))


def test_patches_too_large_for_memory_are_one_line(tmp_path: Path) -> None:
    """A side in the card that is wrong by far asks for terabytes."""
    write_onnx(tmp_path / "net.onnx")

    with pytest.raises(ConfigError, match=r"no memory for 1 patch of 10000000 x .*patch_px"):
        load(tmp_path / "net.onnx", TOML_CARD.replace("patch_px = 32", "patch_px = 10000000"))


class Strict(torch.nn.Module):
    """Insists on one patch, as a traced ``view`` does."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits of stride 4."""
        if images.shape[0] != 1:
            raise ValueError("one patch only")
        return images[:, :2, ::4, ::4]


def test_exception_of_a_torchscript_program_is_one_line(tmp_path: Path) -> None:
    """Torch has a class of its own for them; the cause is in the last line of its traceback."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(Strict()), str(tmp_path / "net.pt"))
    network = load(tmp_path / "net.pt")

    with pytest.raises(CheckpointError, match=r"on \d+ patches of 32 × 32 px \(.*one patch only"):
        network.logits(torch.zeros(2, 32, 32, 3, dtype=torch.uint8))


class Adds(torch.nn.Module):
    """Takes two images."""

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Return their sum."""
        return left + right


def test_number_of_inputs_is_checked(tmp_path: Path) -> None:
    """A network that wants something beside patches was exported for another use."""
    images = torch.zeros(2, 3, 32, 32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(Adds(), (images, images)), tmp_path / "net.pt2")

    with pytest.raises(CheckpointError, match="takes 2 inputs where patches are the only one"):
        load(tmp_path / "net.pt2")


def test_onnx_without_input_or_tensor_is_refused(tmp_path: Path) -> None:
    """Graphs that are constants, or answer lists, are no networks for patches."""
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 32, 32])
    answer = helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None)
    listing = helper.make_node("SequenceConstruct", ["x"], ["y"])
    number = helper.make_tensor_value_info("c", TensorProto.FLOAT, [])
    constant = helper.make_node("Constant", [], ["c"], value_float=0.0)
    graphs = {
        "returns no tensor": helper.make_graph([listing], "lists", [image], [answer]),
        "takes 0 inputs": helper.make_graph([constant], "constant", [], [number]),
    }
    opset = helper.make_opsetid("", 17)
    for message, graph in graphs.items():
        model = helper.make_model(graph, opset_imports=[opset], ir_version=9)
        save_model(model, tmp_path / "net.onnx")
        with pytest.raises(CheckpointError, match=message):
            load(tmp_path / "net.onnx")


def test_ending_of_onnx_may_be_in_capitals(tmp_path: Path) -> None:
    """Some systems write endings so; the content alone does not tell ONNX."""
    write_onnx(tmp_path / "net.ONNX")

    assert load(tmp_path / "net.ONNX").logit_stride == 4


def test_file_of_no_known_kind_names_all_kinds(tmp_path: Path) -> None:
    """The message does not send people with a network of their own to ``dfaseg train``."""
    (tmp_path / "net").write_bytes(b"weights")

    with pytest.raises(CheckpointError, match=r"not a dfaseg model file, nor .*end in \.onnx"):
        load(tmp_path / "net")


@pytest.mark.parametrize("name", WRITERS)
def test_network_without_card_is_refused(tmp_path: Path, name: str) -> None:
    """Nothing about resolution or classes is guessed."""
    WRITERS[name](tmp_path / name)

    with pytest.raises(CheckpointError, match=r"net\.toml.* needs a card beside it"):
        load_network(tmp_path / name, device="cpu")


@pytest.mark.parametrize("name", WRITERS)
def test_truncated_network_is_refused(tmp_path: Path, name: str) -> None:
    """A half-copied file is one clear line."""
    WRITERS[name](tmp_path / name)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:300])

    with pytest.raises(CheckpointError, match=rf"model '.*{name}'") as caught:
        load(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_missing_onnxruntime_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX support is an extra; the message holds the command that installs it."""
    write_onnx(tmp_path / "net.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    with pytest.raises(ConfigError, match=r"pip install 'dfaseg\[onnx\]'"):
        load(tmp_path / "net.onnx")


def test_foreign_network_keeps_its_precision(tmp_path: Path) -> None:
    """A graph exported in float32 is not silently run in another format."""
    write_onnx(tmp_path / "net.onnx")

    with pytest.raises(ConfigError, match="runs in the fp32 it was exported in"):
        load(tmp_path / "net.onnx", precision="bf16")


def test_patch_size_the_network_refuses_is_named(tmp_path: Path) -> None:
    """A graph exported for one patch size says so when given another."""
    write_exported(tmp_path / "net.pt2")
    network = load(tmp_path / "net.pt2")

    with pytest.raises(CheckpointError, match=r"cannot run on .* patches of 64 × 64 px"):
        network.logits(torch.zeros(1, 64, 64, 3, dtype=torch.uint8))


class Canary:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def saved(payload: object) -> bytes:
    """Return what torch.save writes."""
    buffer = io.BytesIO()
    torch.save(payload, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["net.pt", "net.pt2", "net.onnx"])
def test_pickle_under_any_name_is_refused_unopened(tmp_path: Path, name: str) -> None:
    """The suffix does not make a pickle a network."""
    canary = tmp_path / "canary"
    (tmp_path / name).write_bytes(saved(Canary(canary)))

    with pytest.raises(CheckpointError, match="could run any code when loaded"):
        load(tmp_path / name)
    assert not canary.exists()


def test_pickled_example_inputs_of_an_export_are_refused(tmp_path: Path) -> None:
    """Torch would fall back to unpickling them in full."""
    canary = tmp_path / "canary"
    write_exported(tmp_path / "net.pt2")
    rewrite_archive(
        tmp_path / "net.pt2",
        lambda name, content: saved(Canary(canary)) if "sample_inputs" in name else content,
    )

    with pytest.raises(CheckpointError, match="example inputs that are a pickle"):
        load(tmp_path / "net.pt2")
    assert not canary.exists()


def test_pickled_weights_of_an_export_are_refused(tmp_path: Path) -> None:
    """Torch unpickles a weight in full where the archive tells it to."""
    canary = tmp_path / "canary"
    write_exported(tmp_path / "net.pt2")

    def rewrite(name: str, content: bytes) -> bytes:
        if name.endswith("weight_0"):
            return pickle.dumps(Canary(canary))
        return content.replace(b'"use_pickle": false', b'"use_pickle": true', 1)

    rewrite_archive(tmp_path / "net.pt2", rewrite)

    with pytest.raises(CheckpointError, match="holds pickled tensors"):
        load(tmp_path / "net.pt2")
    assert not canary.exists()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("target", "torch.os.system", "the operator 'torch.os.system'"),
        ("target", "_operator.methodcaller", "the operator '_operator.methodcaller'"),
        ("expr_str", "__import__('os').system('id')", 'the expression "__import__'),
        ("expr_str", "Symbol('s1', positive=exit())", 'the expression "Symbol'),
        ("guards_code", ["exit()"], r"the guards \['exit\(\)'\]"),
    ],
)
def test_code_in_an_export_is_refused(
    tmp_path: Path, key: str, value: object, message: str
) -> None:
    """Operators, shape expressions and guards that torch would evaluate must be harmless."""
    write_exported(tmp_path / "net.pt2")

    def rewrite(name: str, content: bytes) -> bytes:
        if "models/" not in name:
            return content
        return json.dumps(_replace(json.loads(content), key, value)).encode()

    rewrite_archive(tmp_path / "net.pt2", rewrite)

    with pytest.raises(CheckpointError, match=f"holds {message}"):
        load(tmp_path / "net.pt2")


def test_export_for_any_patch_size_is_accepted(tmp_path: Path) -> None:
    """Shape arithmetic and guards that torch writes itself do no harm."""
    size = torch.export.Dim.DYNAMIC
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(
            torch.nn.Sequential(
                foreign_module(), torch.nn.PixelUnshuffle(2), torch.nn.Conv2d(8, 2, 1)
            ),
            (torch.zeros(2, 3, 32, 48),),
            dynamic_shapes=({0: size, 2: size, 3: size},),
        )
        torch.export.save(program, tmp_path / "net.pt2")

    network = load(tmp_path / "net.pt2")

    assert network.logits(torch.zeros(1, 64, 64, 3, dtype=torch.uint8)).shape == (1, 2, 8, 8)


def test_compiled_code_in_an_export_is_refused(tmp_path: Path) -> None:
    """Torch would load a shared library that lies in the archive."""
    write_exported(tmp_path / "net.pt2")
    with zipfile.ZipFile(tmp_path / "net.pt2", "a") as archive:
        archive.writestr("net/data/aotinductor/model/x.so", b"")

    with pytest.raises(CheckpointError, match=r"the member 'data/aotinductor/model/x\.so'"):
        load(tmp_path / "net.pt2")


def _replace(entry: object, key: str, value: object) -> object:
    """Put a value under every occurrence of a key in a JSON document."""
    if isinstance(entry, list):
        return [_replace(item, key, value) for item in entry]
    if isinstance(entry, dict):
        return {k: value if k == key else _replace(v, key, value) for k, v in entry.items()}
    return entry
