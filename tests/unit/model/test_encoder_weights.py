"""Encoder weights: read without running code, renamed, and either all in place or refused."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from huggingface_hub import errors
from safetensors.torch import save_file
from torch import Tensor

from dfaseg.errors import CheckpointError
from dfaseg.model.encoder import ImageEncoder
from dfaseg.model.encoder_weights import load_encoder_weights
from dfaseg.model.known_encoders import EncoderSource, encoder_source
from dfaseg.model.plain_vit import PlainVit
from dfaseg.model.weight_files import read_weights
from tests.official_weights import (
    HIPT_VIT,
    SMALL_VIT,
    VitSize,
    dino_file,
    fill,
    sam_shapes,
    transformers_shapes,
    vit_shapes,
)

TINY = "test_efficientnet"
SMALL = {"embed_dim": SMALL_VIT.dim, "depth": SMALL_VIT.depth, "num_heads": SMALL_VIT.num_heads}
SMALL |= {"img_size": 16 * SMALL_VIT.grid}


def small_source(architecture: str = "vit_small_patch16_224", **settings: Any) -> EncoderSource:
    """Describe a vision transformer of the size ``SMALL_VIT``."""
    return EncoderSource(
        name="small",
        architecture=architecture,
        settings={**SMALL, **settings},
        licence="CC-BY-4.0",
        page="https://example.org/small.pth",
    )


def small_sam() -> EncoderSource:
    """Describe Segment Anything's encoder in the size ``SMALL_VIT``."""
    return small_source(
        "samvit_base_patch16",
        window_size=SMALL_VIT.window,
        global_attn_indexes=SMALL_VIT.global_blocks,
    )


def write(path: Path, content: Any) -> Path:
    """Write what torch's own programs write."""
    torch.save(content, path)
    return path


def plain(state: dict[str, Tensor]) -> Any:
    """Return the weights and nothing else."""
    return state


def among_others(state: dict[str, Tensor]) -> Any:
    """Return the weights as a training program keeps them."""
    return {"epoch": 3, "state_dict": {f"module.{name}": t for name, t in state.items()}}


@pytest.mark.parametrize("wrap", [plain, among_others])
@pytest.mark.parametrize("is_legacy", [False, True], ids=["zip", "legacy"])
def test_pickled_tensors_are_read(
    tmp_path: Path, wrap: Callable[[dict[str, Tensor]], Any], is_legacy: bool
) -> None:
    """Wrappers around the weights and prefixes before their names are taken off."""
    path = tmp_path / "weights.pth"
    state = fill(vit_shapes(SMALL_VIT))
    torch.save(wrap(state), path, _use_new_zipfile_serialization=not is_legacy)

    found = read_weights(path)

    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) for name in state)


@pytest.mark.parametrize("name", [TINY, "test_vit", "test_convnext"])
def test_safetensors_of_timm_fill_the_encoder(name: str, tmp_path: Path) -> None:
    """A network's own weights come back, whatever the extractor around it calls them."""
    path = write_timm(name, tmp_path / "weights.safetensors")

    loaded = ImageEncoder(name, weights=path).eval()
    again = ImageEncoder(name, weights=path).eval()

    images = torch.randn(1, 3, 32, 32)
    for one, other in zip(loaded(images), again(images), strict=True):
        assert torch.equal(one, other)


def write_timm(name: str, path: Path) -> Path:
    """Write the weights of a whole timm network, classifier included."""
    import timm  # noqa: PLC0415 - only here

    save_file(timm.create_model(name).state_dict(), path)
    return path


def test_loading_weights_draws_as_many_random_numbers_as_not_loading(tmp_path: Path) -> None:
    """What is initialised after the encoder does not depend on where its weights come from."""
    path = write_timm(TINY, tmp_path / "weights.safetensors")
    torch.manual_seed(0)
    ImageEncoder(TINY)
    expected = torch.rand(1)

    torch.manual_seed(0)
    ImageEncoder(TINY, weights=path)

    assert torch.equal(torch.rand(1), expected)


def test_segment_anything_file_fills_its_encoder(tmp_path: Path) -> None:
    """Only ``image_encoder`` is taken, without its neck; names are turned into timm's."""
    state = fill(sam_shapes(SMALL_VIT, dim=16, mlp_dim=32))
    net = PlainVit(small_sam())

    load_encoder_weights(net, small_sam(), write(tmp_path / "sam.pth", state))

    loaded = net.vit.state_dict()
    assert torch.equal(loaded["blocks.1.mlp.fc2.weight"], official(state, "blocks.1.mlp.lin2"))
    assert torch.equal(loaded["blocks.0.attn.qkv.weight"], official(state, "blocks.0.attn.qkv"))
    assert not any(name.startswith("neck") for name in loaded)


