"""Measurements of trainings that were never run, and comparisons that take no time to run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from augcli.augment.config import ExpandConfig
from augcli.augment.policy import resolve_policy
from augcli.train.comparisons import stretches
from augcli.train.comparisons.ablation_record import NOTHING, WHOLE, Ablation, only, without
from augcli.train.comparisons.config import BenchmarkConfig
from augcli.train.comparisons.expanding import Stored, expanded
from augcli.train.comparisons.measurements import (
    Arm,
    ArmThroughput,
    Expansion,
    Measurements,
    PeerRow,
    Repeated,
    Throughput,
    Training,
    packed,
)
from augcli.train.comparisons.setups import Setups

Maker = Callable[..., Measurements]

CLASSES = ("dress", "hat", "longsleeve", "outwear", "pants", "shirt", "shoes", "shorts", "skirt")
EFFECTS = {
    "none": -0.9,
    "on-the-fly": 0.0,
    "shards-1": -0.5,
    "shards-2": -0.15,
    "shards-5": 0.0,
    "shards-10": 0.02,
    "shards-5+residual": 0.1,
    "originals+on-the-fly": 0.0,
}
"""Shifts of log odds; what isn't named has none."""
FRESH_RATE, STORED_RATE, BOUND_RATE = 180.0, 410.0, 430.0


