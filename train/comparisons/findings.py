"""What a benchmark found, topic by topic, in plain sentences with their numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from augcli.train.comparisons.analysis import Analysis, ArmResult
from augcli.train.comparisons.copies import Copies
from augcli.train.comparisons.differences import ONE_SEED, Difference
from augcli.train.comparisons.measurements import NONE, Measurements
from augcli.train.comparisons.speeds import is_step_bound
from augcli.train.comparisons.wording import (
    count,
    counted,
    duration,
    in_points,
    listed,
    percent,
    points,
    size,
    times,
)

MAX_NAMED = 4
"""Classes in a sentence."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found."""

    topic: str
    text: str


def findings(measurements: Measurements, analysis: Analysis, copies: Copies) -> tuple[Finding, ...]:
    """About the arm that is advised, the most important first."""
    stored, fresh = analysis.of(copies.advised), analysis.of(copies.fresh)
    images, bound = measurements.train_images, measurements.throughput.bound.median
    found = {
        "Speed": _speed(stored, fresh, bound),
        "Cost": _cost(stored, fresh, images),
        "Processor": _processor(stored, fresh),
        "Accuracy": _accuracy(analysis, stored),
        "Copies": _copies(copies),
        "Disk": _disk(stored),
        "Policies": _policies(analysis),
        "Robustness": _robustness(stored),
        "Classes": _classes(analysis, stored),
    }
    return tuple(
        Finding(topic, " ".join(text))
        for topic, sentences in found.items()
        if (text := list(sentences))
    )


def _speed(stored: ArmResult, fresh: ArmResult, bound: float) -> Iterator[str]:
    speed, rate, base = stored.speed, stored.rate, fresh.rate
    if speed is None or rate is None or base is None:
        return
    both = f"{rate.training.median:,.0f} against {base.training.median:,.0f} views/s"
    waiting = f"{base.wait_share:.0%} of the time"
    if is_step_bound(base):
        yield f"Training on the fly waits for data {waiting}: no source can help much ({both})."
    elif speed.told:
        yield (
            f"Training from {stored.arm.name} runs {times(speed.factor)} times as fast as on the "
            f"fly: {both}; with no data to wait for it would be {bound:,.0f}."
        )
    else:
        yield f"In training the sources can't be told apart: {both}."
    if not is_step_bound(base):
        yield f"On the fly, {waiting} is spent waiting for data."
    yield f"By themselves, stored views come {times(speed.source_factor)} times as fast."


def _cost(stored: ArmResult, fresh: ArmResult, images: int) -> Iterator[str]:
    found = stored.pay_back
    if found is None:
        return
    each = f"{1000 * found.seconds / found.views:.1f} ms a view"
    yield f"Expanding to {counted(found.copies, 'copy')} took {duration(found.seconds)} ({each})."
    if found.epochs is None or found.least is None or found.most is None or found.runs is None:
        yield "With this model and machine it saves no time that could be measured."
        return
    yield (
        f"It pays back after {count(found.epochs)} epochs of {images:,} images, or "
        f"{count(found.runs)} trainings of {counted(fresh.epochs, 'epoch')}; by the measurements "
        f"most and least in its favour, {count(found.least)} to {count(found.most)} epochs."
    )


def _processor(stored: ArmResult, fresh: ArmResult) -> Iterator[str]:
    rate, base, found = stored.rate, fresh.rate, stored.pay_back
    if rate is None or base is None:
        return
    yield (
        f"A stored view takes {1000 * rate.cpu_seconds_per_view:.2g} ms of a core, one made on the "
        f"fly {1000 * base.cpu_seconds_per_view:.2g} ms."
    )
    if found is not None and found.cpu_epochs is not None:
        yield f"In processor time, expanding pays back after {count(found.cpu_epochs)} epochs."


def _accuracy(analysis: Analysis, stored: ArmResult) -> Iterator[str]:
    if stored.difference is None:
        return
    yield (
        f"{stored.arm.name} against on the fly: {in_points(stored.difference)}, "
        f"{how_told(stored.difference)}."
    )
    told = [
        f"{row.arm.name} ({points(row.difference.mean)})"
        for row in analysis.arms
        if row is not stored
        and row.arm.policy in (stored.arm.policy, NONE)
        and row.difference is not None
        and row.difference.told
    ]
    if told:
        yield f"Of the others, {listed(told)} can be told from it."


def how_told(found: Difference) -> str:
    """Whether it can be told from noise, at the end of a sentence."""
    if found.outcome == ONE_SEED:
        return "from one seed: how much of that is chance of the training can't be told"
    return "more than noise" if found.told else "which can't be told from noise"


def _copies(copies: Copies) -> Iterator[str]:
    if copies.enough is None or copies.missed is None:
        if copies.is_known:
            yield "On the fly, or more copies, did better than any number that was tried."
        return
    most = copies.missed.high
    yield f"Beyond {counted(copies.enough, 'copy')} more don't show in accuracy" + (
        f"; on the fly may still be up to {percent(most)} points better." if most > 0 else "."
    )


def _disk(stored: ArmResult) -> Iterator[str]:
    found = stored.pay_back
    if found is not None:
        what = f"{counted(found.copies, 'copy')} and the originals"
        each = size(found.disk_bytes / found.views)
        yield f"{what} take {size(found.disk_bytes)}, {each} a view, evaluation images included."


def _policies(analysis: Analysis) -> Iterator[str]:
    found = analysis.policies
    if found is None:
        return
    gains = {row.policy: row.gain for row in found.rows}
    gain = gains.get(found.best)
    over = f" ({points(gain.mean)} points over none)" if gain is not None else ""
    lead = f"{found.second} by {in_points(found.lead)}"
    yield f"On the fly, {found.best} did best{over}, ahead of {lead}, {how_told(found.lead)}."


def _robustness(stored: ArmResult) -> Iterator[str]:
    found = stored.corrupted_difference
    if found is not None:
        yield (
            f"On corrupted images {stored.arm.name} is {in_points(found)} against on the fly, "
            f"{how_told(found)}."
        )


def _classes(analysis: Analysis, stored: ArmResult) -> Iterator[str]:
    known = [row for row in analysis.classes if row.difference is not None]
    if not known or all(row.difference and row.difference.chance is None for row in known):
        return
    told = [row for row in known if row.difference is not None and row.difference.told]
    if not told:
        yield f"In none of {len(known)} classes can {stored.arm.name} be told from on the fly."
        return
    told.sort(key=lambda row: -abs(row.difference.mean if row.difference else 0.0))
    named = [
        f"{row.name} ({points(row.difference.mean)})"
        for row in told[:MAX_NAMED]
        if row.difference is not None
    ]
    more = f" and {len(told) - MAX_NAMED} more" if len(told) > MAX_NAMED else ""
    yield f"Of {len(known)} classes these can be told from on the fly: {', '.join(named)}{more}."