def official(state: dict[str, Tensor], name: str) -> Tensor:
    """Return a weight of Segment Anything's encoder."""
    return state[f"image_encoder.{name}.weight"]


def test_dino_file_gives_the_teacher(tmp_path: Path) -> None:
    """Of student and teacher the teacher is meant; projection head and settings stay behind."""
    content = dino_file(SMALL_VIT)
    net = PlainVit(small_source())

    load_encoder_weights(net, small_source(), write(tmp_path / "dino.pth", content))

    loaded = net.vit.state_dict()
    assert loaded.keys() == vit_shapes(SMALL_VIT).keys()
    for name, tensor in loaded.items():
        assert torch.equal(tensor, content["teacher"][f"backbone.{name}"]), name


def test_transformers_file_is_renamed(tmp_path: Path) -> None:
    """Query, key and value become one matrix; every other weight finds its place."""
    state = fill(transformers_shapes(SMALL_VIT))
    net = PlainVit(small_source(init_values=1e-5))
    path = tmp_path / "model.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)

    load_encoder_weights(net, small_source(init_values=1e-5), path)

    loaded = net.vit.state_dict()
    assert loaded.keys() == vit_shapes(SMALL_VIT, has_layer_scale=True).keys()
    start = "encoder.layer.1.attention.attention"
    parts = [state[f"{start}.{part}.bias"] for part in ("query", "key", "value")]
    assert torch.equal(loaded["blocks.1.attn.qkv.bias"], torch.cat(parts))
    assert torch.equal(loaded["blocks.0.ls2.gamma"], state["encoder.layer.0.layer_scale2.lambda1"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sam-vit-b", "hipt", "phikon-v2"])
def test_file_of_full_layout_fits_the_known_encoder(name: str, tmp_path: Path) -> None:
    """Names and shapes of the published file fit the published network, one by one."""
    content: dict[str, Any] = {
        "sam-vit-b": fill(sam_shapes()),
        "hipt": dino_file(HIPT_VIT),
        "phikon-v2": fill(transformers_shapes(VitSize(dim=1024, depth=24, num_heads=16, grid=14))),
    }[name]
    path = write(tmp_path / "weights.pth", content)
    with torch.device("meta"):  # names and shapes are compared before any weight is copied
        net = PlainVit(encoder_source(name))

    with pytest.warns(UserWarning, match="no-op"):
        load_encoder_weights(net, encoder_source(name), path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", r"lacks 'blocks\.0\.norm1\.bias'"),
        ("extra", r"holds 'blocks\.7\.norm1\.bias', which has no place"),
        ("shape", r"holds 'blocks\.0\.norm1\.bias' of shape \(3,\) instead of \(8,\)"),
    ],
)
def test_weights_of_another_transformer_are_named(
    change: str, message: str, tmp_path: Path
) -> None:
    """A file that does not fit in all parts is an error, not a network half loaded."""
    state = fill(vit_shapes(SMALL_VIT))
    if change == "missing":
        del state["blocks.0.norm1.bias"]
    elif change == "extra":
        state["blocks.7.norm1.bias"] = torch.zeros(8)
    else:
        state["blocks.0.norm1.bias"] = torch.zeros(3)
    path = write(tmp_path / "weights.pth", state)

    with pytest.raises(CheckpointError, match=message):
        load_encoder_weights(PlainVit(small_source()), small_source(), path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", r"lacks 'conv_stem\.weight'"),
        ("extra", r"holds 'conv_extra\.weight', which has no place"),
        ("shape", "do not fit"),
        ("other", "has no place"),
    ],
)
def test_weights_of_another_pyramid_are_named(change: str, message: str, tmp_path: Path) -> None:
    """Timm would only log what a file lacks or has in excess."""
    path = write_timm(TINY, tmp_path / "weights.safetensors")
    state = read_weights(path)
    if change == "missing":
        del state["conv_stem.weight"]
    elif change == "extra":
        state["conv_extra.weight"] = torch.zeros(2)
    elif change == "shape":
        state["conv_stem.weight"] = torch.zeros(1, 1, 1, 1)
    else:
        state = {"fc.weight": torch.zeros(2, 2)}
    save_file(state, path)

    with pytest.raises(CheckpointError, match=message):
        ImageEncoder(TINY, weights=path)


