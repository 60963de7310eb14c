"""What a sweep found, as one record."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from augcli.train.command import command_line
from augcli.train.machine import describe_machine
from augcli.train.sweeps.course import Ended
from augcli.train.sweeps.domains import Choices
from augcli.train.sweeps.findings import findings
from augcli.train.sweeps.space import Space
from augcli.train.sweeps.standings import Effect, Standing, effects, standings
from augcli.train.sweeps.trial import FAILED


@dataclass(frozen=True)
class SweepResult:
    """The trainings of a sweep, and what they say together."""

    folder: Path
    command: str
    """The sweep's command line."""
    space: Space
    seeds: tuple[int, ...]
    ended: tuple[Ended, ...]
    """Every training that ended, in this sweep or an earlier one that it took over."""
    reused: int
    """How many had ended earlier."""
    is_whole: bool
    """Whether there is no training left."""

    @cached_property
    def standings(self) -> list[Standing]:
        """The combinations, best first."""
        return standings(self.ended)

    @cached_property
    def effects(self) -> list[Effect]:
        """What each value of each option comes to on average."""
        return effects(self.space, self.standings)

    @cached_property
    def findings(self) -> list[str]:
        """What is to be said, in sentences."""
        return findings(self.space, self.standings)

    @property
    def failures(self) -> dict[str, list[Ended]]:
        """The trainings that failed, by the reason: neither finished, pruned nor diverged."""
        failed: dict[str, list[Ended]] = {}
        for each in self.ended:
            if each.outcome.state == FAILED:
                failed.setdefault(each.outcome.message, []).append(each)
        return failed

    @property
    def best(self) -> Standing | None:
        """The combination to take, if any finished."""
        first = self.standings[0] if self.standings else None
        return first if first is not None and first.is_whole else None

    @property
    def best_command(self) -> str | None:
        """The command line that trains the best combination."""
        if self.best is None:
            return None
        config = self.best.ended[0].trial.config
        return command_line("train", dataclasses.replace(config, out=None))

    def to_json(self) -> dict[str, Any]:
        """The object of `sweep.json` and of `--json`."""
        return {
            "command": self.command,
            "whole": self.is_whole,
            "space": {name: _domain(self.space, name) for name in self.space.factors},
            "seeds": list(self.seeds),
            "machine": describe_machine(),
            "trainings": {"ended": len(self.ended), "reused": self.reused},
            "combinations": [_standing(each, self.folder) for each in self.standings],
            "effects": [dataclasses.asdict(effect) for effect in self.effects],
            "findings": self.findings,
            "failures": {
                message: [each.trial.label for each in failed]
                for message, failed in self.failures.items()
            },
            "best": self.best.values if self.best is not None else None,
            "best_command": self.best_command,
        }


def _domain(space: Space, name: str) -> list[Any] | dict[str, Any]:
    domain = space.factors[name]
    if isinstance(domain, Choices):
        return list(domain.values)
    return {"from": domain.low, "to": domain.high, "log": domain.log}


def _standing(standing: Standing, folder: Path) -> dict[str, Any]:
    return {
        "values": standing.values,
        "state": standing.state,
        "val_accuracy": standing.accuracy,
        "val_interval_95": standing.bounds,
        "test_accuracy": standing.test_accuracy,
        "trainings": [
            {
                "seed": each.trial.seed,
                "state": each.outcome.state,
                "message": each.outcome.message,
                "folder": str(each.trial.folder.relative_to(folder)),
                "epochs": len(each.outcome.rows),
                **(dataclasses.asdict(each.outcome.measured) if each.outcome.measured else {}),
            }
            for each in standing.ended
        ],
    }
