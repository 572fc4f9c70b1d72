"""The image encoder around timm networks."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.layers.format import Format
from torch import Tensor, nn

from dfaseg.errors import CheckpointError, ConfigError
from dfaseg.model.encoder import ImageEncoder

TINY = "test_efficientnet"


def test_feature_maps_have_the_strides_and_widths_told() -> None:
    """Maps come finest first; stride 2 is left out."""
    encoder = ImageEncoder(TINY).eval()

    feature_maps = encoder(torch.zeros(1, 3, 64, 96))

    assert encoder.strides == (4, 8, 16, 32)
    assert [tuple(m.shape) for m in feature_maps] == [
        (1, width, 64 // stride, 96 // stride)
        for width, stride in zip(encoder.channels, encoder.strides, strict=True)
    ]


class ChannelsLastNet(nn.Module):
    """Gives one map of stride 16 and width 5 with channels last, as Swin transformers do."""

    output_fmt = Format.NHWC
    feature_info = SimpleNamespace(reduction=lambda: [16], channels=lambda: [5])

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return zeros of the right shape."""
        num, _, height, width = images.shape
        return [torch.zeros(num, height // 16, width // 16, 5)]


def test_maps_with_channels_last_in_their_shape_are_turned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every encoder's maps come out as ``(n, c, h, w)``."""
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: ChannelsLastNet())

    (feature_map,) = ImageEncoder(TINY)(torch.zeros(1, 3, 32, 48))

    assert feature_map.shape == (1, 5, 2, 3)


def test_unknown_encoder_is_refused() -> None:
    """The message says where names are listed."""
    with pytest.raises(ConfigError, match=r"encoder 'nonet'.*list_models"):
        ImageEncoder("nonet")


def test_weights_come_from_a_local_file(tmp_path: Path) -> None:
    """A local file gives its weights without network."""
    source = ImageEncoder(TINY)
    file = tmp_path / "encoder.safetensors"
    save_file(source.net.state_dict(), file)

    loaded = ImageEncoder(TINY, weights=file)

    for name, value in source.net.state_dict().items():
        assert torch.equal(loaded.net.state_dict()[name], value), name


def test_missing_weight_file_is_named(tmp_path: Path) -> None:
    """The path is in the message."""
    with pytest.raises(CheckpointError, match=r"gone\.safetensors.*no such file"):
        ImageEncoder(TINY, weights=tmp_path / "gone.safetensors")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    """A file that does not fit is an error, not a network half loaded."""
    file = tmp_path / "other.safetensors"
    save_file({"fc.weight": torch.zeros(2, 2)}, file)

    with pytest.raises(CheckpointError, match="do not fit"):
        ImageEncoder(TINY, weights=file)


def test_loading_weights_draws_as_many_random_numbers_as_not_loading(tmp_path: Path) -> None:
    """What is initialised after the encoder does not depend on where its weights come from."""
    file = tmp_path / "encoder.safetensors"
    torch.manual_seed(0)
    save_file(ImageEncoder(TINY).net.state_dict(), file)
    expected = torch.rand(1)

    torch.manual_seed(0)
    with pytest.raises(CheckpointError):
        # Equal to the random start: nothing shows that the file was read.
        ImageEncoder(TINY, weights=file)

    assert torch.equal(torch.rand(1), expected)
