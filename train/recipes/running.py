"""`augcli recipe`: its trainings one after another; what was finished is kept, and gone on from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from augcli.augment.config import DEFAULT_DATASET, DEFAULT_SIZE, ExpandConfig
from augcli.augment.expansion import expand
from augcli.manifests.errors import UsageError
from augcli.manifests.files import exclusive_lock
from augcli.manifests.settings import check_settings
from augcli.train.command import command_line
from augcli.train.epoch import Progress
from augcli.train.faults import told
from augcli.train.finish import TrainResult
from augcli.train.layer_groups import layer_groups
from augcli.train.models import check_model_name
from augcli.train.recipes.config import RecipeConfig
from augcli.train.recipes.plan import (
    Judgement,
    Step,
    continued,
    cycle_step,
    head_steps,
    judge,
)
from augcli.train.record import Row, RunFolder
from augcli.train.run import train
from augcli.train.trained import load_trained
from augcli.train.world import world_of_environment

DATA, STEPS = "data", "steps"


@dataclass(frozen=True)
class Done:
    """A finished training of the recipe."""

    step: Step
    result: TrainResult
    judgement: Judgement | None = None
    """Of a cycle of all layers."""

    @property
    def lr(self) -> float:
        """The head's peak learning rate."""
        return float(self.result.record["lr"])

    @property
    def best(self) -> Row:
        """The epoch whose weights are in its `best.pt`."""
        return self.result.rows[self.result.best_epoch - 1]


@dataclass(frozen=True)
class RecipeResult:
    """All trainings, and which is the best."""

    folder: Path
    config: RecipeConfig
    steps: tuple[Done, ...]

    @property
    def best(self) -> Done:
        """By validation accuracy, then loss, then the earlier; without validation the last."""
        validated = [done for done in self.steps if done.best.val_accuracy is not None]
        if not validated:
            return self.steps[-1]
        return max(validated, key=lambda done: (done.best.val_accuracy, -(done.best.val_loss or 0)))

    def to_json(self) -> dict[str, Any]:
        """The object of `recipe.json` and of `--json`."""
        best = self.best
        return {
            "config": {
                name: str(value) if isinstance(value, Path) else value
                for name, value in dataclasses.asdict(self.config).items()
            },
            "steps": [
                {
                    "name": done.step.name,
                    "does": done.step.does,
                    "command": command_line("train", done.step.config),
                    "lr": done.lr,
                    "rows": [dataclasses.asdict(row) for row in done.result.rows],
                    "best_epoch": done.result.best_epoch,
                    "judgement": done.judgement.reason if done.judgement else None,
                }
                for done in self.steps
            ],
            "best": {
                "step": best.step.name,
                "checkpoint": str(RunFolder(best.result.folder).best),
                "split": best.result.split,
                "accuracy": best.result.accuracy,
                "interval": best.result.interval,
            },
        }


def recipe(
    config: RecipeConfig,
    report: Callable[[str, Row], None] | None = None,
    progress: Callable[[str, Progress], None] | None = None,
    note: Callable[[str], None] | None = None,
) -> RecipeResult:
    """Fine-tune in steps: the head on activations, the head on views, all layers in cycles.

    `report` hears of each epoch and `progress` of each step, with the training's name; `note` of
    what was chosen. Interrupted, the same call goes on.

    Raises:
        UsageError: bad options, or an `out` where another recipe was.
        Interrupted: SIGINT or SIGTERM came; all is saved.
        AugcliError: what training raises.
    """
    config = check_settings(config)
    _check_request(config)
    note = note or (lambda line: None)
    with ExitStack() as stack:
        stack.enter_context(told(config.out, lambda: "then give the command again"))
        config.out.mkdir(parents=True, exist_ok=True)
        busy = f"--out {config.out}: another recipe is at work there: wait, or name another folder"
        stack.enter_context(exclusive_lock(config.out, busy))
        run = _Running(config, _shards(config), report, progress, note)
        run.heads()
        run.cycles()
        result = RecipeResult(config.out, config, tuple(run.done))
        from augcli.train.recipes.report import write_report

        write_report(result)
        return result


