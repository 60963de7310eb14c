"""The report of fine-tuning: what the recipe brings over the other ways."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="module")
def transfer() -> Any:
    import transfer

    return transfer


def test_the_recipe_against_the_others(transfer: Any) -> None:
    generator = np.random.default_rng(0)
    recipe = generator.random((3, 500)) < 0.8
    right = {
        "recipe": recipe,
        "head": recipe & (generator.random((3, 500)) < 0.7),
        "all": recipe,
    }
    options = argparse.Namespace(
        source=Path("objects"), data=Path("photos"), size=32, pretrain_epochs=4
    )
    lines = transfer.report(right, [9, 17, 9], options).splitlines()
    assert lines[0].startswith("From `objects` (4 epochs) to `photos`, 32 pixels, 9, 17, 9 epochs")
    assert lines[0].endswith("500 test images.")
    recipe_line, head_line, all_line = lines[-3:]
    assert recipe_line.startswith(f"| `augcli recipe` | {100 * recipe.mean():.1f} | ")
    gain = 100 * (recipe.mean() - right["head"].mean())
    assert f"| {gain:+.1f} (+" in head_line, "better, and told from zero"
    assert "| +0.0 (-" in all_line
