"""What of a benchmark fits its `--budget`: decided once, from what was measured. Pure.

What can be left out is tried in a fixed order, from what tells least to what tells most; of each
the most that fits is taken. Whether there is time for more seeds than `SURE_SEEDS` shows only when
the first ones are trained.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from augcli.train.comparisons.measurements import ORIGINALS, Arm

SURE_SEEDS = 3
"""As many are planned for, if that many were asked for: with two, intervals are very wide."""
LEAST_SEEDS = 2


@dataclass(frozen=True)
class Plan:
    """What is to be measured; `seeds` at least, if more were asked for and there is time."""

    arms: tuple[str, ...]
    epochs: int
    seeds: int
    corruptions: bool
    peers: tuple[str, ...]
    gave_up: tuple[str, ...] = ()


@dataclass(frozen=True)
class Costs:
    """What is expected to take how long, in seconds; of arms by name."""

    epoch: Mapping[str, float]
    """Training and validation."""
    training: Mapping[str, float]
    """The start and the end of each training, decoding what is kept, and measuring it."""
    corruptions: float
    """Making the corrupted images."""
    corrupted: float
    """Showing all of them to one model."""
    peer: float

    def of(self, plan: Plan) -> float:
        """What all of a plan takes."""
        trainings = plan.seeds * len(plan.arms)
        seed = sum(plan.epochs * self.epoch[arm] + self.training[arm] for arm in plan.arms)
        corruptions = self.corruptions + trainings * self.corrupted if plan.corruptions else 0.0
        return plan.seeds * seed + corruptions + len(plan.peers) * self.peer


def plan_within(wish: Plan, arms: Sequence[Arm], costs: Costs, seconds: float) -> Plan:
    """The first of the possible plans that fits `seconds`, with what it gives up; or the least one.

    `arms` are those of `wish`.
    """
    least = wish
    for tried, fewest_epochs in _candidates(wish, arms):
        for epochs in range(wish.epochs, fewest_epochs - 1, -1):
            least = replace(tried, epochs=epochs)
            if costs.of(least) <= seconds:
                return replace(least, gave_up=tuple(_given_up(wish, least)))
    needed = costs.of(least)
    short = f"the rest still takes about {needed:,.0f} s, and {max(0.0, seconds):,.0f} s are left"
    return replace(least, gave_up=(*_given_up(wish, least), short))


def _candidates(wish: Plan, arms: Sequence[Arm]) -> Iterator[tuple[Plan, int]]:
    """Plans, each less than the one before, and how far its epochs may go down."""
    plan, half = replace(wish, seeds=min(wish.seeds, SURE_SEEDS)), -(-wish.epochs // 2)
    yield plan, wish.epochs
    plan = replace(plan, peers=())
    yield plan, half
    for name in _least_telling(arms):
        plan = replace(plan, arms=tuple(arm for arm in plan.arms if arm != name))
        yield plan, half
    plan = replace(plan, corruptions=False)
    yield plan, half
    plan = replace(plan, seeds=min(plan.seeds, LEAST_SEEDS))
    yield plan, 1


def _least_telling(arms: Sequence[Arm]) -> Iterator[str]:
    """Arms that can be left out, in this order: what stays is the most copies, on the fly, none.

    First the numbers of copies in between, then stored originals, residual, the fewest copies.
    """
    stored = [arm for arm in arms if arm.copies and arm.residual is None]
    counts = sorted({arm.copies or 0 for arm in stored})
    between = [arm for count in counts[1:-1] for arm in stored if arm.copies == count]
    fewest = [arm for arm in stored if len(counts) > 1 and arm.copies == counts[0]]
    originals = [arm for arm in arms if arm.source == ORIGINALS]
    residual = [arm for arm in arms if arm.residual is not None]
    for arm in (*between, *originals, *residual, *fewest):
        yield arm.name


def _given_up(wish: Plan, plan: Plan) -> Iterator[str]:
    if wish.peers and not plan.peers:
        yield f"--against {','.join(wish.peers)}"
    if plan.epochs < wish.epochs:
        yield f"epochs: {plan.epochs} instead of {wish.epochs}"
    gone = [name for name in wish.arms if name not in plan.arms]
    if gone:
        yield f"arms: {', '.join(gone)}"
    if wish.corruptions and not plan.corruptions:
        yield "--corruptions"


def fewer_seeds(wished: int, trained: int) -> tuple[str, ...]:
    """What is said of seeds that there was no time for."""
    return (f"seeds: {trained} instead of {wished}",) if trained < wished else ()
