"""Networks by name: `small`, made for CPUs, and torchvision's classification models, untrained.

Every model takes normalised float32 RGB of shape (B, 3, H, W) and gives logits (B, classes).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torchvision
from torch import nn
from torch.func import functional_call

from augcli.manifests.errors import UsageError
from augcli.train.smallnet import SmallNet
from augcli.train.stems import fit_stem

Size = tuple[int, int]
"""(height, width) in pixels."""

MODELS: dict[str, Callable[[int, Size], nn.Module]] = {
    "small": SmallNet,
}
"""Our own networks: name -> f(classes, size). Any other name is looked up in torchvision."""


def model_names() -> list[str]:
    """Every name that `build_model` knows: ours first, then torchvision's."""
    return [*MODELS, *torchvision.models.list_models(module=torchvision.models)]


def check_model_name(name: str) -> None:
    """Raises: UsageError: `name` is unknown; close matches and how to see all are listed."""
    names = model_names()
    if name in names:
        return
    close = difflib.get_close_matches(name.lower(), names, n=5, cutoff=0.5)
    near = f"close to it: {', '.join(close)}" if close else f"choose from {', '.join(MODELS)}"
    raise UsageError(
        f"unknown model '{name}': {near}, or one of torchvision's {len(names) - len(MODELS)} "
        "classification models; to see all: "
        "python -c 'from augcli.train.models import model_names; print(*model_names())'"
    )


def build_model(
    name: str, classes: int, size: Size, seed: int, stem: str = "standard"
) -> nn.Module:
    """The untrained network `name` for images of `size`, on the CPU, in train mode.

    `stem`: what `augcli.train.stems` does to its first layers for small images.

    The initial weights are a function of the arguments alone: torch's global random state is
    neither read nor changed.

    Raises:
        UsageError: an unknown name or stem, or a network that can't take images of this size.
    """
    check_model_name(name)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        try:
            model = _build(name, classes, size)
            fit_stem(model, name, size, stem)
        except (ValueError, RuntimeError, AssertionError) as error:
            raise _wrong_size(name, size, error) from error
    check_forward(model, name, size)
    return model


def _build(name: str, classes: int, size: Size) -> nn.Module:
    if name in MODELS:
        return MODELS[name](classes, size)
    options = _torchvision_options(name, size)
    model = torchvision.models.get_model(name, weights=None, num_classes=classes, **options)
    assert isinstance(model, nn.Module)
    return model


def _torchvision_options(name: str, size: Size) -> dict[str, Any]:
    """What some of torchvision's builders must be told beside the number of classes."""
    if name in ("googlenet", "inception_v3"):
        # Their auxiliary heads need larger maps than small images leave, and change the output's
        # type between training and evaluation.
        return {"aux_logits": False, "init_weights": True}
    if name.startswith("vit_"):
        if size[0] != size[1]:
            raise ValueError("its position embeddings are for square images")
        return {"image_size": size[0]}
    if name.startswith("maxvit"):
        return {"input_size": size}
    return {}


def check_forward(model: nn.Module, name: str, size: Size, batch: int = 2) -> None:
    """Hold that `model` can be trained on `batch` images of `size`, without computing anything.

    Runs on torch's meta device with stand-ins for weights and buffers, so that neither running
    statistics nor random state change.

    Raises:
        UsageError: the images are too small for it, not divisible as it wants, or one image is
            too few for its batch normalisation.
    """
    tensors: Iterable[tuple[str, torch.Tensor]] = [
        *model.named_parameters(),
        *model.named_buffers(),
    ]
    stand_ins = {key: tensor.detach().to("meta") for key, tensor in tensors}
    images = torch.empty((batch, 3, *size), device="meta")
    was_training = model.training
    model.train()
    try:
        functional_call(model, stand_ins, (images,))
    except (ValueError, RuntimeError, AssertionError) as error:
        if batch == 1 and "more than 1 value per channel" in str(error):
            raise UsageError(
                "--batch-size: it leaves a last batch of one sample, or one for a rank, and at "
                f"{size[0]}x{size[1]} pixels '{name}' can't normalise over one: choose another"
            ) from error
        raise _wrong_size(name, size, error) from error
    finally:
        model.train(was_training)


def _wrong_size(name: str, size: Size, error: Exception) -> UsageError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return UsageError(
        f"model '{name}' can't take images of {size[0]}x{size[1]} pixels ({reason}): "
        "choose another --model or another size"
    )


def parameter_count(model: nn.Module) -> int:
    """How many numbers training changes in `model`."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
