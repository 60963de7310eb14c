"""Stems for small images: maps stay as large as the image until the first stage."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from augcli.manifests.errors import UsageError
from augcli.train import models
from augcli.train.layer_groups import layer_groups
from augcli.train.models import build_model, check_forward, model_names
from augcli.train.stems import SMALL_STEM_PIXELS, SMALL_STEMS

MODELS = {
    "small": "small",
    "vgg": "vgg11",
    "alexnet": "alexnet",
    "convnext": "convnext_tiny",
    "densenet": "densenet121",
    "googlenet": "googlenet",
    "resnet": "resnet18",
    "resnext": "resnext50_32x4d",
    "squeezenet": "squeezenet1_0",
    "wide_resnet": "wide_resnet50_2",
    "efficientnet": "efficientnet_b0",
    "inception": "inception_v3",
    "mnasnet": "mnasnet0_5",
    "mobilenet": "mobilenet_v2",
    "regnet": "regnet_x_400mf",
    "shufflenet": "shufflenet_v2_x0_5",
    "maxvit": "maxvit_t",
    "swin": "swin_t",
    "vit": "vit_b_32",
}
"""One of each family."""
AS_PUBLISHED = ["small", "vgg11"]
CHANGED = [name for key, name in MODELS.items() if SMALL_STEMS[key] and name not in AS_PUBLISHED]
VALID = {"inception_v3": 4}
"""Pixels lost at the edges, where convolutions don't pad."""


def untried(name: str, size: tuple[int, int], stem: str = "standard") -> nn.Module:
    """Without going through it to see whether it takes such images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "check_forward", lambda *_: None)
        return build_model(name, 3, size, seed=0, stem=stem)


def hollow(name: str, size: tuple[int, int], stem: str = "standard") -> nn.Module:
    """On torch's meta device, where nothing is computed; but RegNets count with tensors."""
    with torch.device("cpu" if name.startswith("regnet") else "meta"):
        return untried(name, size, stem)


def stem_map(model: nn.Module, name: str, pixels: int) -> torch.Size:
    """Shape of what the first group gives to the second."""

    class Reached(Exception):  # noqa: N818
        """The rest of the network need not be gone through."""

    def stop(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        raise Reached(inputs[0].shape)

    layer_groups(model, name)[1].modules[0].register_forward_pre_hook(stop)
    device = next(model.parameters()).device
    with pytest.raises(Reached) as reached:
        model.eval()(torch.zeros(1, 3, pixels, pixels, device=device))
    shape: torch.Size = reached.value.args[0]
    return shape


def test_every_family_is_told_of() -> None:
    assert SMALL_STEMS.keys() == MODELS.keys()
    for name in model_names():
        assert sum(name.startswith(family) for family in SMALL_STEMS) >= 1


@pytest.mark.parametrize("name", CHANGED)
def test_the_small_stem_keeps_the_maps(name: str) -> None:
    small = hollow(name, (32, 32), "small")
    check_forward(small, name, (32, 32))
    assert stem_map(small, name, 32)[2] == 32 - VALID.get(name, 0)
    standard = hollow(name, (96, 96))
    assert stem_map(standard, name, 96)[2] <= 48


@pytest.mark.parametrize("name", CHANGED)
def test_other_layers_are_those_of_the_published_network(name: str) -> None:
    small = untried(name, (96, 96), "small").state_dict()
    standard = untried(name, (96, 96)).state_dict()
    assert small.keys() == standard.keys()
    differing = [key for key in small if not torch.equal(small[key], standard[key])]
    assert len(differing) <= 2  # the kernel, and its bias where it has one
    for key in differing:
        assert small[key].ndim == 1 or small[key].shape[2:] == (3, 3)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_auto_goes_by_the_shorter_side(name: str) -> None:
    def height(size: tuple[int, int], stem: str) -> int:
        return stem_map(hollow(name, size, stem), name, 64)[2]

    at, above = SMALL_STEM_PIXELS, SMALL_STEM_PIXELS + 1
    assert height((at, 200), "auto") == height((200, 200), "small") == 64
    assert height((above, 200), "auto") == height((at, at), "standard") < 64


def test_the_default_is_the_published_network() -> None:
    model = build_model("resnet18", 3, (32, 32), seed=0)
    assert model.get_submodule("conv1").kernel_size == (7, 7)  # type: ignore[comparison-overlap]
    assert isinstance(model.get_submodule("maxpool"), nn.MaxPool2d)


@pytest.mark.parametrize("name", AS_PUBLISHED)
def test_what_keeps_its_maps_already_is_left_alone(name: str) -> None:
    assert str(hollow(name, (32, 32), "small")) == str(hollow(name, (32, 32)))


@pytest.mark.parametrize("name", ["vit_b_32", "swin_t"])
def test_patches_are_no_stem(name: str) -> None:
    with torch.device("meta"):
        build_model(name, 3, (64, 64), seed=0, stem="auto")
        with pytest.raises(UsageError, match=rf"--stem small: none is known for '{name}'"):
            build_model(name, 3, (64, 64), seed=0, stem="small")


def test_weights_depend_on_the_seed_only() -> None:
    kernels = []
    for seed, outside in ((5, 1), (5, 2), (6, 3)):
        torch.manual_seed(outside)
        model = build_model("resnet18", 3, (32, 32), seed=seed, stem="small")
        kernels.append(model.get_parameter("conv1.weight"))
    assert torch.equal(kernels[0], kernels[1]) and not torch.equal(kernels[0], kernels[2])


def test_an_unknown_stem() -> None:
    with pytest.raises(UsageError, match=r"unknown stem 'tiny': choose from auto, small, standard"):
        build_model("resnet18", 3, (32, 32), seed=0, stem="tiny")
