"""torch's global random state, which layers like dropout draw from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def own_random_state(device: torch.device) -> Iterator[None]:
    """Leave the states of the CPU and of `device` as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


def seed_draws(seed: int, device: torch.device) -> None:
    """Let the CPU and `device` draw what follows from `seed`; other devices go on as they were."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
