"""What prediction runs: right numbers, whatever the batch size, or a clear refusal."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dfaseg.errors import CheckpointError, ConfigError
from dfaseg.model import traced
from dfaseg.model.build import build_segmenter, preset_spec
from dfaseg.model.card import Normalisation
from dfaseg.model.checkpoint import load_checkpoint, save_checkpoint
from dfaseg.model.device import Precision
from dfaseg.model.foreign import Forward
from dfaseg.model.forward_pass import ForwardPass, PixelScaling
from dfaseg.model.network import Network, load_network
from dfaseg.model.spec import ModelSpec
from tests.model_files import tiny_card, write_tiny_model

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model file."""
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.safetensors")


@pytest.fixture(scope="module")
def network(model_path: Path) -> Network:
    """The tiny network on the CPU."""
    return load_network(model_path, device="cpu", precision="fp32")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Compute on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def patches(count: int, side: int = 64) -> Tensor:
    """Return random patches."""
    generator = torch.Generator().manual_seed(5)
    shape = (count, side, side, 3)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def network_of(forward: Forward, fixed_batch: int | None = None) -> Network:
    """Return a network that answers what a function says, two classes at stride 1."""
    return Network(
        card=tiny_card(2),
        sha256="0" * 64,
        run=ForwardPass(
            CPU,
            Precision.FP32,
            PixelScaling.on_device(Normalisation((0, 0, 0), (1, 1, 1)), CPU),
            forward,
        ),
        logit_stride=1,
        fixed_batch=fixed_batch,
    )


def test_scaling_is_the_textbook_formula() -> None:
    """One multiply-add equals (x / 255 - mean) / std, channel by channel."""
    norm = Normalisation((0.1, 0.5, 0.9), (0.2, 0.3, 0.4))
    pixels = patches(2, 8)

    scaled = PixelScaling.on_device(norm, CPU)(pixels)

    mean, std = torch.tensor(norm.mean), torch.tensor(norm.std)
    wanted = ((pixels / 255 - mean) / std).permute(0, 3, 1, 2)
    assert torch.allclose(scaled, wanted, atol=1e-6)
    assert scaled.is_contiguous(memory_format=torch.channels_last)


def test_scaling_on_the_cpu_gives_the_bits_of_torch() -> None:
    """What a GPU gets is made by torch; the network sees the same, patches apart or not."""
    scaling = PixelScaling.on_device(Normalisation((0.1, 0.5, 0.9), (0.2, 0.3, 0.4)), CPU)
    pixels = patches(3, 16)

    scaled = scaling(pixels[::2])

    by_torch = pixels[::2].float().mul_(scaling.factor).add_(scaling.offset)
    assert torch.equal(scaled, by_torch.permute(0, 3, 1, 2))


def test_logits_equal_the_plain_model(model_path: Path, network: Network) -> None:
    """Folded normalisation and channels-last memory change no more than rounding."""
    model = load_checkpoint(model_path).model
    pixels = patches(2)
    with torch.no_grad():
        wanted = model(network.run.scaling(pixels)).logits

    logits = network.logits(pixels)

    assert logits.dtype is torch.float32
    assert logits.shape == (2, 3, 16, 16)
    assert torch.allclose(logits, wanted, atol=1e-4 * float(wanted.abs().max()))


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_logits_do_not_depend_on_the_batch_size(network: Network, batch_size: int) -> None:
    """A patch's logits are the same bits in a batch of any size."""
    pixels = patches(8)
    wanted = network.logits(pixels)

    found = torch.cat([network.logits(batch) for batch in torch.split(pixels, batch_size)])

    assert torch.equal(found, wanted)


def test_network_always_sees_whole_chunks() -> None:
    """A short rest is filled up with blank patches, whose logits are cut off."""
    seen: list[int] = []

    def forward(images: Tensor) -> Tensor:
        seen.append(len(images))
        return images[:, :2]

    logits = network_of(forward, fixed_batch=4).logits(patches(6, 8))

    assert seen == [4, 4]
    assert torch.allclose(logits, patches(6, 8).permute(0, 3, 1, 2)[:, :2] / 255)


@pytest.mark.parametrize(("side", "size"), [(1024, 1), (512, 1), (256, 4)])
def test_chunk_fits_the_cache(network: Network, side: int, size: int) -> None:
    """Small patches run several at once on the CPU, large ones one by one."""
    assert network.chunk_size(side, side) == size


@pytest.mark.parametrize(("announced", "is_traced"), [(3, True), (2, False)])
def test_trace_is_made_ahead_where_it_pays(
    model_path: Path, monkeypatch: pytest.MonkeyPatch, announced: int, is_traced: bool
) -> None:
    """While something else is done; and neither bits nor random numbers of others change."""
    monkeypatch.setattr(traced, "WORTH_PASSES", 3)
    traces: list[torch.Size] = []
    trace = traced.TracedForward._trace
    monkeypatch.setattr(
        traced.TracedForward,
        "_trace",
        lambda self, images, logits: traces.append(images.shape) or trace(self, images, logits),
    )
    plain = load_network(model_path, device="cpu", precision="fp32")
    expected = plain.logits(patches(5, 1024))
    network = load_network(model_path, device="cpu", precision="fp32")
    before = torch.get_rng_state()

    traces.clear()
    network.warm_up(announced, 1024)
    assert network.streams is not None
    network.streams.submit(lambda _: None, [0])[0].result()  # there is one stream
    network.expect(1, 1024)
    assert torch.equal(network.logits(patches(1, 1024)), expected[:1])

    assert len(traces) == is_traced
    assert torch.equal(torch.get_rng_state(), before)
    network.warm_up(99, 1024)  # it has run: nothing is to be gained any more
    assert torch.equal(network.logits(patches(5, 1024)), expected)


