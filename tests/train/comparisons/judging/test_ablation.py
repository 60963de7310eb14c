"""What an ablation decides, where the truth about its transforms is known."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from augcli.train.comparisons.ablation_analysis import DROP, KEEP, analyse_ablation
from augcli.train.comparisons.ablation_picture import draw_ablation
from augcli.train.comparisons.ablation_record import WHOLE, Ablation, only, without
from augcli.train.comparisons.ablation_report import (
    ABLATION_FILES,
    ablation_json,
    print_ablation,
    write_ablation,
)
from augcli.train.comparisons.ablation_verdict import ablation_table, ablation_verdict
from augcli.train.comparisons.differences import UNTOLD
from augcli.train.comparisons.drawing import DARK

TRUTH = {"Flip": (-0.5, 0.5), "Light": (0.0, 0.4), "Blur": (0.4, -0.3)}
"""What leaving a transform out does, and what it does alone: log odds."""


@pytest.fixture(scope="module")
def ablation(ablate: Any) -> Ablation:
    found: Ablation = ablate(TRUTH)
    return found


def test_decisions(ablation: Ablation) -> None:
    analysis = analyse_ablation(ablation)
    decisions = {row.transform: row.decision for row in analysis.transforms}
    assert decisions == {"Flip": KEEP, "Light": UNTOLD, "Blur": DROP}
    flip = analysis.transforms[0]
    accuracy = {
        arm: np.mean([t.accuracy for t in ablation.trainings if t.arm == arm])
        for arm in (WHOLE, without("Flip"), only("Flip"), "none")
    }
    assert flip.brings.mean == pytest.approx(accuracy[WHOLE] - accuracy[without("Flip")])
    assert flip.gain is not None
    assert flip.gain.mean == pytest.approx(accuracy[only("Flip")] - accuracy["none"])


def test_nothing_is_decided_by_chance(ablate: Any) -> None:
    """Transforms that do nothing."""
    found = analyse_ablation(ablate({f"t{n}": (0.0, 0.0) for n in range(6)}))
    assert [row.decision for row in found.transforms] == [UNTOLD] * 6


def test_verdict(ablation: Ablation) -> None:
    said = ablation_verdict(ablation, analyse_ablation(ablation))
    assert said.headline.startswith("Keep Flip (+")
    assert "; drop Blur (-" in said.headline and said.headline.endswith("1 other can't be told.")
    topics = {finding.topic: finding.text for finding in said.findings}
    assert "side-on brings +" in topics["Policy"] and "more than noise" in topics["Policy"]
    assert topics["Overlap"].startswith("Light helps alone but isn't missed")
    assert "With 1,500 validation images and 5 seeds" in said.warnings[0]
    assert not any("chosen by test images" in warning for warning in said.warnings)
    tested = ablation_verdict(replace(ablation, split="test"), analyse_ablation(ablation))
    assert any("chosen by test images" in warning for warning in tested.warnings)


def test_what_can_not_be_told(ablate: Any) -> None:
    found = ablate({"a": (0.0, 0.0), "b": (0.0, 0.0)}, seeds=1, images=200)
    said = ablation_verdict(found, analyse_ablation(found))
    assert said.headline == "Of none of 2 transforms can it be told whether it is worth keeping."
    assert said.warnings == (
        "One seed can tell nothing: intervals know the chance of 200 validation images only.",
    )


def test_without_trainings_of_transforms_alone(ablation: Ablation) -> None:
    alone = {only(name) for name in ablation.transforms}
    few = replace(ablation, trainings=tuple(t for t in ablation.trainings if t.arm not in alone))
    analysis = analyse_ablation(few)
    assert all(row.gain is None and row.accuracy_alone is None for row in analysis.transforms)
    assert all(row[3] == "" for row in ablation_table(analysis)[1:])
    assert len(draw_ablation(analysis, DARK).axes) == 1


def test_report(ablation: Ablation, tmp_path: Path) -> None:
    analysis = analyse_ablation(ablation)
    write_ablation(tmp_path, ablation, analysis)
    assert {path.name for path in tmp_path.iterdir()} == set(ABLATION_FILES) - {"transforms.png"}
    headline = ablation_verdict(ablation, analysis).headline
    for name in ("ablation.html", "ablation.md"):
        assert headline in unescape((tmp_path / name).read_text("utf-8"))
    with Image.open(tmp_path / "ablation.png") as picture:
        assert picture.width > 600
    content = json.loads((tmp_path / "ablation.json").read_text("utf-8"))
    assert content == json.loads(json.dumps(ablation_json(ablation, analysis), allow_nan=False))
    assert content["verdict"]["headline"] == headline
    assert "correct" not in content["measurements"]["trainings"][0]


def test_what_is_printed(ablation: Ablation, tmp_path: Path) -> None:
    said = io.StringIO()
    analysis = analyse_ablation(ablation)
    print_ablation(tmp_path, ablation, analysis, Console(file=said, width=80))
    lines = said.getvalue().splitlines()
    rows = [line.split()[0] for line in lines if line.startswith("  ") and " (" in line]
    assert rows == ["Flip", "Light", "Blur"]  # what brings most comes first
    assert ablation_verdict(ablation, analysis).headline in " ".join(said.getvalue().split())
