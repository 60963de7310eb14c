"""Numbers as people read them: percent, points, times, sizes."""

from __future__ import annotations

from augcli.train.comparisons.differences import Difference
from augcli.train.comparisons.statistics import Interval


def percent(share: float | None) -> str:
    """`71.2`; nothing for nothing."""
    return "" if share is None else f"{100 * share:.1f}"


def percent_of(found: Interval | None) -> str:
    """`71.2 ± 1.3`."""
    if found is None:
        return ""
    half = "" if found.half_width is None else f" ± {percent(found.half_width)}"
    return percent(found.mean) + half


def points(share: float) -> str:
    """`+0.3`, and no `-0.0`."""
    text = f"{100 * share:+.1f}"
    return "0.0" if float(text) == 0 else text


def bounds(found: Difference | Interval) -> str:
    """`-1.4 to +0.8`; nothing where there is no interval."""
    if found.half_width is None:
        return ""
    return f"{points(found.low)} to {points(found.high)}"


def with_bounds(found: Difference | Interval | None) -> str:
    """`+0.3 (-1.4 to +0.8)`."""
    if found is None:
        return ""
    around = bounds(found)
    return f"{points(found.mean)} ({around})" if around else points(found.mean)


def in_points(found: Difference) -> str:
    """`+0.3 points (95 % interval -1.4 to +0.8)`."""
    around = bounds(found)
    return f"{points(found.mean)} points" + (f" (95 % interval {around})" if around else "")


def chance(found: Difference | None) -> str:
    """A p-value: `0.03`, `< 0.001`."""
    if found is None or found.chance is None:
        return ""
    return "< 0.001" if found.chance < 0.001 else f"{found.chance:.2g}"


def times(factor: float) -> str:
    """`2.1 times as fast`."""
    return (
        f"{factor:.2f}" if factor < 1.095 else f"{factor:.1f}" if factor < 20 else f"{factor:.0f}"
    )


def count(number: float) -> str:
    """`0.13`, `3.9`, `24`, `1,200`: of epochs and trainings."""
    return f"{number:,.0f}" if number >= 9.95 else f"{number:.2g}"


def duration(seconds: float) -> str:
    """`0.8 s`, `83 s`, `12 min`, `3.4 h`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """`61 MB`, `1.3 GB`."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if count >= scale:
            value = count / scale
            return f"{value:.1f} {unit}" if value < 10 else f"{value:,.0f} {unit}"
    return f"{count:.0f} bytes"


def counted(number: int, thing: str) -> str:
    """`1 copy`, `2 copies`, `3 seeds`."""
    if number == 1:
        return f"1 {thing}"
    return f"{number:,} {thing[:-1]}ies" if thing.endswith("y") else f"{number:,} {thing}s"


def listed(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def split_name(split: str) -> str:
    """As people say it."""
    return "validation" if split == "val" else split
