"""What is known of encoders agrees with what is built from it."""

import pytest
import torch

from dfaseg.errors import ConfigError
from dfaseg.model.card import Normalisation
from dfaseg.model.known_encoders import KNOWN_ENCODERS, encoder_source
from dfaseg.model.plain_vit import PlainVit

MILLION_PARAMETERS = {
    "sam-vit-b": 89,
    "hipt": 22,
    "uni": 303,
    "uni2-h": 681,
    "virchow2": 631,
    "h-optimus-0": 1135,
    "h-optimus-1": 1135,
    "phikon-v2": 303,
}
"""Sizes as published; the architecture's keywords must lead to them."""


@pytest.mark.slow
@pytest.mark.parametrize("name", KNOWN_ENCODERS)
def test_known_encoder_is_built_as_described(name: str) -> None:
    """Width, token side and number of parameters are those of the published network."""
    source = KNOWN_ENCODERS[name]
    with torch.device("meta"):
        vit = PlainVit(source)

    assert (vit.feature_info.channels()[0], vit.patch_px) == (source.embed_dim, source.patch_px)
    count = sum(parameter.numel() for parameter in vit.parameters())
    assert round(count / 1e6) == MILLION_PARAMETERS[name]
    assert vit.only_size is None


def test_sizes_of_all_known_encoders_are_checked() -> None:
    """No entry is added without its size."""
    assert MILLION_PARAMETERS.keys() == KNOWN_ENCODERS.keys()


@pytest.mark.parametrize("name", KNOWN_ENCODERS)
def test_known_encoder_states_its_terms_and_address(name: str) -> None:
    """Whoever cannot get the weights learns where they are and on which terms."""
    source = KNOWN_ENCODERS[name]

    assert source.name == name
    assert source.licence in source.terms
    assert source.address.startswith("https://")


def test_timm_network_is_described_by_timm() -> None:
    """Licence, repository and normalisation come from timm's own table, the tag included."""
    plain, tagged = encoder_source("resnet50"), encoder_source("convnext_tiny.dinov3_lvd1689m")

    assert plain.licence == "apache-2.0"
    assert plain.repository is not None
    assert plain.repository.startswith("timm/resnet50.")
    assert plain.normalisation == Normalisation()
    assert tagged.licence == "dinov3-license"


def test_network_without_published_weights_is_described_too() -> None:
    """It can be trained from scratch; there is a page but no repository."""
    source = encoder_source("vit_giant_patch14_224")

    assert source.repository is None
    assert source.address.startswith("https://")


@pytest.mark.parametrize(
    ("name", "message"),
    [("nonet", r"encoder 'nonet'.*list_models.*uni2-h"), ("resnet50.none", "tag")],
)
def test_unknown_encoder_is_refused(name: str, message: str) -> None:
    """The message says where names are listed."""
    with pytest.raises(ConfigError, match=message):
        encoder_source(name)
