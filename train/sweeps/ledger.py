"""What a sweep's folder knows of its trainings: `trial.json` in the folder of each.

A training is known by what decides it: options, data and versions. So a later sweep into the same
folder finds what it wants that is there already, however its space has changed.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augcli.manifests.errors import AugcliError
from augcli.manifests.files import write_atomic
from augcli.manifests.reading import read_json
from augcli.manifests.versions import PIXEL_PACKAGES, package_versions
from augcli.train.config import TrainConfig
from augcli.train.identity import plain_config
from augcli.train.record import RunFolder
from augcli.train.sweeps.config import HOW_ONLY
from augcli.train.sweeps.datasets import Datasets
from augcli.train.sweeps.domains import Values
from augcli.train.sweeps.naming import readable_name
from augcli.train.sweeps.space import Space, text_of
from augcli.train.sweeps.trial import (
    DIVERGED,
    FAILED,
    PRUNED,
    STATES,
    Outcome,
    Trial,
    read_finished,
    rows_so_far,
)

TRIALS = "trials"
TRIAL_FILE = "trial.json"
FORMAT, VERSION = "augcli-trial", 1
PLANNED, BEGUN = "planned", "begun"

_DECIDING = tuple(field for field in dataclasses.fields(TrainConfig) if field.name not in HOW_ONLY)


@dataclass(frozen=True)
class Entry:
    """One `trial.json`."""

    number: int
    """From 1, in the order in which trainings were begun."""
    decided: Mapping[str, Any]
    """Options that are not the defaults, what identifies the data, and versions."""
    state: str
    """`planned`, which is not written, `begun`, or how it ended; that a run is finished, its
    `run.json` says, which may be there before this does."""
    message: str
    folder: Path


class Ledger:
    """The trainings in a sweep's folder; nothing else may write there meanwhile."""

    def __init__(self, out: Path, datasets: Datasets) -> None:
        """Raises: AugcliError: a record there is damaged."""
        self._folder = out / TRIALS
        self._datasets = datasets
        self._versions = package_versions(("torch", "torchvision", *PIXEL_PACKAGES))
        self._entries = {entry.folder: entry for entry in _read_all(self._folder)}
        self._folders = {_key(entry.decided): path for path, entry in self._entries.items()}

    def trial(self, space: Space, values: Values, seed: int) -> Trial:
        """The training of a combination, in the folder where it is or is to be."""
        config = space.config(values, seed)
        decided = self._decided(config)
        folder = self._folders.get(_key(decided))
        if folder is None:
            folder = self._new_folder(values, seed)
            self._folders[_key(decided)] = folder
            number = 1 + max((entry.number for entry in self._entries.values()), default=0)
            self._entries[folder] = Entry(number, decided, PLANNED, "", folder)
        placed = dataclasses.replace(self._datasets.placed(config), out=folder)
        return Trial(values, placed)

    def recorded(self, space: Space) -> list[Values]:
        """The combinations of the space that were begun, in the order in which they were."""
        found: list[Values] = []
        for entry in sorted(self._entries.values(), key=lambda entry: entry.number):
            config = TrainConfig(**entry.decided["options"])
            values = space.values_of(config)
            if values is None or values in found:
                continue
            if self._decided(space.config(values, config.seed)) == entry.decided:
                found.append(values)
        return found

    def outcome(self, trial: Trial, *, pruned_counts: bool) -> Outcome | None:
        """How the training ended, or None when it is to be begun or gone on with.

        What failed is tried again; what was pruned is gone on with unless `pruned_counts`. A run
        that ended and has damaged files counts as failed.
        """
        run, entry = RunFolder(trial.folder), self._entries[trial.folder]
        try:
            if run.record.exists():
                return read_finished(run)
            if entry.state == DIVERGED or (entry.state == PRUNED and pruned_counts):
                return Outcome(entry.state, entry.message, rows_so_far(run))
        except AugcliError as error:
            return Outcome(FAILED, str(error))
        return None

    def begin(self, trial: Trial) -> None:
        """Record that the training begins, before it does."""
        self._write(trial, BEGUN, "")

    def end(self, trial: Trial, outcome: Outcome) -> None:
        """Record how it ended."""
        self._write(trial, outcome.state, outcome.message)

    def _write(self, trial: Trial, state: str, message: str) -> None:
        entry = dataclasses.replace(self._entries[trial.folder], state=state, message=message)
        self._entries[trial.folder] = entry
        content = {
            "format": FORMAT,
            "version": VERSION,
            "number": entry.number,
            **entry.decided,
            "state": state,
            "message": message,
        }
        trial.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        write_atomic(trial.folder / TRIAL_FILE, text + "\n")

    def _new_folder(self, values: Values, seed: int) -> Path:
        """A readable name that no other training has."""
        parts = [f"{name.replace('_', '-')}={text_of(name, v)}" for name, v in values.items()]
        name = readable_name("_".join(parts))
        for again in itertools.count(1):
            suffix = f"_{again}" if again > 1 else ""
            folder = self._folder / f"{name}_seed={seed}{suffix}".removeprefix("_")
            if folder not in self._entries:
                return folder
        raise AssertionError

    def _decided(self, config: TrainConfig) -> dict[str, Any]:
        plain = plain_config(config)
        options = {
            field.name: plain[field.name]
            for field in _DECIDING
            if plain[field.name] != field.default
        }
        place = self._datasets.place_of(config)
        return {"options": options, "data": dict(place.identity), "versions": self._versions}


def _key(decided: Mapping[str, Any]) -> str:
    return json.dumps(decided, sort_keys=True)


def _read_all(folder: Path) -> Iterator[Entry]:
    for path in sorted(folder.glob(f"*/{TRIAL_FILE}")):
        yield _read(path)


def _read(path: Path) -> Entry:
    try:
        content = read_json(path)
        if (content["format"], content["version"]) != (FORMAT, VERSION):
            raise ValueError(f"format {content['format']!r}, version {content['version']!r}")
        if content["state"] not in (BEGUN, *STATES):
            raise ValueError(f"state {content['state']!r}")
        decided = {name: content[name] for name in ("options", "data", "versions")}
        TrainConfig(**decided["options"])
        number, message = int(content["number"]), str(content["message"])
        return Entry(number, decided, content["state"], message, path.parent)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AugcliError(
            f"{path}: not a record of a sweep's training: {error!r}; remove its folder, "
            "then run the sweep again"
        ) from error
