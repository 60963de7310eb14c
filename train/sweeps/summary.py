"""What `augcli sweep` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augcli.train.comparisons.tables import Table
from augcli.train.printing import print_line, print_table
from augcli.train.sweeps.domains import Values
from augcli.train.sweeps.naming import counted
from augcli.train.sweeps.report import CSV_FILE, pictures_of
from augcli.train.sweeps.space import text_of
from augcli.train.sweeps.standings import Effect, Standing
from augcli.train.sweeps.trial import FINISHED

if TYPE_CHECKING:
    from rich.console import Console

    from augcli.train.sweeps.result import SweepResult

MAX_ROWS = 25
"""Combinations on the screen; all are in the CSV file."""
NOT_ITS_OWN = "–"


def print_sweep(result: SweepResult, console: Console) -> None:
    """Both tables, the findings, and the command to go on with."""
    rows = _table(result)
    print_table("Combinations, best first", rows[: MAX_ROWS + 1], console)
    if len(rows) > MAX_ROWS + 1:
        left = len(rows) - MAX_ROWS - 1
        print_line(f"… and {left} more in {result.folder / CSV_FILE}", console)
    if len(result.space.factors) > 1:
        print_table("Each option, averaged over what finished", _effect_table(result), console)
    for sentence in result.findings:
        print_line(f"• {sentence}", console, wrapped=True)
    for message, failed in result.failures.items():
        names = "; ".join(each.trial.label for each in failed)
        what = counted(len(failed), "training")
        print_line(f"• {what} failed ({names}): {message}", console, wrapped=True)
    print_line("", console)
    if result.best_command is not None:
        print_line(f"train it    {result.best_command}", console)
    files = [str(path) for path in (*pictures_of(result), result.folder / CSV_FILE)]
    print_line(f"look at     {', '.join(files)}", console)


def _table(result: SweepResult) -> Table:
    """The combinations for people, in percent."""
    several = len(result.seeds) > 1
    has_test = any(each.test_accuracy is not None for each in result.standings)
    names = list(result.space.factors)
    head = [
        "",
        *(name.replace("_", "-") for name in names),
        "val, %",
        "95 % interval",
        *(["by seed, %"] if several else []),
        *(["test, %"] if has_test else []),
        "time, s",
    ]
    rows = [
        [
            str(number),
            *(_cell(each.values, name) for name in names),
            _percent(each.accuracy) if each.is_whole else _what_became(each),
            _bounds(each),
            *([" ".join(map(_percent, each.accuracies))] if several else []),
            *([_percent(each.test_accuracy)] if has_test else []),
            f"{each.seconds:,.0f}",
        ]
        for number, each in enumerate(result.standings, 1)
    ]
    return [head, *rows]


def _effect_table(result: SweepResult) -> Table:
    head = ["option", "value", "combinations", "mean, %", "best, %"]
    return [head, *(_effect_row(effect) for effect in result.effects if effect.combinations)]


def _effect_row(effect: Effect) -> list[str]:
    unfinished = effect.combinations - effect.whole
    return [
        effect.option.replace("_", "-"),
        effect.value,
        f"{effect.whole}" + (f" of {effect.combinations}" if unfinished else ""),
        _percent(effect.mean),
        _percent(effect.best),
    ]


def _cell(values: Values, name: str) -> str:
    return text_of(name, values[name]) if name in values else NOT_ITS_OWN


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


def _what_became(standing: Standing) -> str:
    ended = [each for each in standing.ended if each.outcome.state != FINISHED]
    part = "" if len(standing.ended) == 1 else f" {len(ended)} of {len(standing.ended)}"
    return standing.state + part


def _bounds(standing: Standing) -> str:
    if standing.bounds is None or not standing.is_whole:
        return ""
    low, high = standing.bounds
    return f"{100 * low:.1f}–{100 * high:.1f}"
