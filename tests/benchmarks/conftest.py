"""`benchmarks/` is no package: its scripts import `side_by_side` from beside them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="session", autouse=True)
def importable() -> Iterator[None]:
    """`side_by_side`, as a script in `benchmarks/` sees it."""
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))
