"""The two sources behind one batch contract, models, optimisation, evaluation, benchmark.

The names below are the Python API, imported when first used: `import augcli.train` is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from augcli.train.benchmarking import BenchmarkResult, benchmark
    from augcli.train.config import BenchmarkConfig, ScheduleConfig, TrainConfig
    from augcli.train.rates.config import LrFindConfig
    from augcli.train.rates.finding import LrFindResult, lr_find
    from augcli.train.run import train
    from augcli.train.scheduling import ScheduleResult, schedule
    from augcli.train.sources import open_sources
    from augcli.train.trainer import TrainResult

__all__ = [
    "BenchmarkConfig",
    "BenchmarkResult",
    "LrFindConfig",
    "LrFindResult",
    "ScheduleConfig",
    "ScheduleResult",
    "TrainConfig",
    "TrainResult",
    "benchmark",
    "lr_find",
    "open_sources",
    "schedule",
    "train",
]

_HOMES = {
    "BenchmarkConfig": "config",
    "BenchmarkResult": "benchmarking",
    "LrFindConfig": "rates.config",
    "LrFindResult": "rates.finding",
    "ScheduleConfig": "config",
    "ScheduleResult": "scheduling",
    "TrainConfig": "config",
    "TrainResult": "trainer",
    "benchmark": "benchmarking",
    "lr_find": "rates.finding",
    "open_sources": "sources",
    "schedule": "scheduling",
    "train": "run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
