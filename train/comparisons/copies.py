"""How many stored copies are enough: more of them, and fresh views, are set against fewer."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from augcli.train.comparisons.differences import BETTER, ONE_SEED, Compared, Difference, judged
from augcli.train.comparisons.measurements import FRESH, SHARDS, Arm, Measurements

MARGIN = 0.01
"""A loss of accuracy of a point is the least that is taken to matter."""


@dataclass(frozen=True)
class Copies:
    """The stored arms of one policy by their number of copies, and the one that is advised.

    Attributes:
        arms: names, fewest copies first.
        counts: K of each.
        fresh: the arm on the fly.
        is_known: whether there were seeds enough to tell anything.
        enough: the fewest copies than which nothing tested, more copies or on the fly, can be told
            to be better; None where there is always something, or nothing is known.
        missed: by how much on the fly is better than those.
        advised: the fewest copies that lose less than a point against on the fly, as sure as 95 %
            intervals are; where none are so sure, the most that can't be told to be worse; the
            most.
        is_sure: whether it was chosen for the first reason.
    """

    policy: str
    arms: tuple[str, ...]
    counts: tuple[int, ...]
    fresh: str
    is_known: bool
    enough: int | None
    missed: Difference | None
    advised: str
    is_sure: bool


def stored_arms(measurements: Measurements, policy: str) -> list[Arm]:
    """The arms that store views of a policy and do nothing else, fewest copies first."""
    stored = [
        arm
        for arm in measurements.arms
        if arm.source == SHARDS and arm.policy == policy and arm.residual is None
    ]
    return sorted(stored, key=lambda arm: arm.copies or 0)


def fresh_arm(measurements: Measurements, policy: str) -> Arm | None:
    """The arm that augments on the fly by a policy."""
    arms = measurements.arms
    return next((arm for arm in arms if arm.source == FRESH and arm.policy == policy), None)


def copies_of(measurements: Measurements, compared: Compared, policy: str) -> Copies | None:
    """None where a policy was not both stored and drawn on the fly, and trained from."""
    stored = [arm for arm in stored_arms(measurements, policy) if arm.name in compared.arms]
    fresh = fresh_arm(measurements, policy)
    if not stored or fresh is None or fresh.name not in compared.arms:
        return None
    names = [arm.name for arm in stored]
    ladder = [*names, fresh.name]
    pairs = list(itertools.combinations(ladder, 2))
    found = judged([compared.contrast(more, fewer) for fewer, more in pairs])
    by_pair = dict(zip(pairs, found, strict=True))
    beaten = {fewer for (fewer, _), each in by_pair.items() if each.outcome == BETTER}
    unbeaten = [name for name in names if name not in beaten]
    is_known = found[0].outcome != ONE_SEED
    enough = unbeaten[0] if unbeaten and is_known else None
    lost = [(name, by_pair[name, fresh.name]) for name in names]
    advised, is_sure = _advised(lost) if is_known else (names[-1], False)
    counts = tuple(arm.copies or 0 for arm in stored)
    return Copies(
        policy=policy,
        arms=tuple(names),
        counts=counts,
        fresh=fresh.name,
        is_known=is_known,
        enough=None if enough is None else counts[names.index(enough)],
        missed=None if enough is None else by_pair[enough, fresh.name],
        advised=advised,
        is_sure=is_sure,
    )


def _advised(lost: list[tuple[str, Difference]]) -> tuple[str, bool]:
    """Which arm, given what on the fly has over each, and whether that surely is little."""
    unbeaten = [(name, each) for name, each in lost if each.outcome != BETTER]
    safe = [name for name, each in unbeaten if each.high <= MARGIN]
    if safe:
        return safe[0], True
    return (unbeaten or lost)[-1][0], False
