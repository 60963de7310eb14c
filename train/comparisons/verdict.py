"""The verdict: what to do, what was found, what to beware of."""

from __future__ import annotations

import math
from dataclasses import dataclass

from augcli.train.comparisons.analysis import Analysis
from augcli.train.comparisons.cautions import cautions
from augcli.train.comparisons.copies import MARGIN, Copies
from augcli.train.comparisons.differences import BETTER, ONE_SEED, WORSE, Difference
from augcli.train.comparisons.findings import Finding, findings
from augcli.train.comparisons.measurements import Measurements
from augcli.train.comparisons.speeds import PayBack, is_step_bound
from augcli.train.comparisons.wording import bounds, counted, percent, times

NOT_COMPARED = "Nothing can be advised: no policy was trained both stored and on the fly."


@dataclass(frozen=True)
class Verdict:
    """In plain words, with numbers; `arm` is the one that the headline is for, if any."""

    headline: str
    arm: str | None
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]


def verdict(measurements: Measurements, analysis: Analysis) -> Verdict:
    """A pure function of both; of several policies it is about the best on the fly."""
    beware = cautions(measurements, analysis)
    if not analysis.copies:
        return Verdict(NOT_COMPARED, None, (), beware)
    copies = analysis.copies[0]
    headline, arm = _headline(analysis, copies)
    return Verdict(headline, arm, findings(measurements, analysis, copies), beware)


def _headline(analysis: Analysis, copies: Copies) -> tuple[str, str | None]:
    """And the arm that it is for."""
    stored, fresh = analysis.of(copies.advised), analysis.of(copies.fresh)
    speed, rate, difference = stored.speed, fresh.rate, stored.difference
    if speed is None or rate is None or difference is None:
        return "Nothing can be advised: how fast the sources are was not measured.", None
    if is_step_bound(rate):
        why = "the training step is the bottleneck, and storing views would make nothing faster"
        return f"Augment on the fly: {why}.", copies.fresh
    if not speed.is_faster:
        how = "is slower" if speed.told else "can't be told to be faster"
        return f"Augment on the fly: training from stored views {how}.", copies.fresh
    views = counted(stored.arm.copies or 0, "copy")
    gain = f"training is {times(speed.factor)} times as fast{_pays(stored.pay_back)}"
    if difference.outcome == WORSE:
        lost = f"{percent(-difference.mean)} points of accuracy"
        trade = f"A trade: from {views}, {gain}, but loses {lost}{_way_out(analysis)}."
        return trade, copies.advised
    return f"Store {views}: {gain}; {_price(difference, copies)}.", copies.advised


def _pays(found: PayBack | None) -> str:
    if found is None or found.epochs is None:
        return ""
    return f", which pays back after {counted(math.ceil(found.epochs), 'epoch')}"


def _way_out(analysis: Analysis) -> str:
    """An arm with fresh transforms on top of stored views that can't be told to be worse."""
    for row in analysis.arms:
        if row.arm.residual and row.difference and row.difference.outcome != WORSE:
            return f"; with {row.arm.residual} on top ({row.arm.name}) a loss can't be told"
    return ""


def _price(found: Difference, copies: Copies) -> str:
    if found.outcome == ONE_SEED:
        return "what that does to accuracy a single seed can't tell"
    if found.outcome == BETTER:
        return f"accuracy is {percent(found.mean)} points better"
    if copies.is_sure:
        return f"if it costs accuracy, then less than {100 * MARGIN:g} point"
    return f"an effect on accuracy can't be told from noise ({bounds(found)} points)"
