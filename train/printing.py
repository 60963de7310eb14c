"""Lines and tables on a console, as they are: what looks like markup in names is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augcli.manifests.inputs import printable

if TYPE_CHECKING:
    from rich.console import Console


def print_line(line: str, console: Console, wrapped: bool = False) -> None:
    """`line`, cut nowhere unless it may be wrapped."""
    from rich.text import Text

    console.print(Text(printable(line)), soft_wrap=not wrapped)


def print_table(title: str, rows: list[list[str]], console: Console) -> None:
    """`rows`, the first of them the header; numbers, all but the first column, to the right.

    Where the console is narrow, the first column is the last to be cut.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), box=box.SIMPLE, title_justify="left", title_style="bold")
    for number, name in enumerate(rows[0]):
        is_name = number == 0
        heading = Text(printable(name))
        table.add_column(heading, justify="left" if is_name else "right", no_wrap=is_name)
    for row in rows[1:]:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console.print(table)
