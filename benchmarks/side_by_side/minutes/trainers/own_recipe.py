"""augcli by its own command line: `augcli train --budget`, with the options below."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from augcli.train import EvaluateConfig, TrainConfig, evaluate_run
from augcli.train.record import RunFolder, read_summary
from augcli.train.sizes import auto_sizes
from side_by_side.minutes.outcome import Outcome, Right
from side_by_side.minutes.work import TEST, VALIDATION, MinutesWork
from side_by_side.peers.own_command import program

EXPAND_OPTIONS: tuple[str, ...] = ()
"""Of `augcli expand`, beside the data and the size."""
TRAIN_OPTIONS: dict[str, tuple[str, ...]] = {"shards": (), "fly": ()}
"""Of `augcli train`, beside the data, the sizes, the budget and the seed: from stored rounds, on
the fly."""
HELD_LARGER = 4 / 3
"""Views are kept so much larger than they are trained at: the fresh affine transform of each batch
brings them to that size, and finds more detail there."""
CHECKPOINT = "last.pt"
"""What is evaluated: `best.pt` was chosen by the validation images, which count here."""


def expand_command(work: MinutesWork) -> list[str]:
    """What stores the rounds that are trained from."""
    options = ["--data", work.data, "--out", str(work.shards), "--size", held_size(work)]
    return [*program(), "expand", *options, *EXPAND_OPTIONS]


def held_size(work: MinutesWork) -> str:
    """Of the views, in pixels."""
    return str(round(work.size * HELD_LARGER))


def train_command(
    work: MinutesWork,
    variant: str,
    out: Path,
    changed: Sequence[str] = (),
    epochs: int | None = None,
) -> list[str]:
    """From stored rounds (`shards`), or by augmenting on the `fly`; `changed` options count.

    By the clock, unless `epochs` are given.
    """
    source = {
        "shards": ["--shards", str(work.shards)],
        "fly": ["--data", work.data, "--size", held_size(work)],
    }[variant]
    if epochs is None:
        length, config = ["--budget", f"{work.seconds:.0f}s"], TrainConfig(budget="1m")
    else:
        length, config = ["--epochs", str(epochs)], TrainConfig(epochs=epochs)
    given = [
        "--sizes",
        auto_sizes(config, work.size) or str(work.size),
        *length,
        "--seed",
        str(work.seed),
        "--out",
        str(out),
    ]
    return [*program(), "train", *source, *given, *TRAIN_OPTIONS[variant], *changed]


def run(
    work: MinutesWork,
    variant: str,
    changed: Sequence[str] = (),
    log: IO[str] | None = None,
    epochs: int | None = None,
) -> Outcome:
    """`seconds` are of the whole command, whose words go to `log`; images/s of its steps."""
    folder = RunFolder(work.run / "augcli")
    began = time.perf_counter()
    command = train_command(work, variant, folder.folder, changed, epochs)
    subprocess.run(command, check=True, stdout=log, stderr=log)
    seconds = time.perf_counter() - began
    rows = read_summary(folder.summary)
    training_seconds = sum(row.seconds for row in rows)
    images = sum(row.images_per_second * row.seconds for row in rows)
    return Outcome(
        epochs=len(rows),
        seconds=seconds,
        images_per_second=images / training_seconds,
        validation=_right(folder, work, VALIDATION),
        test=_right(folder, work, TEST),
    )


def _right(folder: RunFolder, work: MinutesWork, split: str) -> Right:
    out = folder.folder / split
    config = EvaluateConfig(data=work.data, split=split, tta="flip", out=out)
    found = evaluate_run(folder.folder / CHECKPOINT, config)
    assert found.tta is not None
    plain, flip = found.scores.confusion, found.tta.scores.confusion
    return Right(found.scores.n, int(plain.trace()), int(flip.trace()))
