"""The learning rate of each arm: the optimiser's, a number, or found by a range test and kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augcli.manifests.errors import AugcliError
from augcli.train.comparisons.expanding import digest_of
from augcli.train.comparisons.measurements import read_record, write_record
from augcli.train.comparisons.trainings import Wanted
from augcli.train.rates.beginning import range_test_of
from augcli.train.rates.picking import picked
from augcli.train.rates.picture import draw_range_test
from augcli.train.sources import open_sources
from augcli.train.step import choose_device
from augcli.train.sweeps.naming import readable_name


@dataclass(frozen=True)
class KeptRate:
    """A range test's answer; `decided` is what its training would be decided by."""

    decided: dict[str, Any]
    lr: float
    rule: str


def found_rate(folder: Path, wanted: Wanted, tell: Callable[[str], None]) -> float:
    """The learning rate for a training, as `augcli lr-find` finds it: once, and kept in `folder`.

    Raises:
        Interrupted: SIGINT or SIGTERM came.
        AugcliError: no rule finds one.
    """
    name = f"{readable_name(wanted.arm)}-{digest_of(wanted.decided)}"
    record = folder / f"{name}.json"
    if record.exists():
        return read_record(record, KeptRate).lr
    device = choose_device(wanted.config.device)
    config = dataclasses.replace(wanted.config, lr=None)
    with closing(open_sources(config, device).sources) as sources:
        test = range_test_of(config, sources, device)
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / f"{name}.png"
    draw_range_test(picture, test)
    try:
        found = picked(test, config)
    except AugcliError as error:
        raise AugcliError(
            f"{wanted.arm}: {error}; give a number with --lr: see {picture}"
        ) from error
    write_record(record, KeptRate(wanted.decided, found.lr, found.rule))
    tell(f"{wanted.arm}: learning rate {found.lr:g}, {found.why}: look at {picture}")
    return found.lr
