"""`augcli evaluate` and `augcli landscape`, as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from augcli.cli import main


def run(*arguments: object) -> Any:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_evaluate_prints_tables_or_json(folder_run: Path, tmp_path: Path) -> None:
    asked = ("evaluate", folder_run, "--out", tmp_path / "out", "--workers", 0)
    told = run(*asked, "--tta", "flip", "--corruptions", "pixelate")
    assert told.exit_code == 0, told.stderr
    for words in ("Wilson", "circle", "mirror image", "difference", "pixelate", "look at"):
        assert words in told.stdout
    record = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert f"{record['accuracy']:.1%}" in told.stdout
    plain = run(*asked, "--json")
    assert plain.exit_code == 0, plain.stderr
    assert json.loads(plain.stdout)["accuracy"] == record["accuracy"]


def test_landscape_says_where_the_picture_is(folder_run: Path, tmp_path: Path) -> None:
    asked = ("landscape", folder_run, "--out", tmp_path, "--no-plane", "--points", 1)
    told = run(*asked)
    assert told.exit_code == 0, told.stderr
    assert "loss at the minimum: training" in told.stdout
    assert (tmp_path / "landscape.png").exists()


def test_mistakes_are_one_line_each(folder_run: Path, tmp_path: Path) -> None:
    for arguments, words in (
        (("evaluate", tmp_path), "no trained model here"),
        (("evaluate", folder_run, "--tta", "much"), "--tta: much is none"),
        (("evaluate", folder_run, "--corruptions", "rain"), "unknown 'rain'"),
        (("landscape", folder_run, tmp_path), "no trained model here"),
    ):
        told = run(*arguments)
        assert told.exit_code == 2 and words in told.stderr
        assert told.stderr.count("\n") == 1 and not told.stdout
