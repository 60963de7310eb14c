"""Statistics of batch normalisation for weights that no training had: averages of others."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from augcli.train.forward import Forward
from augcli.train.together import Together


def reestimate(
    model: nn.Module, batches: Iterable[torch.Tensor], forward: Forward, together: Together
) -> None:
    """Make the running statistics of `model` the means over `batches` (B, 3, H, W), 0..255.

    Izmailov et al. 2018, section 3.2, https://arxiv.org/abs/1803.05407; torch's `update_bn`, but
    without dropout, as in evaluation, and of several ranks the mean. Layers that are held in
    evaluation mode keep theirs. The model is left in evaluation mode.
    """
    norms = [each for each in model.train().modules() if isinstance(each, _BatchNorm)]
    moving = [norm for norm in norms if norm.training and norm.running_mean is not None]
    model.eval()
    if not moving:
        return
    momenta = [norm.momentum for norm in moving]
    for norm in moving:
        norm.reset_running_stats()
        norm.momentum = None  # of all batches the same share
        norm.train()
    with torch.no_grad():
        for images in batches:
            if len(images):
                forward(model, images)
    for norm, momentum in zip(moving, momenta, strict=True):
        norm.momentum = momentum
        for statistic in (norm.running_mean, norm.running_var):
            assert statistic is not None
            together.add_(statistic).div_(together.world.ranks)
    model.eval()
