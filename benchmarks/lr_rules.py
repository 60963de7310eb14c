"""How good are the learning rates that a range test suggests? Four rules against real trainings.

    python benchmarks/lr_rules.py --data photos --data letters:basic [--opts sgd,adamw] [--seeds 2]

For every dataset (its augmentation policy after a colon), optimiser and batch size, which are a
*setting*, and every seed: a range test with its four suggestions; trainings at seven learning
rates, each half a decade from the next, the optimiser's default in the middle; and a training at
each suggestion. Trainings read the same stored views, and differ in nothing but the rate.

The accuracy of a training is that of its best epoch's weights on validation and test images
together. The *regret* of a rule is the accuracy at the best of the seven rates, which is best on
average over the seeds of a setting, minus that at the rule's rate. With few seeds that best rate is
in part luck, which adds a little to every regret alike; the difference to the optimiser's default
rate, seed by seed, is free of that. Means come with Student's 95 % interval over settings and
seeds. A rule that finds nothing is counted apart.

The report goes to stdout as Markdown, progress to stderr; `--json FILE` has every training.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import math
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from augcli.augment.config import ExpandConfig
from augcli.augment.expansion import expand
from augcli.train.comparisons.statistics import Interval, interval
from augcli.train.config import TrainConfig
from augcli.train.machine import describe_machine
from augcli.train.optimizers import resolve_lr
from augcli.train.rates.config import LrFindConfig
from augcli.train.rates.finding import lr_find
from augcli.train.run import train

GRID = tuple(10 ** (place / 2) for place in range(-3, 4))
"""Of the optimiser's default learning rate."""
DEFAULT = "default"


@dataclass(frozen=True)
class Setting:
    """What is trained, at various learning rates and seeds."""

    data: str
    shards: Path
    opt: str
    batch_size: int

    def __str__(self) -> str:
        return f"{self.data}, {self.opt}, batches of {self.batch_size}"


@dataclass
class Measured:
    """One setting: accuracies (0..1) by seed and learning rate, and what each rule suggested."""

    setting: Setting
    accuracies: dict[int, dict[float, float]] = field(default_factory=dict)
    suggestions: dict[int, dict[str, float | None]] = field(default_factory=dict)

    @property
    def default(self) -> float:
        return resolve_lr(self.setting.opt, None)

    @property
    def grid(self) -> list[float]:
        return [float(f"{self.default * part:.3g}") for part in GRID]

    @property
    def best(self) -> float:
        """The rate of the grid that is best on average over seeds."""
        return max(self.grid, key=self.mean)

    def mean(self, lr: float) -> float:
        return statistics.fmean(by_rate[lr] for by_rate in self.accuracies.values())

    def rates(self, rule: str) -> Iterator[tuple[int, float]]:
        """The seeds for which a rule found a rate, and that."""
        for seed, suggested in self.suggestions.items():
            lr = self.default if rule == DEFAULT else suggested[rule]
            if lr is not None:
                yield seed, lr

    def regrets(self, rule: str) -> list[float]:
        return [
            self.accuracies[seed][self.best] - self.accuracies[seed][lr]
            for seed, lr in self.rates(rule)
        ]

    def gains(self, rule: str) -> list[float]:
        """Over the optimiser's default rate, with the same seed."""
        return [
            self.accuracies[seed][lr] - self.accuracies[seed][self.default]
            for seed, lr in self.rates(rule)
        ]

    def decades(self, rule: str) -> list[float]:
        """By how many powers of ten a rule's rates are above the best one."""
        return [math.log10(lr / self.best) for _, lr in self.rates(rule)]


