"""Families of networks: what torchvision's names begin with, for tables that differ by family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


def of_family(table: Mapping[str, T], name: str, other: T) -> T:
    """The entry for the model `name` of `table`, whose keys are beginnings of names, or `other`."""
    return next((entry for start, entry in table.items() if name.startswith(start)), other)
