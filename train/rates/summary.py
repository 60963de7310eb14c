"""What `augcli lr-find` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augcli.train.printing import print_line, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from augcli.train.rates.finding import LrFindResult


def print_range_test(result: LrFindResult, console: Console) -> None:
    """What each rule says, the rate to take, and where the picture is."""
    test = result.test
    how = test.diverged or "the loss never diverged"
    print_line(f"{len(test.rates)} of {test.sweep.steps} steps: {how}", console)
    rows = [["rule", "learning rate"]]
    rows += [
        [name, "none" if said.rate is None else f"{said.rate:.2g}"]
        for name, said in test.suggestions.items()
    ]
    print_table("Suggestions", rows, console)
    for name, said in test.suggestions.items():
        if said.rate is None:
            print_line(f"• {name}: {said.reason}", console, wrapped=True)
    if result.command is None:
        print_line("no rule finds a learning rate", console)
    else:
        print_line(f"recommended {result.lr:g}, by {result.rule}: {result.command}", console)
        if result.lr is not None and not test.falls_after(result.lr):
            doubt = "after it the loss falls no further than it varies from batch to batch: chance"
            print_line(f"• {doubt} may have chosen it, look at the picture", console, wrapped=True)
    print_line(f"look at     {result.plot}", console)
