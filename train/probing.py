"""What a step at each size would take, found out on a throw-away copy of the model."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Iterable

import torch
from torch import nn
from torch.nn import functional

from augcli.train.batch import Batch
from augcli.train.forward import Forward

REPEATS = 2
"""The first one chooses kernels and takes memory; the quickest counts."""


def step_seconds(
    model: nn.Module, forward: Forward, batch: Batch, sizes: Iterable[int]
) -> dict[int, float]:
    """Seconds, by size in pixels, to compute the gradients of `batch` resized to it.

    Neither `model` nor torch's random state changes.
    """
    found: dict[int, float] = {}
    device = forward.device
    copied = copy.deepcopy(model)
    labels = batch.labels.to(device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        for size in sizes:
            sized = dataclasses.replace(forward, size=size)
            taken = []
            for _ in range(REPEATS):
                began = time.perf_counter()
                loss = functional.cross_entropy(sized(copied, batch.images), labels)
                loss.backward()  # type: ignore[no-untyped-call]
                if device.type == "cuda":
                    torch.cuda.synchronize(device)
                taken.append(time.perf_counter() - began)
            found[size] = min(taken)
    return found
