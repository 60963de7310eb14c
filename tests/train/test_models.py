"""Networks by name: their shapes, weights and refusals."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from augcli.manifests.errors import UsageError
from augcli.train.models import MODELS, build_model, check_forward, model_names, parameter_count

SIZES = [(8, 8), (32, 32), (33, 47), (63, 64), (64, 64), (65, 97), (96, 96), (128, 128)]


@pytest.mark.parametrize("size", SIZES)
def test_small_gives_logits_for_any_size(size: tuple[int, int]) -> None:
    model = build_model("small", 7, size, seed=0)
    assert model(torch.randn(2, 3, *size)).shape == (2, 7)


@pytest.mark.parametrize("size", SIZES)
def test_small_is_small(size: tuple[int, int]) -> None:
    assert 100_000 < parameter_count(build_model("small", 100, size, seed=0)) < 2_500_000


def test_small_pads_by_repeating_the_edge() -> None:
    model = build_model("small", 5, (65, 70), seed=0).eval()
    images = torch.randn(2, 3, 65, 70)
    padded = functional.pad(images, (0, 2, 0, 3), mode="replicate")
    assert torch.equal(model(images), model(padded))
    assert not torch.equal(model(images), model(images[:, :, :64, :68]))


def test_small_sees_every_pixel() -> None:
    model = build_model("small", 5, (64, 64), seed=0).eval()
    # The blocks start as the identity with zero scale; give them something to do.
    torch.nn.init.ones_(model.get_parameter("body.1.second.norm.weight"))
    images = torch.randn(1, 3, 64, 64, requires_grad=True)
    model(images).square().sum().backward()
    assert images.grad is not None
    assert (images.grad != 0).all(dim=1).float().mean() > 0.99


@pytest.mark.parametrize("name", ["small", "resnet18"])
def test_weights_depend_on_the_seed_only(name: str) -> None:
    torch.manual_seed(1)
    first = build_model(name, 3, (32, 32), seed=5).state_dict()
    torch.manual_seed(2)
    again = build_model(name, 3, (32, 32), seed=5).state_dict()
    other = build_model(name, 3, (32, 32), seed=6).state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_building_leaves_the_global_random_state() -> None:
    before = torch.get_rng_state()
    build_model("small", 3, (32, 32), seed=5)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("name", "pixels"),
    [("mobilenet_v3_small", 32), ("squeezenet1_1", 64), ("googlenet", 96)],
)
def test_torchvision_models_give_plain_logits_in_both_modes(name: str, pixels: int) -> None:
    model = build_model(name, 4, (pixels, pixels), seed=0)
    images = torch.randn(2, 3, pixels, pixels)
    assert model.train()(images).shape == (2, 4)
    assert model.eval()(images).shape == (2, 4)


def test_every_name_is_listed_once() -> None:
    names = model_names()
    assert len(set(names)) == len(names)
    assert {*MODELS, "resnet18", "vit_b_16", "efficientnet_b0"} <= set(names)


def test_unknown_name_shows_close_ones_and_how_to_see_all() -> None:
    with pytest.raises(UsageError, match=r"'resnet8'.*resnet18.*to see all.*model_names"):
        build_model("resnet8", 3, (32, 32), seed=0)
    with pytest.raises(UsageError, match="choose from small"):
        build_model("!!", 3, (32, 32), seed=0)


def test_too_small_images_are_refused_before_training() -> None:
    with pytest.raises(UsageError, match=r"'squeezenet1_0' can't take images of 8x8"):
        build_model("squeezenet1_0", 3, (8, 8), seed=0)


def test_one_sample_is_refused_where_it_can_not_be_normalised() -> None:
    model = build_model("resnet18", 3, (32, 32), seed=0)
    with pytest.raises(UsageError, match=r"--batch-size.*last batch of one sample"):
        check_forward(model, "resnet18", (32, 32), batch=1)
    check_forward(build_model("small", 3, (32, 32), seed=0), "small", (32, 32), batch=1)


def test_checking_changes_nothing_in_the_model() -> None:
    model = build_model("resnet18", 3, (32, 32), seed=0).eval()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    check_forward(model, "resnet18", (32, 32))
    assert not model.training
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
