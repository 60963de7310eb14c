"""What `auto` stands for, by the data."""

from __future__ import annotations

from typing import Any

import pytest

from augcli.augment.policy import resolve_policy
from augcli.manifests.errors import UsageError
from augcli.train.batch import Sources
from augcli.train.config import TrainConfig
from augcli.train.settling import settled, settled_sizes


def sources(*policies: str, size: int = 16) -> Sources:
    made = tuple(resolve_policy(name, 32).serialized for name in policies)
    return Sources(("a", "b"), (size, size), None, None, None, made)  # type: ignore[arg-type]


def residual(*policies: str, **options: Any) -> str | None:
    return settled(TrainConfig(**options), sources(*policies)).residual


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        ((), "none"),
        (("none",), "none"),
        (("side-on",), "flip,affine=0.15,colour=0.2,erase=0.5"),
        (("basic",), "affine=0.15,colour=0.2,erase=0.5"),
        (("rotate-flip",), "flip,affine=0.15,erase=0.5"),
        (("autoaugment",), "affine=0.15,colour=0.2,erase=0.5"),
        (("side-on", "basic"), "affine=0.15,colour=0.2,erase=0.5"),
        (("side-on", "none"), "none"),
    ],
)
def test_only_what_every_policy_does_is_done_afresh(
    policies: tuple[str, ...], expected: str
) -> None:
    assert residual(*policies) == expected


def test_a_residual_that_is_asked_for_is_had() -> None:
    assert residual("basic", residual="none") == "none"
    assert residual("none", residual="flip,shift=2") == "flip,shift=2"
    assert residual("side-on", precompute=True, freeze_to=-1) == "none"
    assert residual("basic", residual="flip", epochs=1) == "flip"
    with pytest.raises(UsageError, match="unknown transform 'turn'"):
        residual("basic", residual="turn")


@pytest.mark.parametrize(
    ("options", "is_short"),
    [
        ({"epochs": 19}, True),
        ({"epochs": 20}, False),
        ({"epochs": 1, "budget": "1m"}, False),  # as many as fit
        ({"epochs": 1, "weights": "some.pt"}, False),  # after others
    ],
)
def test_short_runs_take_views_as_they_are(options: dict[str, Any], is_short: bool) -> None:
    assert (residual("side-on", **options) == "none") == is_short


@pytest.mark.parametrize(
    ("size", "options", "expected"),
    [
        (96, {}, "48,64,80,96"),
        (224, {}, "112,152,184,224"),
        (64, {}, "32,40,56,64"),
        (63, {}, "none"),
        (96, {"epochs": 2}, "80,96"),
        (96, {"epochs": 1}, "none"),
        (96, {"epochs": 30, "budget": "1m"}, "48,64,80,96"),
        (96, {"sizes": "none"}, "none"),
        (96, {"sizes": "32,96"}, "32,96"),
        (96, {"weights": "some.pt"}, "none"),
        (96, {"model": "resnet18"}, "none"),
        (96, {"size_epochs": "1,2"}, "none"),
    ],
)
def test_sizes_from_half_of_the_images(size: int, options: dict[str, Any], expected: str) -> None:
    assert settled_sizes(TrainConfig(**options), size) == expected


def test_what_is_settled_stays_so() -> None:
    found = sources("side-on", size=96)
    once = settled(TrainConfig(), found)
    assert settled(once, found) == once
    assert (once.opt, once.sizes) == ("muon", "48,64,80,96")
    assert settled(TrainConfig(weights="some.pt"), found).opt == "adamw"