class _Running:
    """The trainings so far."""

    def __init__(
        self,
        config: RecipeConfig,
        shards: str,
        report: Callable[[str, Row], None] | None,
        progress: Callable[[str, Progress], None] | None,
        note: Callable[[str], None],
    ) -> None:
        self._config, self._shards = config, shards
        self._report, self._progress, self._note = report, progress, note
        self.done: list[Done] = []

    def heads(self) -> None:
        """Train the head."""
        for step in head_steps(self._config, self._shards):
            self._run(step, lr=self.done[-1].lr if self.done else None)

    def cycles(self) -> None:
        """Train all layers, in longer and longer cycles, until that gains nothing."""
        trained = load_trained(RunFolder(self.done[-1].result.folder).best, torch.device("cpu"))
        groups = len(layer_groups(trained.model, self._config.model))
        ends: list[Row] = []
        lr = None
        for number in range(1, self._config.max_cycles + 1):
            done = self._run(cycle_step(self._config, self._shards, number, groups), lr=lr)
            lr, end = done.lr, done.result.rows[-1]
            judgement = judge(ends, end)
            self.done[-1] = dataclasses.replace(done, judgement=judgement)
            self._note(f"{done.step.name}: {judgement.reason}")
            ends.append(end)
            if not judgement.goes_on:
                return

    def _run(self, step: Step, lr: float | None) -> Done:
        """The training `step`, at the rate `lr` if it is given."""
        folder = self._config.out / STEPS
        before = self._weights_before(step)
        step = continued(step, folder, before, lr) if before else _first(step, folder)
        assert step.config.out is not None
        run = RunFolder(step.config.out)
        step = dataclasses.replace(
            step, config=dataclasses.replace(step.config, resume=run.last.exists())
        )
        self._note(f"{step.name}: {step.does}")
        result = train(
            step.config,
            report=None if self._report is None else lambda row: self._report(step.name, row),  # type: ignore[misc]
            progress=None if self._progress is None else lambda p: self._progress(step.name, p),  # type: ignore[misc]
            note=self._note,
        )
        plain = dataclasses.replace(step.config, resume=False, lr=float(result.record["lr"]))
        done = Done(dataclasses.replace(step, config=plain), result)
        self.done.append(done)
        return done

    def _weights_before(self, step: Step) -> Path | None:
        """Cycles go on from the end of the last one; what follows a head, from its best epoch."""
        if not self.done:
            return None
        last = self.done[-1]
        run = RunFolder(last.result.folder)
        return run.last if step.unfrozen and last.step.unfrozen else run.best


def _first(step: Step, folder: Path) -> Step:
    return dataclasses.replace(
        step, config=dataclasses.replace(step.config, out=folder / step.name)
    )


def _check_request(config: RecipeConfig) -> None:
    check_model_name(config.model)
    if config.data is not None and config.shards is not None:
        raise UsageError("--data and --shards: give one of them")
    if config.data is None:
        for name in ("policy", "size"):
            if getattr(config, name) is not None:
                raise UsageError(f"--{name}: with --shards, the manifest says; it goes with --data")
    if world_of_environment().ranks > 1:
        raise UsageError("augcli recipe runs in one process: leave out torchrun")


def _shards(config: RecipeConfig) -> str:
    """The expanded dataset: the one given, or made of `--data`."""
    if config.data is None:
        return config.shards or str(DEFAULT_DATASET)
    out = config.out / DATA
    expand(
        ExpandConfig(
            data=config.data,
            policy=config.policy,
            copies=config.copies,
            size=config.size or DEFAULT_SIZE,
            seed=config.seed,
            out=out,
        )
    )
    return str(out)
