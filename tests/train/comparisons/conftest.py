"""Comparisons that take no time: short stretches, a tiny network, and images of 16 pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from augcli.augment.config import ExpandConfig
from augcli.augment.policy import resolve_policy
from augcli.train.comparisons import stretches
from augcli.train.comparisons.config import BenchmarkConfig
from augcli.train.comparisons.expanding import Stored, expanded
from augcli.train.comparisons.setups import Setups

SIZE = 16


@pytest.fixture(autouse=True, scope="module")
def _quick() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stretches, "SECONDS", 0.01)
        patch.setattr(stretches, "REPEATS", 2)
        patch.setattr(stretches, "WARM_UP_SECONDS", 0.0)
        patch.setattr(stretches, "WARM_UP_BATCHES", 1)
        yield
    torch.set_num_threads(before)


def silent(*heard: object) -> None:
    pass


Expand = Callable[..., Stored]


def _expand(folder: Path, data: Path, copies: int = 2, **options: Any) -> Stored:
    config = ExpandConfig(
        data=str(data), copies=copies, policy="rotate-flip", size=SIZE, workers=1, **options
    )
    return expanded(folder, config, resolve_policy("rotate-flip", SIZE), {}, silent, silent)


@pytest.fixture(scope="session")
def expand_here() -> Expand:
    """What expands `data` into `folder`, by a policy and at a size that all tests share."""
    return _expand


@pytest.fixture(scope="session")
def stored(split_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """18 training images in 3 rounds, 9 of validation and 9 of test."""
    return _expand(tmp_path_factory.mktemp("expanded"), split_photos)


@pytest.fixture
def setups(stored: Stored, split_photos: Path, tiny: str) -> Setups:
    config = BenchmarkConfig(
        data=str(split_photos), model=tiny, size=SIZE, batch_size=6, epochs=2, workers=0
    )
    return Setups(config, {"rotate-flip": stored})
