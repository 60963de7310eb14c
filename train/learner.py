"""A model and all that changes it, as the options of a run say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import Optimizer

from augcli.train.config import TrainConfig
from augcli.train.forward import MEAN, STD, Forward, choose_precision
from augcli.train.freezing import freeze_bn, freeze_to
from augcli.train.group_rates import group_rates, parse_lrs
from augcli.train.layer_groups import LayerGroup, layer_groups
from augcli.train.models import Size, build_model, check_forward
from augcli.train.optimizers import (
    build_optimizer,
    optimiser_of,
    parameter_groups,
    resolve_lr,
    resolve_weight_decay,
)
from augcli.train.step import StepRules, to_device
from augcli.train.weights import WeightsReport, load_weights


@dataclass(frozen=True)
class Learner:
    """What a step needs beside a batch."""

    model: nn.Module
    """On the device, in train mode."""
    groups: tuple[LayerGroup, ...]
    """Its layers, from the stem to the head, frozen ones among them."""
    optimizer: Optimizer
    forward: Forward
    rules: StepRules
    weights: WeightsReport | None
    """What was taken from `--weights`."""


def build_learner(
    config: TrainConfig,
    classes: Sequence[str],
    size: Size,
    device: torch.device,
    smallest_batch: int = 2,
    *,
    pretrained: bool = True,
) -> Learner:
    """A learner that has not begun; `smallest_batch` are the samples of the smallest batch.

    Without `pretrained`, `--weights` are not looked at: a resumed run has its own.

    Raises:
        UsageError: the model is unknown or can't take these images or batches, or an option that
            doesn't suit it.
        AugcliError: torchvision's weights can't be downloaded.
    """
    model = build_model(config.model, len(classes), size, config.seed, config.stem)
    if smallest_batch // config.accumulate < 2:  # two samples at a time `build_model` has tried
        check_forward(model, config.model, size, batch=1)
    report = None
    if config.weights is not None and pretrained:
        report = load_weights(model, config.model, config.weights, classes)
    groups = layer_groups(model, config.model)
    freeze_to(model, groups, config.freeze_to)
    if config.freeze_bn is not None or config.precompute:
        freeze_bn(model, groups, config.freeze_to, everywhere=config.freeze_bn == "all")
    model = to_device(model, device)
    if config.compile:
        model.compile()
    mean, std = (report.mean, report.std) if report else (None, None)
    return Learner(
        model=model,
        groups=groups,
        optimizer=_optimizer(config, model, groups),
        forward=Forward(
            device, mean or MEAN, std or STD, choose_precision(config.precision, device)
        ),
        rules=StepRules(config.label_smoothing, config.clip_norm, config.accumulate),
        weights=report,
    )


def _optimizer(config: TrainConfig, model: nn.Module, groups: Sequence[LayerGroup]) -> Optimizer:
    name = optimiser_of(config)
    lr = resolve_lr(name, config.lr, config.lrs)
    lrs = None if config.lrs is None else parse_lrs(config.lrs)
    return build_optimizer(
        name,
        parameter_groups(
            model,
            lr,
            resolve_weight_decay(name, config.weight_decay),
            layers=groups,
            rates=group_rates(lr, groups, lrs, config.lr_mult),
            opt=name,
        ),
    )
