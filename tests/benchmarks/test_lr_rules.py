"""`benchmarks/lr_rules.py`: what it makes of accuracies."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def lr_rules(importable: None) -> ModuleType:
    return importlib.import_module("lr_rules")


def test_regret_is_against_the_rate_that_is_best_on_average(lr_rules: ModuleType) -> None:
    setting = lr_rules.Setting("photos", Path("views"), "sgd", 32)
    measured = lr_rules.Measured(setting)
    grid = measured.grid
    assert len(grid) == 7 and grid[3] == measured.default == 0.1
    for seed, best in ((0, 0.9), (1, 0.7)):
        measured.accuracies[seed] = {**dict.fromkeys(grid, 0.4), grid[4]: best, 0.02: 0.6}
        measured.accuracies[seed][grid[5]] = 0.79  # the best of seed 1, but not on average
        measured.suggestions[seed] = {"valley": 0.02, "slide": None if seed else grid[5]}
    assert measured.best == grid[4]
    assert measured.regrets("valley") == pytest.approx([0.3, 0.1])
    assert measured.regrets("slide") == pytest.approx([0.11])
    assert measured.regrets("default") == pytest.approx([0.5, 0.3])
    assert measured.decades("slide") == pytest.approx([0.5], abs=0.01)
    options = argparse.Namespace(seeds=2, size=24, epochs=8, model="small", steps=100)
    text = lr_rules.report([measured], options)
    assert (
        "| valley | 20.0 ± 127.1 | 30.0 | +20.0 ± 0.0 | 0.063 (0.063 to 0.063) | 0 of 2 |" in text
    )
    assert "| slide | 11.0 | 11.0 | +39.0 | 3.2 (3.2 to 3.2) | 1 of 2 |" in text
    assert "**0.32: 80%**" in text
