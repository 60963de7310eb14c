"""What a sweep says in plain sentences, the most important first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from augcli.manifests.settings import option_name
from augcli.train.config import TrainConfig
from augcli.train.sweeps.domains import Choices, Values
from augcli.train.sweeps.naming import counted
from augcli.train.sweeps.space import Space, label_of, text_of
from augcli.train.sweeps.standings import Standing, can_be_told_apart
from augcli.train.sweeps.trial import DIVERGED, PRUNED

NEAR_THE_END = 0.05
"""The part of a range that counts as its end."""
LEAST_TRIED = 3
"""Of fewer numbers, one at an end is no news."""
MAX_NAMED = 3


def findings(space: Space, found: Sequence[Standing]) -> list[str]:
    """The sentences about combinations that are ranked, best first."""
    best = found[0] if found and found[0].is_whole else None
    if best is None:
        return ["No combination finished: there is no best.", *_ends(found)]
    return [_best(best), *_others(best, found), *_edges(space, best), *_ends(found), *_test(best)]


def _best(best: Standing) -> str:
    assert best.accuracy is not None and best.bounds is not None
    low, high = best.bounds
    images = best.measured[0].val_images
    seeds = len(best.measured)
    chance = "for the chance of the images"
    over = f"{chance} and over {seeds} seeds" if seeds > 1 else f"{chance}, one seed"
    name = label_of(best.values) or "the only combination"
    return (
        f"Best: {name}: {best.accuracy:.1%} of {images:,} validation images "
        f"(95 % interval {over}: {low:.1%} to {high:.1%})."
    )


def _others(best: Standing, found: Sequence[Standing]) -> list[str]:
    others = [each for each in found[1:] if each.is_whole]
    if not others:
        return []
    alike = sum(not can_be_told_apart(best, each) for each in others)
    how = "paired by seed" if len(best.measured) > 1 else "their intervals overlap"
    if not alike:
        return ["It can be told from all others."]
    more = "" if len(best.measured) > 2 else "; more --seeds tell more apart"
    of_all = f"{alike} of {counted(len(others), 'other')}"
    return [
        f"{of_all} can't be told from it ({how}){more}. The best of many looks better than it is."
    ]


def _edges(space: Space, best: Standing) -> list[str]:
    """Numbers of which the best is the least or the greatest that was tried."""
    sentences = []
    for name, value in best.values.items():
        if not isinstance(value, int | float):
            continue
        side = _side(space, name, value)
        if side is not None:
            sentences.append(
                f"{option_name(name)} {text_of(name, value)} is at the {side} end of what was "
                "tried: the best may lie beyond."
            )
    return sentences


def _side(space: Space, name: str, value: float) -> str | None:
    domain = space.factors[name]
    if isinstance(domain, Choices):
        numbers = [number for number in domain.values if isinstance(number, int | float)]
        if len(numbers) < LEAST_TRIED:
            return None
        low, high = value <= min(numbers), value >= max(numbers)
    else:
        steps = domain.parts(round(1 / NEAR_THE_END))
        low, high = steps[0].holds(value), steps[-1].holds(value)
    [field] = [field for field in fields(TrainConfig) if field.name == name]
    if low and value != field.metadata["minimum"]:
        return "low"
    return "high" if high and value != field.metadata["maximum"] else None


def _ends(found: Sequence[Standing]) -> list[str]:
    sentences = []
    for state, what in ((DIVERGED, "diverged"), (PRUNED, "ended early")):
        these = [each.values for each in found if any(e.outcome.state == state for e in each.ended)]
        if these:
            sentences.append(f"{counted(len(these), 'combination')} {what}: {_named(these)}.")
    return sentences


def _named(combinations: Sequence[Values]) -> str:
    names = [label_of(values) for values in combinations[:MAX_NAMED]]
    more = len(combinations) - len(names)
    return "; ".join(names) + (f"; and {more} more" if more else "")


def _test(best: Standing) -> list[str]:
    if best.test_accuracy is None:
        return []
    return [
        f"On test images the best has {best.test_accuracy:.1%}: for information, nothing was "
        "chosen by them."
    ]
