"""Which arms a benchmark has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from augcli.manifests.errors import UsageError
from augcli.train.comparisons.arms import wanted_arms
from augcli.train.comparisons.config import BenchmarkConfig
from augcli.train.comparisons.measurements import Arm
from augcli.train.residual_choice import ERASE
from augcli.train.residual_spec import parse_residual

SIDE_ON = str(parse_residual(f"flip,affine,colour,{ERASE}"))


def arms(**options: Any) -> tuple[Arm, ...]:
    return wanted_arms(BenchmarkConfig(size=16, **options)).arms


def names(**options: Any) -> list[str]:
    return [arm.name for arm in arms(**options)]


def test_the_default_is_modest() -> None:
    assert names() == ["none", "on-the-fly", "shards-1", "shards-5"]


def test_every_arm_of_one_policy() -> None:
    asked = "originals,residual,shards,on-the-fly,none"
    found = arms(policy="side-on", arms=asked, copies="5,1,2,5")
    assert found == (
        Arm("none", "none", "none"),
        Arm("on-the-fly", "on-the-fly", "side-on"),
        Arm("shards-1", "shards", "side-on", rounds=2),
        Arm("shards-2", "shards", "side-on", rounds=3),
        Arm("shards-5", "shards", "side-on", rounds=6),
        Arm("shards-1+residual", "shards", "side-on", rounds=2, residual=SIDE_ON),
        Arm("originals+on-the-fly", "originals", "side-on", rounds=1),
    )


@pytest.mark.parametrize(
    ("policy", "residual"),
    [("side-on", SIDE_ON), ("top-down", SIDE_ON), ("basic", SIDE_ON.removeprefix("flip,"))],
)
def test_the_residual_is_that_of_training(policy: str, residual: str) -> None:
    found = arms(policy=policy, residual="auto", copies="3")
    assert found[-1] == Arm("shards-3+residual", "shards", policy, 4, residual)
    assert arms(policy=policy, residual="erase=0.5")[-1].residual == "erase=0.5"


def test_several_policies_are_in_the_names(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("rotate-flip: {}\n")
    wanted = wanted_arms(
        BenchmarkConfig(
            size=16, policies=f"none,keras:zoom_range=[0.9,1.1],rotation_range=20,{own}", copies="2"
        )
    )
    keras = "keras:zoom_range=[0.9,1.1],rotation_range=20"
    assert [arm.name for arm in wanted.arms] == [
        *("none", f"on-the-fly:{keras}", f"shards-2:{keras}"),
        *("on-the-fly:own.yaml", "shards-2:own.yaml"),
    ]
    assert wanted.named["own.yaml"] == str(own)
    assert wanted.baseline.name == f"on-the-fly:{keras}"


def test_policy_none_is_the_arm_of_that_name() -> None:
    assert names(policies="none,basic", arms="on-the-fly") == ["none", "on-the-fly:basic"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arms": "none,shard"}, "--arms .*unknown arm 'shard': choose from none, on-the-fly"),
        ({"arms": "none"}, "one arm alone"),
        ({"copies": "1,x"}, "--copies 1,x: 'x' is no number of copies"),
        ({"copies": "0"}, "--copies 0"),
        ({"copies": "1,"}, "'' is no number"),
        ({"policy": "basic", "policies": "basic,none"}, "exclude each other"),
        ({"policies": "basic,,none"}, "a name is missing"),
        ({"policies": "basic,basic"}, "basic is there twice"),
        ({"policies": "none,nonsense"}, "nonsense"),
        ({"residual": "flip,nonsense"}, "unknown transform 'nonsense'"),
        ({"residual": "flip", "arms": "none,shards"}, "has no arm 'residual'"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        arms(**options)