def test_missing_weight_file_is_named(tmp_path: Path) -> None:
    """The path is in the message."""
    with pytest.raises(CheckpointError, match=r"gone\.safetensors.*no such file"):
        ImageEncoder(TINY, weights=tmp_path / "gone.safetensors")


class Canary:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_pickle_that_holds_code_is_refused_and_never_run(tmp_path: Path) -> None:
    """Only tensors, numbers and names are read from a pickle."""
    canary, path = tmp_path / "canary", tmp_path / "weights.pth"
    torch.save({"state_dict": {"a": torch.zeros(1)}, "code": Canary(canary)}, path)

    with pytest.raises(CheckpointError, match="could run any code"):
        read_weights(path)

    assert not canary.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"see the paper", "neither a safetensors nor a PyTorch weight file"),
        (b"\x10\x00\x00\x00\x00\x00\x00\x00{not json at all}", "cannot be read"),
        (pickle.dumps([1, 2]), "cannot be read|more than weights"),
    ],
    ids=["text", "header", "list"],
)
def test_other_content_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    """Whatever is no weight file is refused in one line."""
    path = tmp_path / "weights.pth"
    path.write_bytes(content)

    with pytest.raises(CheckpointError, match=message) as caught:
        read_weights(path)

    assert "\n" not in str(caught.value)


def test_file_without_weights_is_refused(tmp_path: Path) -> None:
    """Settings alone fill no network."""
    with pytest.raises(CheckpointError, match="holds no weights by name"):
        read_weights(write(tmp_path / "weights.pth", {"epoch": 3}))


def hub_failure(kind: type[Exception]) -> Exception:
    """Make an error of the hub's client without the answer of a server."""
    error = kind.__new__(kind)
    error.args = ("refused",)
    return error


def test_gated_weights_say_licence_address_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """One message holds all that a person needs to go on."""

    def refuse(*_: object, local_files_only: bool, **__: object) -> str:
        if local_files_only:
            raise errors.LocalEntryNotFoundError("not cached")
        raise hub_failure(errors.GatedRepoError)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    net, source = PlainVit(small_source()), encoder_source("uni2-h")

    with pytest.raises(CheckpointError) as caught:
        load_encoder_weights(net, source, "hub")

    message = str(caught.value)
    for part in (
        "encoder 'uni2-h'",
        "grant access on request",
        "hf auth login",
        "licence: CC-BY-NC-ND-4.0",
        "https://huggingface.co/MahmoodLab/UNI2-h",
        "a file fetched from there can be given",
    ):
        assert part in message
    assert "\n" not in message


def test_unreachable_hub_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network, another name of the file would only double the wait."""
    asked = []

    def fail(_repo: str, name: str, *, local_files_only: bool, **_: object) -> str:
        asked.append((name, local_files_only))
        raise errors.LocalEntryNotFoundError("no network")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)

    with pytest.raises(CheckpointError, match=r"cannot be reached.*licence: apache-2\.0; open"):
        load_encoder_weights(PlainVit(small_source()), encoder_source("resnet18"), "hub")

    assert [name for name, is_offline in asked if not is_offline] == ["model.safetensors"]


def test_weights_that_are_not_on_the_hub_say_where_they_are() -> None:
    """No request is made."""
    source = encoder_source("hipt")

    with pytest.raises(CheckpointError, match=r"GPL-3\.0.*not on the Hugging Face hub.*HIPT_4K"):
        load_encoder_weights(PlainVit(small_source()), source, "hub")


def test_hub_gives_the_file_under_either_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Repositories hold safetensors or a pickle of tensors."""
    write(tmp_path / "pytorch_model.bin", fill(vit_shapes(SMALL_VIT)))

    def fetch(repo: str, name: str, *, local_files_only: bool, **_: object) -> str:
        assert repo == "org/small"
        if local_files_only:
            raise errors.LocalEntryNotFoundError("not cached")
        if name == "model.safetensors":
            raise hub_failure(errors.RemoteEntryNotFoundError)
        return str(tmp_path / name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    source = EncoderSource(
        name="small",
        architecture="vit_small_patch16_224",
        settings=SMALL,
        licence="none",
        repository="org/small",
    )
    net = PlainVit(source)

    load_encoder_weights(net, source, "hub")

    assert len(net.vit.cls_token.unique()) == 1