def test_logits_that_are_not_finite_are_named() -> None:
    """NaN and infinity are no prediction; the message counts the patches."""

    def forward(images: Tensor) -> Tensor:
        images[1, 0, 0, 0], images[3, 0, 0, 0] = float("nan"), float("inf")
        return images[:, :2]

    with pytest.raises(
        CheckpointError,
        match=r"of 2 of a batch of 4 patches are not finite in fp32; its weights or",
    ):
        network_of(forward, fixed_batch=4).logits(patches(4, 8))


@pytest.mark.parametrize(
    "failure",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 byte"),
        MemoryError(),
    ],
    ids=["GPU", "CPU", "Python"],
)
def test_exhausted_memory_asks_for_a_smaller_batch(failure: Exception) -> None:
    """Running out of memory is a setting to change, not a crash."""

    def forward(_images: Tensor) -> Tensor:
        raise failure

    with pytest.raises(ConfigError, match=r"no memory left for a batch of 2 .* --batch-size"):
        network_of(forward, fixed_batch=2).logits(patches(2, 8))


def test_other_failures_of_the_network_are_not_hidden() -> None:
    """Only a lack of memory is taken for one."""

    def forward(_images: Tensor) -> Tensor:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        network_of(forward).logits(patches(1, 8))


@pytest.mark.parametrize("channels", [1, 3])
def test_wrong_number_of_classes_is_refused(channels: int) -> None:
    """The answer must have one channel per class of the card."""
    with pytest.raises(CheckpointError, match=rf"answers \({channels}, 8, 8\) to a patch"):
        network_of(lambda images: images[:, :channels]).logits(patches(1, 8))


def test_impossible_patch_size_is_refused(network: Network) -> None:
    """A patch whose side the network cannot divide is a setting to change."""
    with pytest.raises(ConfigError, match="multiples of"):
        network.logits(patches(1, 60))


def test_bf16_agrees_with_fp32(model_path: Path, network: Network) -> None:
    """Half the bits give nearly the same logits, and they come back as float32."""
    half = load_network(model_path, device="cpu", precision="bf16")
    wanted = network.logits(patches(1))

    logits = half.logits(patches(1))

    assert logits.dtype is torch.float32
    assert torch.allclose(logits, wanted, atol=0.1 * float(wanted.abs().max()))


def test_large_logits_are_not_taken_for_infinite_ones() -> None:
    """Finite numbers stay finite, even where their sum is not."""
    network = network_of(lambda images: images[:, :2] * 0 + 3e38)

    assert bool((network.logits(patches(2, 8)) > 2e38).all())


def test_loaded_network_tells_where_and_how_it_runs(model_path: Path, network: Network) -> None:
    """Card, hash, device and precision are there for the run record."""
    loaded = load_checkpoint(model_path)

    assert (network.card, network.sha256) == (loaded.card, loaded.sha256)
    assert (network.device, network.precision, network.logit_stride) == (CPU, "fp32", 4)


def test_products_are_exact_whatever_the_environment_asks_for(
    model_path: Path,
) -> None:
    """NVIDIA's containers ask for TF32, in which neither fp32 nor shrunk pixels would be right."""
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True

    load_network(model_path, device="cpu")

    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32


@pytest.mark.gpu
def test_gpu_agrees_with_cpu(model_path: Path, network: Network) -> None:
    """The same patches give the same logits on a GPU, to rounding."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    on_gpu = load_network(model_path, device="cuda", precision="fp32")
    wanted = network.logits(patches(3))

    logits = on_gpu.logits(patches(3).cuda()).cpu()

    assert torch.allclose(logits, wanted, atol=5e-3 * float(wanted.abs().max()))


def test_network_is_a_value(network: Network) -> None:
    """A network cannot be changed by accident."""
    assert replace(network, fixed_batch=2).fixed_batch == 2
    with pytest.raises(AttributeError):
        network.sha256 = ""  # type: ignore[misc]


@pytest.mark.parametrize(
    "changes",
    [
        {"bias_scope": "head"},
        {"second_encoder": "test_vit", "freeze_encoder": True},
        {"predicts_iou": True, "position_encoding": True, "sam_decoder": True},
    ],
    ids=["bias per head", "two frozen encoders", "wired as Segment Anything"],
)
def test_network_of_any_make_runs_as_it_was_saved(
    changes: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folding and tracing keep bias, second encoder and logit shift."""
    monkeypatch.setattr(traced, "WORTH_PASSES", 2)
    spec = ModelSpec.from_record(preset_spec("tiny", num_classes=3).to_record() | changes)
    model = build_segmenter(spec, pixel_frequencies=(0.7, 0.2, 0.1), alpha=2.0).eval()
    model.shift_logits([1.0, -2.0, 0.5])
    card = tiny_card(architecture=model.spec.to_record(), normalisation=model.normalisation)
    save_checkpoint(tmp_path / "net.safetensors", model, card)
    patches = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)

    network = load_network(tmp_path / "net.safetensors", device="cpu", precision="fp32")
    answers = [network.logits(patches) for _ in range(4)]

    with torch.no_grad():
        expected = model(PixelScaling.on_device(model.normalisation, CPU)(patches)).logits
    assert all(torch.equal(answer, answers[0]) for answer in answers)
    torch.testing.assert_close(answers[0], expected, atol=1e-4, rtol=1e-3)
