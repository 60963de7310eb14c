"""What follows from a benchmark's measurements: a pure function of them.

Each question has its own family of comparisons, in which at most 5 % of benchmarks have a false
finding: arms against on the fly, copies against more copies, policies against none, policies
against each other, classes, robustness.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from augcli.train.comparisons.classes import ClassRow, class_rows
from augcli.train.comparisons.copies import Copies, copies_of, fresh_arm
from augcli.train.comparisons.differences import Compared, Difference, judged
from augcli.train.comparisons.measurements import NONE, Arm, ArmThroughput, Measurements
from augcli.train.comparisons.plain import to_plain
from augcli.train.comparisons.policies import Policies, policies_of
from augcli.train.comparisons.speeds import PayBack, Speed, pay_back, row_of, speed
from augcli.train.comparisons.statistics import Interval, interval


@dataclass(frozen=True)
class ArmResult:
    """One arm: accuracies (0..1) by seed, their mean with Student's interval over these seeds.

    Attributes:
        baseline: the arm on the fly with the same policy, against which all differences are; of
            the arm `none` that with the first policy, of the baseline itself None.
        corrupted: mean accuracy under corruptions, where it was measured.
        rate: None where it was not measured.
        speed: against the baseline.
        lrs: by seed.
        seconds: of a training, the mean.
    """

    arm: Arm
    baseline: str | None
    by_seed: tuple[float, ...]
    accuracy: Interval
    difference: Difference | None
    log_loss: float
    corrupted: Interval | None
    corrupted_difference: Difference | None
    rate: ArmThroughput | None
    speed: Speed | None
    pay_back: PayBack | None
    lrs: tuple[float, ...]
    epochs: int
    seconds: float


@dataclass(frozen=True)
class Analysis:
    """Everything that the verdict and the report say, as numbers.

    Attributes:
        seeds: those that all arms have.
        arms: those that were trained, in the order of the measurements.
        copies: of each policy; first of that which the verdict is about, the best on the fly.
        policies: None unless several were asked for.
        classes: of the first policy's advised arm against on the fly.
    """

    seeds: tuple[int, ...]
    arms: tuple[ArmResult, ...]
    copies: tuple[Copies, ...]
    policies: Policies | None
    classes: tuple[ClassRow, ...]

    def of(self, arm: str) -> ArmResult:
        """One arm's."""
        return next(row for row in self.arms if row.arm.name == arm)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        content: dict[str, Any] = to_plain(self)
        return content


def analyse(measurements: Measurements) -> Analysis:
    """All intervals, differences and costs."""
    compared = Compared.of(measurements)
    arms = _arms(measurements, compared)
    accuracies = {row.arm.name: row.accuracy.mean for row in arms}
    policies = policies_of(measurements, compared, accuracies)
    copies = [copies_of(measurements, compared, policy) for policy in measurements.policies]
    known = tuple(each for each in copies if each is not None)
    if policies is not None:
        known = tuple(sorted(known, key=lambda each: each.policy != policies.best))
    return Analysis(
        seeds=compared.seeds,
        arms=arms,
        copies=known,
        policies=policies,
        classes=_classes(measurements, compared, known),
    )


def _arms(measurements: Measurements, compared: Compared) -> tuple[ArmResult, ...]:
    trained = [arm for arm in measurements.arms if arm.name in compared.arms]
    baselines = {arm.name: _baseline(measurements, compared, arm) for arm in trained}
    asked = [(arm, base) for arm, base in baselines.items() if base is not None]
    found = judged([compared.contrast(arm, base) for arm, base in asked])
    differences = {arm: each for (arm, _), each in zip(asked, found, strict=True)}
    corrupted = {arm: compared.contrast_of_corrupted(arm, base) for arm, base in asked}
    known = {arm: each for arm, each in corrupted.items() if each is not None}
    robust = dict(zip(known, judged(list(known.values())), strict=True))
    return tuple(
        _arm(measurements, arm, baselines[arm.name], differences, robust) for arm in trained
    )


def _arm(
    measurements: Measurements,
    arm: Arm,
    baseline: str | None,
    differences: dict[str, Difference],
    robust: dict[str, Difference],
) -> ArmResult:
    trainings = measurements.trainings_of(arm.name)
    accuracies = tuple(training.accuracy for training in trainings)
    corrupted = [t.corrupted for t in trainings if t.corrupted is not None]
    throughput = measurements.throughput
    return ArmResult(
        arm=arm,
        baseline=baseline,
        by_seed=accuracies,
        accuracy=interval(accuracies),
        difference=differences.get(arm.name),
        log_loss=statistics.fmean(training.log_loss for training in trainings),
        corrupted=interval(corrupted) if corrupted else None,
        corrupted_difference=robust.get(arm.name),
        rate=row_of(throughput, arm.name),
        speed=None if baseline is None else speed(throughput, arm.name, baseline),
        pay_back=None if baseline is None else pay_back(measurements, arm, baseline),
        lrs=tuple(training.lr for training in trainings),
        epochs=trainings[0].epochs,
        seconds=statistics.fmean(training.seconds for training in trainings),
    )


def _baseline(measurements: Measurements, compared: Compared, arm: Arm) -> str | None:
    policies = measurements.policies if arm.source == NONE else (arm.policy,)
    candidates = [fresh_arm(measurements, policy) for policy in policies]
    names = [fresh.name for fresh in candidates if fresh and fresh.name in compared.arms]
    return names[0] if names and names[0] != arm.name else None


def _classes(
    measurements: Measurements, compared: Compared, copies: tuple[Copies, ...]
) -> tuple[ClassRow, ...]:
    if not copies:
        return ()
    first = copies[0]
    none = tuple(a.name for a in measurements.arms if a.source == NONE and a.name in compared.arms)
    return class_rows(measurements, compared, first.advised, first.fresh, none)
