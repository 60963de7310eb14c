"""The run folder: its files, and how each is written whole.

args.yaml, summary.csv, run.json, last.pt, best.pt, events.out.tfevents…, curves.png and
confusion.png, skipped.jsonl where views were left out, seen.pt of a run straight from a reference
dataset, and lr_find.json and lr_find.png with `--lr auto`; `run.json` comes last, so that its
presence says that the run is finished.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import yaml

from augcli.manifests.errors import AugcliError
from augcli.manifests.files import write_atomic
from augcli.manifests.reading import read_json

if TYPE_CHECKING:
    from augcli.train.batch import Fault

FORMAT = "augcli-run"
VERSION = 1
MAKE_ANEW = "remove it and give the command again with --resume: it is made anew from best.pt"


@dataclass(frozen=True)
class Row:
    """One finished epoch: one line of `summary.csv`."""

    epoch: int
    """From 1."""
    train_loss: float
    """Mean cross-entropy of the training views in nats, as each step saw them, unsmoothed."""
    train_accuracy: float
    """0..1, of the same views."""
    val_loss: float | None
    """Mean cross-entropy on validation after the epoch; None without validation."""
    val_accuracy: float | None
    lr: float
    """The head's learning rate at the epoch's last step."""
    seconds: float
    """Wall time of the epoch's training: steps and waiting for data, without evaluation."""
    data_wait_seconds: float
    """The part of `seconds` spent waiting for the source's next batch."""
    images_per_second: float
    """Training views per second of `seconds`."""
    skipped: int = 0
    """Training views left out of the epoch because they could not be read."""
    validation_seconds: float = 0.0
    """Wall time of the validation after the epoch, which is no part of `seconds`."""
    size: int = 0
    """Pixels that the training images were high and wide."""
    batch_size: int = 0
    """Views per step, over all ranks."""


COLUMNS = tuple(field.name for field in dataclasses.fields(Row))


@dataclass(frozen=True)
class RunFolder:
    """Where the files of one run are."""

    folder: Path

    @property
    def args(self) -> Path:
        """The config, verbatim."""
        return self.folder / "args.yaml"

    @property
    def summary(self) -> Path:
        """One row per epoch."""
        return self.folder / "summary.csv"

    @property
    def record(self) -> Path:
        """The run record; its presence says that the run is finished."""
        return self.folder / "run.json"

    @property
    def last(self) -> Path:
        """The checkpoint to go on from."""
        return self.folder / "last.pt"

    @property
    def best(self) -> Path:
        """The checkpoint to use."""
        return self.folder / "best.pt"

    @property
    def swa(self) -> Path:
        """The checkpoint with averaged weights, of `--swa-start`."""
        return self.folder / "swa.pt"

    def snapshot(self, number: int) -> Path:
        """The checkpoint from the end of a cycle, counted from 1, of `--snapshots`."""
        return self.folder / f"snapshot-{number}.pt"

    @property
    def curves(self) -> Path:
        """Losses, accuracies and learning rate by epoch."""
        return self.folder / "curves.png"

    @property
    def confusion(self) -> Path:
        """The confusion matrix of the final evaluation."""
        return self.folder / "confusion.png"

    @property
    def seen(self) -> Path:
        """Which images it trains and validates on, where no expanded dataset says so."""
        return self.folder / "seen.pt"

    @property
    def lr_find(self) -> Path:
        """The range test of `--lr auto`."""
        return self.folder / "lr_find.json"

    @property
    def lr_find_picture(self) -> Path:
        """Its losses, and what the rules read off them."""
        return self.folder / "lr_find.png"

    def skipped(self, rank: int) -> Path:
        """The views that a rank left out because they could not be read; if it did."""
        return self.folder / (f"skipped-{rank}.jsonl" if rank else "skipped.jsonl")

    def holds_run(self) -> bool:
        """Whether a run has written here already."""
        files = (self.args, self.summary, self.record, self.last, self.best)
        return any(path.exists() for path in files)


def write_args(path: Path, config: dict[str, Any]) -> None:
    """`args.yaml`: the config as plain values, in the order of its fields."""
    write_atomic(path, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))


def add_skipped(path: Path, epoch: int, faults: Sequence[Fault]) -> None:
    """One line for each view left out in `epoch` (from 1): epoch, key, reason.

    Lines of an epoch that a kill cut short may come again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)  # on another machine than rank 0's
    with open(path, "a", encoding="utf-8") as file:
        for fault in faults:
            line = {"epoch": epoch, "key": fault.key, "reason": fault.reason}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def write_summary(path: Path, rows: list[Row]) -> None:
    """`summary.csv`: a header and one line per row; floats round-trip, None is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(dataclasses.astuple(row) for row in rows)
    write_atomic(path, text.getvalue())


def read_summary(path: Path) -> list[Row]:
    """What `write_summary` wrote.

    Raises:
        AugcliError: `path` is missing, damaged or something else.
    """
    types_of = get_type_hints(Row)
    try:
        with open(path, encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        return [
            Row(**{name: _number(line[name], types_of[name]) for name in COLUMNS}) for line in lines
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AugcliError(f"{path}: not a readable summary of a run: {error!r}") from error


def _number(text: str, kind: Any) -> Any:
    """The number that a column of this type holds: whole, or not, or None where it is empty."""
    if not text and type(None) in get_args(kind):
        return None
    return int(text) if kind is int else float(text)


def write_record(path: Path, record: dict[str, Any]) -> None:
    """`run.json`, with its format and version in front.

    Raises:
        ValueError: a number in `record` is not finite.
    """
    whole = {"format": FORMAT, "version": VERSION, **record}
    write_atomic(path, json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_record(path: Path) -> dict[str, Any]:
    """What `write_record` wrote.

    Raises:
        AugcliError: `path` is missing, damaged or something else.
    """
    try:
        record = read_json(path)
    except (OSError, ValueError) as error:
        raise AugcliError(f"{path}: not a readable run record: {error}; {MAKE_ANEW}") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise AugcliError(f"{path}: not a run record of augcli; {MAKE_ANEW}")
    if record.get("version") != VERSION:
        raise AugcliError(f"{path}: version {record.get('version')}, this augcli reads {VERSION}")
    return record
