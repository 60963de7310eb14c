"""Is each transform worth keeping? A pure function of an ablation's trainings.

What a transform brings is the whole policy less the policy without it. All transforms are one
family of comparisons: in 5 of 100 ablations at most is any of them kept or dropped by chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from augcli.train.comparisons.ablation_record import NOTHING, WHOLE, Ablation, only, without
from augcli.train.comparisons.differences import (
    BETTER,
    ONE_SEED,
    UNTOLD,
    WORSE,
    Compared,
    Difference,
    judged,
)
from augcli.train.comparisons.plain import to_plain
from augcli.train.comparisons.statistics import Interval, interval

KEEP, DROP = "keep", "drop"
DECISIONS = {BETTER: KEEP, WORSE: DROP, UNTOLD: UNTOLD, ONE_SEED: UNTOLD}


@dataclass(frozen=True)
class TransformResult:
    """One transform of the policy; accuracies are 0..1 with Student's intervals over seeds.

    Attributes:
        brings: the whole policy less the policy without it.
        gain: it alone less no augmentation; None where it was not trained alone.
        decision: `keep`, `drop` or `can't tell`, by `brings`.
    """

    transform: str
    accuracy_without: Interval
    brings: Difference
    accuracy_alone: Interval | None
    gain: Difference | None
    decision: str


@dataclass(frozen=True)
class AblationAnalysis:
    """All transforms in the order of the policy, and the whole of it.

    Attributes:
        whole_gain: the whole policy less no augmentation.
    """

    seeds: tuple[int, ...]
    whole: Interval
    none: Interval
    whole_gain: Difference
    transforms: tuple[TransformResult, ...]

    def decided(self, decision: str) -> list[TransformResult]:
        """The transforms of which that was decided."""
        return [row for row in self.transforms if row.decision == decision]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        content: dict[str, Any] = to_plain(self)
        return content


def analyse_ablation(ablation: Ablation) -> AblationAnalysis:
    """All differences and what they decide."""
    compared = Compared(ablation.arms, ablation.trainings, ablation.test_images)
    accuracies = {
        arm: interval([each.accuracy for each in ablation.trainings if each.arm == arm])
        for arm in compared.arms
    }
    names = ablation.transforms
    brings = judged([compared.contrast(WHOLE, without(name)) for name in names])
    alone = [name for name in names if only(name) in compared.arms]
    gains = judged([compared.contrast(only(name), NOTHING) for name in alone])
    gain_of = dict(zip(alone, gains, strict=True))
    [whole_gain] = judged([compared.contrast(WHOLE, NOTHING)])
    return AblationAnalysis(
        seeds=compared.seeds,
        whole=accuracies[WHOLE],
        none=accuracies[NOTHING],
        whole_gain=whole_gain,
        transforms=tuple(
            TransformResult(
                transform=name,
                accuracy_without=accuracies[without(name)],
                brings=found,
                accuracy_alone=accuracies.get(only(name)),
                gain=gain_of.get(name),
                decision=DECISIONS[found.outcome],
            )
            for name, found in zip(names, brings, strict=True)
        ),
    )
