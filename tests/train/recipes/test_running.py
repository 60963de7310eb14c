"""A whole recipe: its trainings follow on each other, and what was finished is not done again."""

from __future__ import annotations

import dataclasses
import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from augcli.manifests.errors import Interrupted, UsageError
from augcli.train.checkpoint import load_checkpoint
from augcli.train.epoch import Progress
from augcli.train.evaluation.config import EvaluateConfig
from augcli.train.evaluation.evaluating import evaluate_run
from augcli.train.models import build_model
from augcli.train.recipes.config import RecipeConfig
from augcli.train.recipes.running import RecipeResult, recipe

pytestmark = pytest.mark.usefixtures("sketches")


@pytest.fixture(scope="module")
def weights(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the tiny network, for other classes."""
    path = tmp_path_factory.mktemp("weights") / "other.pt"
    torch.save(build_model(tiny, 7, (16, 16), seed=9).state_dict(), path)
    return path


@pytest.fixture
def config(split_photos: Path, tiny: str, weights: Path, tmp_path: Path) -> RecipeConfig:
    return RecipeConfig(
        data=str(split_photos), copies=1, size=16, model=tiny, weights=str(weights), lr=0.01,
        head_epochs=3, head_cycles=2, max_cycles=2, batch_size=6, workers=0, device="cpu",
        out=tmp_path / "recipe",
    )  # fmt: skip


def names(result: RecipeResult) -> list[str]:
    return [done.step.name for done in result.steps]


def test_steps_follow_on_each_other_and_the_best_is_kept(config: RecipeConfig) -> None:
    told: list[str] = []
    result = recipe(config, note=told.append)
    assert names(result)[:3] == ["head-activations", "head-views", "all-cycle-1"]
    steps = config.out / "steps"
    before = {
        "head-views": "head-activations/best.pt",
        "all-cycle-1": "head-views/best.pt",
    }
    for name, weights in {**before, "all-cycle-2": "all-cycle-1/last.pt"}.items():
        for done in result.steps:
            if done.step.name == name:
                assert done.step.config.weights == str(steps / weights)
    states = [load_checkpoint(steps / name / "last.pt").model for name in names(result)]
    for state in states[1:2]:
        assert torch.equal(state["0.weight"], states[0]["0.weight"]), "frozen"
    assert not torch.equal(states[2]["0.weight"], states[0]["0.weight"])
    best = max(
        (row.val_accuracy, -row.val_loss)
        for done in result.steps
        for row in [done.best]
        if row.val_accuracy is not None and row.val_loss is not None
    )
    kept = result.best.best
    assert kept.val_loss is not None and (kept.val_accuracy, -kept.val_loss) == best
    assert (config.out / "best.pt").read_bytes() == (
        result.best.result.folder / "best.pt"
    ).read_bytes()
    said = json.loads((config.out / "recipe.json").read_text())
    assert said["best"]["step"] == result.best.step.name
    page = (config.out / "recipe.html").read_text()
    assert all(done.step.name in page for done in result.steps)
    assert page.count("data:image/png") == 1 + len(result.steps)
    assert any("all-cycle-1: nothing to compare" in line for line in told)


def test_its_result_can_be_evaluated(config: RecipeConfig) -> None:
    config = dataclasses.replace(config, head_epochs=1, head_cycles=1, max_cycles=1)
    best = recipe(config).best.result
    for path in (config.out, config.out / "best.pt"):
        found = evaluate_run(path, EvaluateConfig(workers=0, device="cpu"))
        assert found.data.own and found.scores.accuracy == best.accuracy


def test_interrupted_it_goes_on_and_ends_the_same(config: RecipeConfig, tmp_path: Path) -> None:
    def stop(name: str, step: Progress) -> None:
        if name == "head-views" and step.batch == 1:
            signal.raise_signal(signal.SIGINT)

    whole = recipe(config)
    cut = dataclasses.replace(config, out=tmp_path / "cut")
    with pytest.raises(Interrupted):
        recipe(cut, progress=stop)
    steps: list[str] = []
    again = recipe(cut, progress=lambda name, step: steps.append(name))
    assert "head-activations" not in steps and "head-views" in steps
    losses: list[Any] = [
        [(r.train_loss, r.val_loss) for done in result.steps for r in done.result.rows]
        for result in (whole, again)
    ]
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"shards": "x"}, "--data and --shards: give one"),
        ({"data": None, "size": 16}, "--size: with --shards"),
        ({"weights": "nowhere.pt"}, "there is no such file"),
        ({"model": "resnet19"}, "unknown model 'resnet19'"),
    ],
)
def test_what_can_not_be(config: RecipeConfig, options: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        recipe(dataclasses.replace(config, **options))
