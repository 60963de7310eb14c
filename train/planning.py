"""How many epochs fit into the time that is left: pure functions of what epochs took."""

from __future__ import annotations

import statistics
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from augcli.train.pace import Timeline
from augcli.train.record import Row

RECENT_EPOCHS = 3
MARGIN = 1.03
"""Times what epochs took: the next may take longer."""
EVALUATION_SHARE = 0.5
"""Of the time that training takes per view, before an evaluation was timed."""
FINISH_SECONDS = 1.0
"""At the end, for the record and a picture, beside what an epoch's saving takes."""


@dataclass(frozen=True)
class Costs:
    """Seconds that parts of a run take."""

    training: tuple[float, ...]
    """An epoch of each stage."""
    between: float
    """After each epoch: validation and saving."""
    finish: float
    """After the last one."""


def epochs_that_fit(timeline: Timeline, costs: Costs, seconds: float) -> int:
    """Into how many epochs, which take `seconds` at most with all that follows, the rest of the
    schedule can be divided; 0: not even into one."""
    start, rest = timeline.marks[-1], timeline.steps - timeline.marks[-1]

    def taken(count: int) -> float:
        edges = [stage.start for stage in timeline.stages[1:]]
        before = [min(max(0, -(-(edge - start) * count // rest)), count) for edge in edges]
        epochs = [end - begin for begin, end in zip([0, *before], [*before, count], strict=True)]
        training = sum(n * each for n, each in zip(epochs, costs.training, strict=True))
        return training + costs.between * count + costs.finish

    return bisect_right(range(1, rest + 1), seconds, key=taken)


def next_mark(timeline: Timeline, epochs: int) -> int:
    """Where the next of `epochs` ends that divide the rest of the schedule."""
    start, rest = timeline.marks[-1], timeline.steps - timeline.marks[-1]
    return start + (rest + epochs // 2) // epochs


def costs_of(
    timeline: Timeline,
    rows: Sequence[Row],
    first_seconds: float,
    relative: Mapping[int, float],
    validated: int,
    finally_seen: int,
    other_seconds: float,
) -> Costs:
    """What epochs cost as far as `rows` tell.

    `relative` compares the sizes, of which some had no epoch yet. `first_seconds` are what the
    first epoch takes, while there are no rows; `validated` and `finally_seen` count views that are
    evaluated after each epoch and at the end.
    """
    known = {timeline.stages[0].size: first_seconds} if not rows else {}
    for stage in timeline.stages:
        recent = [row.seconds for row in rows if row.size == stage.size][-RECENT_EPOCHS:]
        if recent:
            known[stage.size] = statistics.median(recent)
    training = []
    for stage in timeline.stages:
        nearest = min(known, key=lambda size: abs(size - stage.size))
        training.append(MARGIN * known[nearest] * relative[stage.size] / relative[nearest])
    per_view = EVALUATION_SHARE * training[-1] / timeline.samples
    if rows and validated:
        recent = [row.validation_seconds for row in rows[-RECENT_EPOCHS:]]
        per_view = MARGIN * statistics.median(recent) / validated
    return Costs(
        tuple(training),
        between=per_view * validated + other_seconds,
        finish=per_view * finally_seen + other_seconds + FINISH_SECONDS,
    )
