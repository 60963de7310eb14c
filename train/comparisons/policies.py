"""Policies against no augmentation and against each other, on the fly and stored."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from augcli.train.comparisons.copies import fresh_arm, stored_arms
from augcli.train.comparisons.differences import Compared, Difference, judged
from augcli.train.comparisons.measurements import NONE, Measurements


@dataclass(frozen=True)
class PolicyRow:
    """One policy: its arms (None where not trained), and what each brings over no augmentation.

    Attributes:
        stored: the arm with the most copies.
        gain, stored_gain: over the arm `none`, where that was trained.
    """

    policy: str
    fresh: str | None
    stored: str | None
    gain: Difference | None
    stored_gain: Difference | None


@dataclass(frozen=True)
class Policies:
    """All policies in the order asked for.

    Attributes:
        none: the arm without augmentation.
        best: the policy (or `none`) whose trainings on the fly did best.
        second: the next.
        lead: of the best over the second, all pairs having been asked.
        is_told: whether the best can be told from every other.
    """

    none: str | None
    rows: tuple[PolicyRow, ...]
    best: str
    second: str
    lead: Difference
    is_told: bool


def policies_of(
    measurements: Measurements, compared: Compared, accuracies: dict[str, float]
) -> Policies | None:
    """None unless several policies were asked for; `accuracies` by arm, 0..1."""
    named = [policy for policy in measurements.policies if policy != NONE]
    none = next((arm.name for arm in measurements.arms if arm.source == NONE), None)
    none = none if none in compared.arms else None
    arms = [_arms(measurements, compared, policy) for policy in named]
    modes = {policy: fresh for policy, (fresh, _) in zip(named, arms, strict=True) if fresh}
    if none is not None:
        modes[NONE] = none
    if len(measurements.policies) < 2 or len(modes) < 2:
        return None
    asked = [(arm, none) for pair in arms for arm in pair if arm and none]
    found = judged([compared.contrast(arm, base) for arm, base in asked])
    gains = {arm: gain for (arm, _), gain in zip(asked, found, strict=True)}
    ranked = sorted(modes, key=lambda policy: -accuracies[modes[policy]])
    pairs = list(itertools.combinations(ranked, 2))
    leads = judged([compared.contrast(modes[one], modes[other]) for one, other in pairs])
    return Policies(
        none=none,
        rows=tuple(
            PolicyRow(policy, fresh, stored, gains.get(fresh or ""), gains.get(stored or ""))
            for policy, (fresh, stored) in zip(named, arms, strict=True)
        ),
        best=ranked[0],
        second=ranked[1],
        lead=leads[0],
        is_told=all(
            each.told for (one, _), each in zip(pairs, leads, strict=True) if one == ranked[0]
        ),
    )


def _arms(
    measurements: Measurements, compared: Compared, policy: str
) -> tuple[str | None, str | None]:
    """On the fly, and stored with the most copies."""
    fresh = fresh_arm(measurements, policy)
    stored = [arm.name for arm in stored_arms(measurements, policy) if arm.name in compared.arms]
    is_trained = fresh is not None and fresh.name in compared.arms
    return fresh.name if fresh and is_trained else None, stored[-1] if stored else None
