"""The ablation of the recipe: each part's options are the command's, and the report is right."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from augcli.augment.policy import resolve_policy
from augcli.cli import main
from augcli.train.residual_choice import residual_for


@pytest.fixture(scope="module")
def parts() -> Any:
    import parts

    return parts


def test_the_command_has_these_options(parts: Any) -> None:
    for part, (said, _) in parts.PARTS.items():
        assert said
        with main.commands["train"].make_context("train", [*parts.options_of(part, 64)]) as context:
            is_without = part in ("residual", "augmentation")
            assert context.params["residual"] == ("none" if is_without else parts.RESIDUAL)


def test_the_residual_is_what_long_runs_have(parts: Any) -> None:
    """`--residual auto` would leave it out in short ones, and without the policy."""
    spec = resolve_policy("side-on", 64)
    assert residual_for([spec.serialized]) == parts.RESIDUAL


def trained(parts: Any, part: str, seed: int, right: int) -> Any:
    from side_by_side.minutes.outcome import Outcome, Right

    outcome = Outcome(9 + seed, 60.0, 300.0, Right(50, 20, right // 2), Right(50, 20, right // 2))
    return parts.Trained(part, seed, outcome)


def test_differences_are_over_seeds_that_both_have(parts: Any) -> None:
    done = [
        trained(parts, "whole", 0, 80),
        trained(parts, "muon", 0, 70),
        trained(parts, "whole", 1, 84),
        trained(parts, "muon", 1, 72),
        trained(parts, "whole", 2, 90),
    ]
    options = argparse.Namespace(minutes=1.5, epochs=None, size=64, data=Path("photos"))
    lines = parts.report(done, options).splitlines()
    assert lines[0].startswith("1.5 minutes each, 64 pixels")
    assert lines[-2] == "| the recipe as it is | 10 | 60 | 84.7 | 80.0 84.0 90.0 |  |"
    assert lines[-1] == (
        "| AdamW for all weights | 10 | 60 | 71.0 | 70.0 72.0 | -11.0 (-23.7 to +1.7) |"
    )
    by_epochs = parts.report(done, argparse.Namespace(epochs=12, size=64)).splitlines()
    assert by_epochs[0].startswith("12 epochs each, 64 pixels")
    alone = parts.report(done[:2], options).splitlines()
    assert alone[-1].endswith("| -10.0 |")
