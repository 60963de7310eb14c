"""Doing the same to many things at once, where what takes time is waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


def in_threads(
    function: Callable[[ItemT], ResultT], items: Iterable[ItemT], at_once: int
) -> list[ResultT]:
    """The results in the order of the items; no thread is left, and with `at_once` 1 none made.

    Raises:
        Exception: the first that `function` raised, in the order of the items; what was not begun
            by then is left.
    """
    if at_once == 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(at_once) as threads:
        return list(threads.map(function, items))
