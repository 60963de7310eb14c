"""What training and evaluation would take at each size, found out on a copy of the model."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.nn import functional

from augcli.train.batch import Batch
from augcli.train.forward import Forward

REPEATS = 3
"""The first one chooses kernels and takes memory; the quickest counts."""


@dataclass(frozen=True)
class Found:
    """Seconds per view."""

    computing: tuple[float, ...]
    """Of gradients, at each size."""
    evaluating: float
    """At the size that evaluation has."""


def probe(model: nn.Module, forward: Forward, batch: Batch, sizes: Sequence[int]) -> Found:
    """Show `batch` to a copy of `model` at each of `sizes`, in pixels, and as `forward` does.

    One size is not compared with others. Neither `model` nor torch's random state changes.
    """
    device = forward.device
    copied = copy.deepcopy(model)
    labels = batch.labels.to(device)

    def learn(shown_by: Forward) -> None:
        functional.cross_entropy(shown_by(copied, batch.images), labels).backward()  # type: ignore[no-untyped-call]

    def look() -> None:
        with torch.inference_mode():
            forward(copied, batch.images)

    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        computing = [0.0]
        if len(sizes) > 1:
            by_size = [dataclasses.replace(forward, size=size) for size in sizes]
            computing = [_quickest(partial(learn, each), device) for each in by_size]
        copied.eval()
        evaluating = _quickest(look, device)
    views = len(batch)
    return Found(tuple(seconds / views for seconds in computing), evaluating / views)


def _quickest(work: Callable[[], None], device: torch.device) -> float:
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - began)
    return min(taken)
