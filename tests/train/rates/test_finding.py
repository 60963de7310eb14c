"""`augcli lr-find`, and `augcli train --lr auto`."""

from __future__ import annotations

import dataclasses
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from rich.console import Console

from augcli.cli import main
from augcli.manifests.errors import AugcliError, Interrupted, UsageError
from augcli.train.alteration import Alteration
from augcli.train.batch import Batch, Sources
from augcli.train.checkpoint import load_checkpoint
from augcli.train.config import TrainConfig
from augcli.train.epoch import Progress
from augcli.train.rates import beginning
from augcli.train.rates.config import RULE_NAMES, LrFindConfig
from augcli.train.rates.finding import LrFindResult, lr_find
from augcli.train.rates.picking import Picked
from augcli.train.rates.picture import MARKS, SMOOTHED, draw_range_test
from augcli.train.rates.range_test import RangeTest, Sweep
from augcli.train.rates.rules import RULES, Suggestion
from augcli.train.rates.summary import print_range_test
from augcli.train.run import train as train_run
from augcli.train.state import RunState
from augcli.train.trainer import TrainResult, run_training

CONFIG = TrainConfig(model="tiny", epochs=2, batch_size=4, lr="auto", seed=3, device="cpu")


def colours(path: Path) -> set[str]:
    with Image.open(path) as image:
        rgb = np.asarray(image.convert("RGB")).astype(np.int64)
    return {f"#{value:06X}" for value in np.unique(rgb @ [1 << 16, 1 << 8, 1]).tolist()}


def find(split_photos: Path, folder: Path, **options: Any) -> LrFindResult:
    small: dict[str, Any] = {"model": "tiny", "size": 8, "batch_size": 8, "workers": 0}
    config = LrFindConfig(data=str(split_photos), plot=folder / "p.png", **{**small, **options})
    return lr_find(config)


def run(*arguments: object) -> Any:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def train(folder: Path, sources: Sources, config: TrainConfig = CONFIG, **more: Any) -> TrainResult:
    return run_training(config, sources, folder, {"source": "synthetic"}, **more)


# ---- augcli lr-find ----


def test_its_options_are_those_of_training() -> None:
    of_training = {field.name: field for field in dataclasses.fields(TrainConfig)}
    own = {"start_lr", "end_lr", "steps", "sweep", "rule", "plot", "lrs"}
    for field in dataclasses.fields(LrFindConfig):
        if field.name not in own:
            same = of_training[field.name]
            assert (field.default, field.metadata, field.type) == (
                (same.default, same.metadata, same.type)
            )


