"""A sweep as a user gives it: real trainings from one expansion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from augcli.cli import main
from augcli.train.record import read_record


def run(*arguments: object) -> Any:
    return CliRunner().invoke(main, ["sweep", *map(str, arguments)])


def test_a_study_and_again(split_photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "study"
    options: list[object] = [
        "--data", split_photos, "--size", 16, "--copies", 1, "--epochs", 1, "--opt", "sgd",
        "--lr", "0.01,1e30", "--device", "cpu", "--jobs", 1, "--out", out,
    ]  # fmt: skip
    result = run(*options)
    assert result.exit_code == 0, result.stderr
    assert "Best: lr 0.01: " in result.stdout and "diverged" in result.stdout
    assert f"--shards {out}/data/side-on-16px --epochs 1 --opt sgd --lr 0.01" in result.stdout
    assert "2 combinations, one after another" in result.stderr
    assert [path.name for path in (out / "data").iterdir()] == ["side-on-16px"]
    run_folder = out / "trials" / "lr=0.01_seed=0"
    assert read_record(run_folder / "run.json")["config"]["lr"] == 0.01
    assert {"args.yaml", "best.pt", "last.pt", "curves.png"} < {
        p.name for p in run_folder.iterdir()
    }
    for name in ("curves.png", "lr.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    again = json.loads(run(*options, "--json").stdout)
    assert again["trainings"] == {"ended": 2, "reused": 2}
    assert again["best"] == {"lr": 0.01}


def test_a_finished_dataset_has_its_policy(tmp_path: Path) -> None:
    result = run("--shards", tmp_path / "x5", "--policy", "basic,side-on", "--out", tmp_path / "s")
    assert result.exit_code == 2
    assert "x5 is expanded already, its manifest says; it goes with --data" in result.stderr


def test_a_sweep_with_failures_exits_1(split_photos: Path, tmp_path: Path) -> None:
    """A vision transformer of patches of 16 can't take images of 24 pixels."""
    result = run(
        "--data", split_photos, "--source", "none", "--size", 24, "--model", "vit_b_16",
        "--device", "cpu", "--out", tmp_path / "s", "--lr", 0.1,
    )  # fmt: skip
    assert result.exit_code == 1
    assert "1 training failed (seed 0): model 'vit_b_16' can't take" in " ".join(
        result.stdout.split()
    )