def main() -> None:
    """Measure, and print the report."""
    options = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        settings = list(_settings(options, Path(scratch)))
        measured = [_measure(setting, options, Path(scratch)) for setting in settings]
    print(report(measured, options))
    if options.json is not None:
        content = {"machine": describe_machine(), "settings": [_plain(each) for each in measured]}
        options.json.write_text(json.dumps(content, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", action="append", required=True, metavar="DIR[:POLICY]")
    parser.add_argument("--opts", default="sgd,adamw")
    parser.add_argument("--batch-sizes", default="32")
    parser.add_argument("--size", type=int, default=32, help="pixels")
    parser.add_argument("--copies", type=int, default=4, help="stored views of each image")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=LrFindConfig.steps, help="of a range test")
    parser.add_argument("--model", default=TrainConfig.model)
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


def _settings(options: argparse.Namespace, scratch: Path) -> Iterator[Setting]:
    for number, given in enumerate(options.data):
        data, _, policy = given.partition(":")
        shards = scratch / f"views{number}"
        expand(
            ExpandConfig(
                data=data, policy=policy or None, out=shards, size=options.size,
                copies=options.copies, codec="npy",
            )
        )  # fmt: skip
        sizes = map(int, options.batch_sizes.split(","))
        for opt, batch_size in itertools.product(options.opts.split(","), sizes):
            yield Setting(Path(data).name, shards, opt, batch_size)


def _measure(setting: Setting, options: argparse.Namespace, scratch: Path) -> Measured:
    measured = Measured(setting)
    for seed in range(options.seeds):
        found = lr_find(
            LrFindConfig(
                shards=str(setting.shards), opt=setting.opt, batch_size=setting.batch_size,
                model=options.model, seed=seed, steps=options.steps, plot=scratch / "plot.png",
                workers=1,
            )
        )  # fmt: skip
        said = found.test.suggestions
        measured.suggestions[seed] = {
            name: None if each.rate is None else float(f"{each.rate:.3g}")
            for name, each in said.items()
        }
        suggested = [lr for lr in measured.suggestions[seed].values() if lr is not None]
        by_rate = measured.accuracies[seed] = {}
        for lr in dict.fromkeys([*measured.grid, *suggested]):
            by_rate[lr] = _accuracy(setting, options, seed, lr)
            line = f"{setting}, seed {seed}: {lr:.3g} -> {by_rate[lr]:.1%}"
            print(line, file=sys.stderr, flush=True)
    return measured


def _accuracy(setting: Setting, options: argparse.Namespace, seed: int, lr: float) -> float:
    with tempfile.TemporaryDirectory() as folder:
        record = train(
            TrainConfig(
                shards=str(setting.shards), opt=setting.opt, batch_size=setting.batch_size,
                model=options.model, seed=seed, lr=lr, epochs=options.epochs, workers=1,
                out=Path(folder) / "run",
            )
        ).record  # fmt: skip
    seen = [record[split] for split in ("validation", "test")]
    right = sum(each["accuracy"] * each["n"] for each in seen)
    return float(right / sum(each["n"] for each in seen))


def report(measured: Sequence[Measured], options: argparse.Namespace) -> str:
    """What a rule costs against the best rate, and how far off it is, as Markdown."""
    rules = [*next(iter(measured[0].suggestions.values())), DEFAULT]
    lines = [
        f"{len(measured)} settings x {options.seeds} seeds, {options.size} pixels, "
        f"{options.epochs} epochs of `{options.model}`, range tests of {options.steps} steps.",
        "",
        "| rule | regret, points of accuracy | worst | against the default rate "
        "| times the best rate | found nothing |",
        "|---|---|---|---|---|---|",
    ]
    for rule in rules:
        regrets = [100 * value for each in measured for value in each.regrets(rule)]
        gains = [100 * value for each in measured for value in each.gains(rule)]
        decades = [value for each in measured for value in each.decades(rule)]
        tests = len(measured) * options.seeds
        if not regrets:
            lines.append(f"| {rule} | | | | | {tests} of {tests} |")
            continue
        middle, least, most = statistics.median(decades), min(decades), max(decades)
        lines.append(
            f"| {rule} | {_shown(interval(regrets))} | {max(regrets):.1f} "
            f"| {_shown(interval(gains), '+')} | {10**middle:.2g} ({10**least:.2g} to "
            f"{10**most:.2g}) | {tests - len(regrets)} of {tests} |"
        )
    lines += ["", "| setting | " + " | ".join(rules) + " |", "|---" * (len(rules) + 1) + "|"]
    for each in measured:
        regrets_of = [[100 * value for value in each.regrets(rule)] for rule in rules]
        cells = [f"{statistics.fmean(regrets):.1f}" if regrets else "" for regrets in regrets_of]
        lines.append(f"| {each.setting} | {' | '.join(cells)} |")
    lines += ["", "| setting | accuracy at the rates of the grid, mean over seeds |", "|---|---|"]
    for each in measured:
        cells = [f"{lr:.2g}: {each.mean(lr):.0%}" for lr in each.grid]
        best = each.grid.index(each.best)
        cells[best] = f"**{cells[best]}**"
        lines.append(f"| {each.setting} | {', '.join(cells)} |")
    return "\n".join(lines)


def _shown(mean: Interval, sign: str = "") -> str:
    width = "" if mean.half_width is None else f" ± {mean.half_width:.1f}"
    return f"{mean.mean:{sign}.1f}{width}"


def _plain(each: Measured) -> dict[str, object]:
    setting = {**dataclasses.asdict(each.setting), "shards": None}
    return {**setting, "accuracies": each.accuracies, "suggestions": each.suggestions}


if __name__ == "__main__":
    main()