def test_the_recommended_command_is_the_training_that_was_tested(
    split_photos: Path, tmp_path: Path
) -> None:
    plot = tmp_path / "new" / "p.png"
    arguments = {"--data": split_photos, "--model": "tiny", "--size": 8, "--workers": 0,
                 "--opt": "sgd", "--lr-mult": 3, "--batch-size": 8, "--rule": "minimum/10",
                 "--plot": plot}  # fmt: skip
    result = run("lr-find", *(word for pair in arguments.items() for word in pair), "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["lr"] == pytest.approx(told["suggestions"][told["rule"]], rel=0.06)
    words = shlex.split(told["command"])
    assert words[:2] == ["augcli", "train"]
    assert words[words.index("--lr") + 1] == str(told["lr"])
    assert {"--opt", "--lr-mult", "--batch-size", "--model"} < set(words)
    assert not {"--rule", "--plot"} & set(words)
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_rates_by_group_are_scaled_together(split_photos: Path, tmp_path: Path) -> None:
    result = find(split_photos, tmp_path, lrs="1e-4,1e-3,1e-2")
    assert result.command is not None and result.lr is not None
    words = shlex.split(result.command)
    rates = [float(rate) for rate in words[words.index("--lrs") + 1].split(",")]
    assert rates == pytest.approx([result.lr / 100, result.lr / 10, result.lr])
    assert "--lr" not in words
    console = Console(width=300)
    with console.capture() as capture:
        print_range_test(result, console)
    assert all(name in capture.get() for name in RULES)
    assert f"{result.lr:g}, by {result.rule}: {result.command}" in capture.get()
    with pytest.raises(UsageError, match="--lrs: the head's rate"):
        find(split_photos, tmp_path, lrs="1e-4,0")


def test_no_suggestion_is_told_and_fails(split_photos: Path, tmp_path: Path) -> None:
    plot = tmp_path / "p.png"
    result = run("lr-find", "--data", split_photos, "--model", "tiny", "--size", 8, "--workers", 0,
                 "--opt", "sgd", "--start-lr", 1e25, "--end-lr", 1e30, "--plot", plot)  # fmt: skip
    assert result.exit_code == 1
    assert "no rule finds a learning rate" in result.stdout
    assert "begin with a lower rate" in " ".join(result.stdout.split())
    assert plot.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start_lr": 1.0, "end_lr": 0.1}, "--start-lr 1 and --end-lr 0.1"),
        ({"start_lr": 0.0}, "--start-lr: 0.0 is too small"),
        ({"steps": 5}, "--steps: 5 is too small"),
        ({"rule": "best"}, "--rule: unknown 'best'"),
        ({"sweep": "cubic"}, "--sweep: unknown 'cubic'"),
        ({"model": "resnot"}, "resnet18"),
        ({"residual": "flop"}, "flop"),
    ],
)
def test_what_is_wrong_is_named(
    split_photos: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        find(split_photos, tmp_path, **options)
    assert not (tmp_path / "p.png").exists()


def test_one_process_only(
    split_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"RANK": 0, "WORLD_SIZE": 2, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 2}.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(UsageError, match="without torchrun"):
        find(split_photos, tmp_path)


# ---- the picture ----


def made_up(**suggestions: float | None) -> RangeTest:
    sweep = Sweep(steps=60)
    rates = tuple(sweep.rate(step) for step in range(50))
    losses = tuple(2 + (step / 25 - 1) ** 2 for step in range(50))
    said = {name: Suggestion(suggestions.get(name, 0.001)) for name in RULES}
    return RangeTest(sweep, rates, losses, losses, "it is over", said)


def test_each_mark_is_in_the_picture_and_it_is_the_same_each_time(tmp_path: Path) -> None:
    test = made_up(steep=None, slide=5.0)
    for name in ("a.png", "b.png"):
        draw_range_test(tmp_path / name, test)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert {SMOOTHED, *MARKS.values()} - colours(tmp_path / "a.png") == {MARKS["steep"]}


@pytest.mark.parametrize(("steps", "kind"), [(0, "exponential"), (1, "linear")])
def test_a_test_that_ended_at_once_is_drawn(tmp_path: Path, steps: int, kind: str) -> None:
    whole = made_up()
    short = dataclasses.replace(
        whole, sweep=Sweep(kind=kind), rates=whole.rates[:steps], losses=whole.losses[:steps],
        smoothed=whole.smoothed[:steps], suggestions={"valley": Suggestion(None, "no")},
    )  # fmt: skip
    draw_range_test(tmp_path / "p.png", short)


# ---- augcli train --lr auto ----


def test_a_run_with_auto_has_the_number_everywhere(tmp_path: Path, sources: Sources) -> None:
    notes: list[str] = []
    steps: list[Progress] = []
    folder = tmp_path / "run"
    before = torch.get_rng_state()
    result = train(folder, sources, note=notes.append, progress=steps.append)
    assert torch.equal(torch.get_rng_state(), before)
    found = json.loads((folder / "lr_find.json").read_text())
    lr = found["chosen"]
    rule = next(name for name in RULE_NAMES if found["suggestions"][name] is not None)
    assert lr == float(f"{found['suggestions'][rule]:.2g}")
    assert result.record["lr"] == result.record["config"]["lr"] == lr
    assert load_checkpoint(folder / "last.pt").identity["config"]["lr"] == lr
    assert f"--lr auto: {lr:g}, by the rule {rule}" in notes[1]
    assert (folder / "lr_find.png").exists()
    test_steps = [step for step in steps if step.epoch == 0]
    assert [step.batch for step in test_steps] == list(range(1, len(test_steps) + 1))
    by_hand = train(tmp_path / "number", sources, dataclasses.replace(CONFIG, lr=lr))
    clocks = ("train_loss", "val_loss", "lr")
    for one, other in zip(result.rows, by_hand.rows, strict=True):
        assert [getattr(one, name) for name in clocks] == [getattr(other, name) for name in clocks]
    assert not (tmp_path / "number" / "lr_find.json").exists()


def test_resuming_takes_the_rate_that_was_found(
    tmp_path: Path, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    folder = tmp_path / "run"

    def interrupt(step: Progress) -> None:
        if (step.epoch, step.batch) == (1, 2):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted) as stopped:
        train(folder, sources, progress=interrupt)
    lr = json.loads((folder / "lr_find.json").read_text())["chosen"]
    assert f"--lr {lr}" in str(stopped.value) and "auto" not in str(stopped.value)
    (folder / "lr_find.json").unlink()
    result = train(folder, sources, dataclasses.replace(CONFIG, resume=True))
    assert result.record["lr"] == lr
    assert not (folder / "lr_find.json").exists()


def test_a_run_that_was_started_without_it_is_not_resumed_with_it(
    tmp_path: Path, sources: Sources
) -> None:
    train(tmp_path / "run", sources, dataclasses.replace(CONFIG, lr=None))
    with pytest.raises(UsageError, match="was started without it: resume it without --lr"):
        train(tmp_path / "run", sources, dataclasses.replace(CONFIG, resume=True))


def test_interrupted_in_the_range_test_nothing_is_left(tmp_path: Path, sources: Sources) -> None:
    import signal

    def interrupt(step: Progress) -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted, match="in the range test") as stopped:
        train(tmp_path / "run", sources, progress=interrupt)
    assert stopped.value.exit_code == 130
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("sizes", ["32,48", "32,96", "none"])
def test_the_network_that_is_tested_is_the_run_s(
    sizes: str, split_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 96 pixels `small` has another stem than of 48."""
    built: list[tuple[str, int]] = []
    tested: list[tuple[str, int | None]] = []
    residual: list[int | None] = []
    find, state = beginning.find_lr, RunState.__init__
    of = Alteration.of

    def found(model: torch.nn.Module, *more: Any, **named: Any) -> RangeTest:
        tested.append((str(model), more[3].size))
        alone = {name: value for name, value in named.items() if name != "sweep"}
        return find(model, *more[:5], Sweep(steps=2), **alone)

    def begun(self: RunState, *more: Any) -> None:
        state(self, *more)
        built.append((str(self.model), self.forward.size))
        raise AugcliError("enough")

    def altered(self: Alteration, batch: Batch, epoch: int, number: int, *size: Any) -> Any:
        residual.extend(size)
        return of(self, batch, epoch, number, *size)

    monkeypatch.setattr(beginning, "find_lr", found)
    monkeypatch.setattr(beginning, "_picked", lambda *_: Picked("valley", 0.001, "it is a test"))
    monkeypatch.setattr(RunState, "__init__", begun)
    monkeypatch.setattr(Alteration, "of", altered)
    with pytest.raises(AugcliError, match="enough"):
        train_run(
            TrainConfig(
                data=str(split_photos), size=96, sizes=sizes, epochs=2, batch_size=9, lr="auto",
                workers=0, device="cpu", out=tmp_path / "run",
            )
        )  # fmt: skip
    assert tested == built
    assert set(residual) == {built[0][1]}


def test_auto_and_lrs(tmp_path: Path, sources: Sources) -> None:
    with pytest.raises(UsageError, match="--lr auto and --lrs"):
        train(tmp_path / "run", sources, dataclasses.replace(CONFIG, lrs="0.1,0.2"))


def test_where_nothing_is_found_nothing_is_begun(
    tmp_path: Path, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = dict.fromkeys(RULES, lambda curve: Suggestion(None, "no reason"))
    monkeypatch.setattr("augcli.train.rates.rules.RULES", nothing)
    with pytest.raises(AugcliError, match=r"--lr auto: .* finds no learning rate: .*no reason"):
        train(tmp_path / "run", sources)
    assert not (tmp_path / "run").exists()


def test_a_rate_is_a_number_or_auto() -> None:
    result = run("train", "--lr", "fast")
    assert result.exit_code == 2
    assert "--lr" in result.stderr and "'fast' is not a valid float" in result.stderr
    assert "FLOAT|auto" in run("train", "--help").stdout
    result = run("schedule", "--samples", 10, "--lr", "auto")
    assert result.exit_code == 2
    assert "--lr auto: expected a number here" in result.stderr
