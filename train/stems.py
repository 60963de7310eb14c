"""The first layers for small images: they keep the maps as large as the image.

Networks made for 224 pixels halve their maps twice before the first stage, which leaves 1 by 1 of
32 pixels after the last. For CIFAR's, He et al. 2016, section 4.2
(https://arxiv.org/abs/1512.03385) begin with a 3x3 convolution of stride 1 and no pooling.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from augcli.manifests.errors import UsageError, unknown_name
from augcli.train.config import STEMS
from augcli.train.families import of_family

SMALL_STEM_PIXELS = 64
"""Of the shorter side: up to it, `auto` is `small`, where the family has one, and above it
`standard`, the network as published."""

Change = Callable[[nn.Module], None]


def fit_stem(model: nn.Module, name: str, size: tuple[int, int], stem: str) -> None:
    """Change the first layers of `model`, a new `name` for images of `size`, as `stem` says.

    New kernels draw from torch's global random state.

    Raises:
        UsageError: an unknown `stem`, or `small` for a family that has none.
    """
    if stem not in STEMS:
        raise unknown_name("stem", stem, STEMS)
    if stem == "standard" or (stem == "auto" and min(size) > SMALL_STEM_PIXELS):
        return
    change = of_family(SMALL_STEMS, name, None)
    if change is not None:
        change(model)
    elif stem == "small":
        raise UsageError(
            f"--stem small: none is known for '{name}' (what cuts images into patches can't have "
            "one): use --stem auto or standard"
        )


def _as_published(model: nn.Module) -> None:
    """It already keeps the maps: VGG begins with 3x3 kernels of stride 1, and `small` folds
    pixels into channels by the size of the image."""


def _changed(kernel: str, pool: str | None = None) -> Change:
    """Make the convolution `kernel` 3x3 with stride 1, and leave out `pool`."""

    def change(model: nn.Module) -> None:
        old = model.get_submodule(kernel)
        assert isinstance(old, nn.Conv2d)
        new = nn.Conv2d(old.in_channels, old.out_channels, 3, padding=1, bias=old.bias is not None)
        # He et al. 2015, https://arxiv.org/abs/1502.01852
        nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
        if new.bias is not None:
            nn.init.zeros_(new.bias)
        _put(model, kernel, new)
        if pool is not None:
            _leave_out(model, pool)

    return change


def _unstrided(kernel: str, pool: str | None = None) -> Change:
    """Give the convolution `kernel`, which is 3x3, stride 1, and leave out `pool`.

    The weights are those of the published network, and pre-trained ones fit.
    """

    def change(model: nn.Module) -> None:
        convolution = model.get_submodule(kernel)
        assert isinstance(convolution, nn.Conv2d) and convolution.kernel_size == (3, 3)
        convolution.stride = (1, 1)
        if pool is not None:
            _leave_out(model, pool)

    return change


def _leave_out(model: nn.Module, pool: str) -> None:
    assert isinstance(model.get_submodule(pool), nn.MaxPool2d)
    _put(model, pool, nn.Identity())


def _put(model: nn.Module, name: str, module: nn.Module) -> None:
    """`module` in the place of the submodule `name`."""
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)


SMALL_STEMS: dict[str, Change | None] = {
    "small": _as_published,
    "vgg": _as_published,
    # 7x7 (AlexNet: 11x11, ConvNeXt: patches of 4x4) with stride, then pooling (ConvNeXt: none)
    "alexnet": _changed("features.0", "features.2"),
    "convnext": _changed("features.0.0"),
    "densenet": _changed("features.conv0", "features.pool0"),
    "googlenet": _changed("conv1.conv", "maxpool1"),
    "resnet": _changed("conv1", "maxpool"),
    "resnext": _changed("conv1", "maxpool"),
    "squeezenet": _changed("features.0", "features.2"),
    "wide_resnet": _changed("conv1", "maxpool"),
    # 3x3 with stride 2; in Inception and ShuffleNet, then pooling
    "efficientnet": _unstrided("features.0.0"),
    "inception": _unstrided("Conv2d_1a_3x3.conv", "maxpool1"),
    "mnasnet": _unstrided("layers.0"),
    "mobilenet": _unstrided("features.0.0"),
    "regnet": _unstrided("stem.0"),
    "shufflenet": _unstrided("conv1.0", "maxpool"),
    # Their patches are their tokens, of which positions and windows are counted.
    "maxvit": None,
    "swin": None,
    "vit": None,
}
"""Beginning of the model's name -> what `small` does to it; None: there is no such stem."""
