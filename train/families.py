"""Families of networks: what torchvision's names begin with, for tables that differ by family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from augcli.manifests.errors import UsageError

T = TypeVar("T")


def of_family(table: Mapping[str, T], name: str) -> T:
    """The entry of `table`, whose keys are beginnings of names, for the model `name`.

    Raises:
        UsageError: the table has none.
    """
    for beginning, entry in table.items():
        if name.startswith(beginning):
            return entry
    raise UsageError(
        f"--model {name}: its layers are not known here; of these families they are: "
        f"{', '.join(table)}"
    )
