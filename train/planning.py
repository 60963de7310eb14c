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
"""Of the time that training takes, per view, where no evaluation was timed."""
FINISH_SECONDS = 2.0
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


@dataclass(frozen=True)
class Probed:
    """What some steps of the first epoch tell, before there is a row."""

    epoch_seconds: float
    """That epoch, as its latest steps go."""
    computing: Mapping[int, float]
    """Seconds per view to compute gradients at each size in pixels."""
    evaluating: float
    """Seconds per view of an evaluation."""


def costs_of(
    timeline: Timeline,
    rows: Sequence[Row],
    probed: Probed | None,
    *,
    validated: int,
    finally_seen: int,
    other_seconds: float,
) -> Costs:
    """What epochs cost as far as `rows` tell or, before, what was `probed`.

    `validated` and `finally_seen` count views that are evaluated after each epoch and at the end.
    """
    known = {} if rows or probed is None else {timeline.stages[0].size: probed.epoch_seconds}
    for stage in timeline.stages:
        recent = [row.seconds for row in rows if row.size == stage.size][-RECENT_EPOCHS:]
        if recent:
            known[stage.size] = statistics.median(recent)
    training = tuple(MARGIN * _epoch_at(s.size, known, probed, timeline) for s in timeline.stages)
    usual = slowest = EVALUATION_SHARE * max(training) / timeline.samples
    if probed is not None:
        usual = slowest = probed.evaluating
    if rows and validated:
        taken = [row.validation_seconds / validated for row in rows]
        # The first time views are decoded, as those of the last evaluation will be.
        usual, slowest = MARGIN * statistics.median(taken[-RECENT_EPOCHS:]), max(taken)
    return Costs(
        training,
        between=usual * validated + other_seconds,
        finish=slowest * finally_seen + other_seconds + FINISH_SECONDS,
    )


def _epoch_at(
    size: int, known: Mapping[int, float], probed: Probed | None, timeline: Timeline
) -> float:
    """Seconds of an epoch of that size; where none was had, by the nearest one that was.

    What differs is the time to compute; without it being probed, all goes by pixels.
    """
    nearest = min(known, key=lambda each: abs(each - size))
    if size == nearest:
        return known[size]
    if probed is None:
        return known[nearest] * size**2 / nearest**2
    more = probed.computing[size] - probed.computing[nearest]
    return max(known[nearest] + timeline.samples * more, 0.0)