def arms_of(policies: Sequence[str], copies: Sequence[int], residual: bool) -> tuple[Arm, ...]:
    """As the benchmark names them."""
    several = len(policies) > 1
    arms = [Arm("none", "none", "none")]
    for policy in policies:
        tail = f":{policy}" if several else ""
        arms.append(Arm(f"on-the-fly{tail}", "on-the-fly", policy))
        arms += [Arm(f"shards-{k}{tail}", "shards", policy, rounds=k + 1) for k in copies]
    if residual:
        k, policy = copies[len(copies) // 2], policies[0]
        arms.append(Arm(f"shards-{k}+residual", "shards", policy, k + 1, "flip,shift"))
        arms.append(Arm("originals+on-the-fly", "originals", policy))
    return tuple(arms)


def repeated(rng: np.random.Generator, rate: float, spread: float = 0.02) -> Repeated:
    """Three measurements of a rate."""
    return Repeated(tuple(float(rate * (1 + spread * x)) for x in rng.uniform(-1, 1, 3)))


def throughput_of(
    rng: np.random.Generator, arms: Sequence[Arm], rates: Mapping[str, float], bound: float
) -> Throughput:
    """By the source of each arm."""
    alone = {"none": 520.0, "on-the-fly": 185.0, "shards": 2900.0, "originals": 310.0}
    cpu = {"none": 3.6e-3, "on-the-fly": 10.4e-3, "shards": 0.7e-3, "originals": 6.1e-3}
    size = {"none": 41_000, "on-the-fly": 41_000, "shards": 9_800, "originals": 9_400}
    rows = []
    for arm in arms:
        rate = rates.get(arm.name, rates[arm.source])
        rows.append(
            ArmThroughput(
                arm=arm.name,
                source=repeated(rng, alone[arm.source]),
                cold=repeated(rng, 0.8 * alone[arm.source], 0.08),
                training=repeated(rng, rate),
                wait_share=max(0.0, 1 - rate / bound),
                cpu_seconds_per_view=cpu[arm.source],
                bytes_per_view=float(size[arm.source]),
                workers=2,
            )
        )
    return Throughput(64, repeated(rng, bound), tuple(rows))


def made(
    policies: Sequence[str] = ("side-on",),
    copies: Sequence[int] = (1, 2, 5, 10),
    seeds: int = 3,
    images: int = 900,
    epochs: int = 30,
    effects: Mapping[str, float] = EFFECTS,
    rates: Mapping[str, float] | None = None,
    bound: float = BOUND_RATE,
    residual: bool = True,
    corrupted: bool = True,
    classes: Sequence[str] = CLASSES,
    noise: float = 0.06,
    **changes: Any,
) -> Measurements:
    """A benchmark's measurements; `effects` are the truth about accuracy, by arm."""
    rng = np.random.default_rng(7)
    arms = arms_of(policies, copies, residual and len(policies) == 1)
    default_rates = {"none": 395.0, "on-the-fly": FRESH_RATE, "shards": STORED_RATE}
    default_rates["originals"] = 290.0
    labels = np.arange(images) % len(classes)
    difficulty = rng.normal(1.6, 2.2, images) - 0.5 * (labels % 3)
    trainings = []
    by_arm = {arm.name: rng.normal(0, 0.45, images) for arm in arms}
    for seed in range(seeds):
        for arm in arms:
            shift = effects.get(arm.name, 0.0) + rng.normal(0, noise)
            logits = difficulty + by_arm[arm.name] + shift
            correct = rng.logistic(scale=0.5, size=images) < logits
            recalls = [float(correct[labels == k].mean()) for k in range(len(classes))]
            trainings.append(
                Training(
                    arm=arm.name,
                    seed=seed,
                    lr=0.001,
                    epochs=epochs,
                    steps=epochs * 48,
                    seconds=epochs * 3068 / default_rates[arm.source],
                    accuracy=float(correct.mean()),
                    log_loss=float(1.4 - correct.mean()),
                    recalls=tuple(recalls),
                    correct=packed(correct),
                    corrupted=float(correct.mean() - 0.2 + 0.02 * shift) if corrupted else None,
                )
            )
    expansions = [
        Expansion(policy, k + 1, 4.0 + 6.5 * k, 7.0 + 12.6 * k, 3068 * (k + 1) + 2 * images,
                  9_800 * (3068 * (k + 1) + 2 * images))
        for policy in policies for k in copies
    ]  # fmt: skip
    values: dict[str, Any] = {
        "version": 1,
        "command": "augcli benchmark --data clothing --copies 1,2,5,10 --seeds 3",
        "config": {"data": "clothing", "model": "resnet18", "size": 96, "epochs": epochs},
        "machine": {
            "processor": "A Processor 3 GHz",
            "cores": 2,
            "memory_gb": 16.0,
            "cuda": None,
            "system": "Linux x86_64",
            "python": "3.12.1",
            "versions": {"augcli": "0.1.0", "torch": "2.8.0", "albumentations": "2.0.8"},
        },
        "dataset": "clothing",
        "classes": tuple(classes),
        "train_images": 3068,
        "test_images": images,
        "split": "test",
        "arms": arms,
        "throughput": throughput_of(rng, arms, {**default_rates, **(rates or {})}, bound),
        "expansions": tuple(expansions),
        "trainings": tuple(trainings),
        "policies": tuple(policies),
        "peers": (
            PeerRow("imagefolder", "on-the-fly", repeated(rng, 150), "0.24.0", "DataLoader"),
            PeerRow("webdataset", "shards-5", repeated(rng, 1100), "1.0.2", "the same shards"),
            PeerRow("ffcv", "shards-5", None, None, "is not installed"),
        ),
        "labels": tuple(int(label) for label in labels),
    }
    return Measurements(**{**values, **changes})


def ablated(
    transforms: Mapping[str, tuple[float, float]], seeds: int = 5, images: int = 1500
) -> Ablation:
    """An ablation; of each transform what leaving it out does, and what it does alone."""
    rng = np.random.default_rng(11)
    shifts = {WHOLE: 0.0, NOTHING: -0.8}
    shifts |= {without(name): shift for name, (shift, _) in transforms.items()}
    shifts |= {only(name): -0.8 + shift for name, (_, shift) in transforms.items()}
    difficulty = rng.normal(1.6, 2.2, images)
    by_arm = {arm: rng.normal(0, 0.3, images) for arm in shifts}
    trainings = []
    for seed in range(seeds):
        for arm, shift in shifts.items():
            logits = difficulty + by_arm[arm] + shift + rng.normal(0, 0.05)
            correct = rng.logistic(scale=0.5, size=images) < logits
            accuracy = float(correct.mean())
            trainings.append(
                Training(arm, seed, 0.001, 20, 960, 120.0, accuracy, 1.4 - accuracy, (),
                         packed(correct))
            )  # fmt: skip
    whole = made(seeds=1, images=9)
    return Ablation(
        version=1,
        command="augcli ablate --data clothing --policy side-on",
        config={"model": "small", "size": 64, "epochs": 20},
        machine=whole.machine,
        dataset="clothing",
        classes=CLASSES,
        train_images=3068,
        test_images=images,
        split="val",
        policy="side-on",
        transforms=tuple(transforms),
        trainings=tuple(trainings),
    )


@pytest.fixture(scope="session")
def make() -> Maker:
    """`made`, whose arguments say what is true."""
    return made


@pytest.fixture(scope="session")
def ablate() -> Callable[..., Ablation]:
    """`ablated`, which is told what is true."""
    return ablated


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
