"""Work in threads: results in order, the first failure, and no thread left for forks to trip on."""

from __future__ import annotations

import threading

import pytest

from augcli.manifests.threads import in_threads


@pytest.mark.parametrize("at_once", [1, 3])
def test_results_are_in_order(at_once: int) -> None:
    before = threading.active_count()
    assert in_threads(lambda number: number * number, range(9), at_once) == [
        n * n for n in range(9)
    ]
    assert threading.active_count() == before


@pytest.mark.parametrize("at_once", [1, 3])
def test_the_first_failure(at_once: int) -> None:
    def fails(number: int) -> int:
        if number >= 4:
            raise KeyError(number)
        return number

    before = threading.active_count()
    with pytest.raises(KeyError, match="4"):
        in_threads(fails, range(1000), at_once)
    assert threading.active_count() == before


def test_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=30)
    assert len(in_threads(lambda _: together.wait(), range(3), 3)) == 3
