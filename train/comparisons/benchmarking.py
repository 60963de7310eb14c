"""`augcli benchmark`: ways to get augmented views, compared with nothing else changed.

All arms train from the same reference dataset, splits, fit and seeds, for the same number of steps
from the same initial weights, and are evaluated on the same stored test images. Everything that is
finished is kept in `--out`: the same command, given again, goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augcli.augment.corruptions.registry import parse_corruptions
from augcli.manifests.reference import Reference
from augcli.manifests.settings import check_settings
from augcli.train.budget import parse_duration
from augcli.train.command import command_line
from augcli.train.comparisons.analysis import Analysis, analyse
from augcli.train.comparisons.arms import Wanted, wanted_arms
from augcli.train.comparisons.checks import check_machinery, compared_on, how_to_go_on
from augcli.train.comparisons.config import BenchmarkConfig
from augcli.train.comparisons.folder import BENCHMARK, own_folder
from augcli.train.comparisons.measurements import Measurements
from augcli.train.comparisons.measuring import Measuring, Tell
from augcli.train.comparisons.parts import Hear
from augcli.train.comparisons.peers.registry import parse_peers
from augcli.train.comparisons.report import as_json, write_report
from augcli.train.comparisons.sample_views import sample_views
from augcli.train.comparisons.verdict import Verdict, verdict
from augcli.train.faults import told
from augcli.train.memory import parse_bytes


@dataclass(frozen=True)
class BenchmarkResult:
    """Everything that was measured, and what follows from it."""

    folder: Path
    measurements: Measurements
    analysis: Analysis
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """The object of `benchmark.json` and of `--json`."""
        return as_json(self.measurements, self.analysis)


def benchmark(
    config: BenchmarkConfig, report: Hear | None = None, tell: Tell | None = None
) -> BenchmarkResult:
    """Measure the arms that `config` asks for, and write the report into `out`.

    `report` hears what is being done, and how many of how many parts are done; `tell` hears lines
    worth keeping.

    Raises:
        UsageError: a bad option, policy or dataset, or an `out` that holds other things.
        Interrupted: SIGINT or SIGTERM came; what was finished is kept.
        AugcliError: nothing to train or to test on, a training that failed, or a file that can't
            be written.
    """
    config = check_settings(config)
    wanted, reference = _checked(config)
    command = command_line("benchmark", config)
    with (
        own_folder(config.out, BENCHMARK),
        told(config.out, lambda: "then run the benchmark again"),
        how_to_go_on(config.out, command),
    ):
        measuring = Measuring(config, wanted, reference, report, tell)
        measurements = measuring.measure()
        analysis = analyse(measurements)
        views = sample_views(config.data, tuple(wanted.named.values()), config.size)
        write_report(config.out, measurements, analysis, views)
        return BenchmarkResult(config.out, measurements, analysis, verdict(measurements, analysis))


def _checked(config: BenchmarkConfig) -> tuple[Wanted, Reference]:
    """Find what is wrong with the request before anything is written or measured."""
    check_machinery("benchmark", config.model, config.device)
    if config.budget is not None:
        parse_duration("--budget", config.budget)
    if config.corruptions is not None:
        parse_corruptions(config.corruptions)
    if config.memory != "auto":
        parse_bytes("--memory", config.memory)
    parse_peers(config.against)
    wanted = wanted_arms(config)
    return wanted, compared_on(config.data, config.out)
