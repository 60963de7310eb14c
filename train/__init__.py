"""The two sources behind one batch contract, models, optimisation, evaluation, benchmark.

The names below are the Python API, imported when first used: `import augcli.train` is cheap.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# How long torch's threads wait for each other before they let go of their cores (GNU OpenMP reads
# it when torch is loaded). They wait thousands of times a second, as a rule for cores that are at
# work for them; where something else has those, waiting at length makes training several times
# slower (benchmarks/busy.py).
if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
    os.environ["GOMP_SPINCOUNT"] = "1000"

if TYPE_CHECKING:
    from augcli.train.comparisons.ablating import AblationResult, ablate
    from augcli.train.comparisons.benchmarking import BenchmarkResult, benchmark
    from augcli.train.comparisons.config import AblateConfig, BenchmarkConfig
    from augcli.train.config import ScheduleConfig, TrainConfig
    from augcli.train.evaluation.config import EvaluateConfig, LandscapeConfig
    from augcli.train.evaluation.evaluating import evaluate_run
    from augcli.train.evaluation.landscape import landscape
    from augcli.train.evaluation.landscape_result import LandscapeResult
    from augcli.train.evaluation.result import EvaluationResult
    from augcli.train.rates.config import LrFindConfig
    from augcli.train.rates.finding import LrFindResult, lr_find
    from augcli.train.run import train
    from augcli.train.scheduling import ScheduleResult, schedule
    from augcli.train.sources import open_sources
    from augcli.train.sweeps.config import SweepConfig
    from augcli.train.sweeps.result import SweepResult
    from augcli.train.sweeps.sweeping import sweep
    from augcli.train.trainer import TrainResult

__all__ = [
    "AblateConfig",
    "AblationResult",
    "BenchmarkConfig",
    "BenchmarkResult",
    "EvaluateConfig",
    "EvaluationResult",
    "LandscapeConfig",
    "LandscapeResult",
    "LrFindConfig",
    "LrFindResult",
    "ScheduleConfig",
    "ScheduleResult",
    "SweepConfig",
    "SweepResult",
    "TrainConfig",
    "TrainResult",
    "ablate",
    "benchmark",
    "evaluate_run",
    "landscape",
    "lr_find",
    "open_sources",
    "schedule",
    "sweep",
    "train",
]

_HOMES = {
    "AblateConfig": "comparisons.config",
    "AblationResult": "comparisons.ablating",
    "BenchmarkConfig": "comparisons.config",
    "BenchmarkResult": "comparisons.benchmarking",
    "EvaluateConfig": "evaluation.config",
    "EvaluationResult": "evaluation.result",
    "LandscapeConfig": "evaluation.config",
    "LandscapeResult": "evaluation.landscape_result",
    "LrFindConfig": "rates.config",
    "LrFindResult": "rates.finding",
    "ScheduleConfig": "config",
    "ScheduleResult": "scheduling",
    "SweepConfig": "sweeps.config",
    "SweepResult": "sweeps.result",
    "TrainConfig": "config",
    "TrainResult": "trainer",
    "ablate": "comparisons.ablating",
    "benchmark": "comparisons.benchmarking",
    "evaluate_run": "evaluation.evaluating",
    "landscape": "evaluation.landscape",
    "lr_find": "rates.finding",
    "open_sources": "sources",
    "schedule": "scheduling",
    "sweep": "sweeps.sweeping",
    "train": "run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
