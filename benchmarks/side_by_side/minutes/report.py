"""From trainings to means, spreads and the text that is printed."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from augcli.train.metrics import wilson_interval
from side_by_side.machine import sentences
from side_by_side.minutes.outcome import Outcome, Right
from side_by_side.minutes.running import MinutesRun
from side_by_side.minutes.trainers import OWN, TRAINERS
from side_by_side.minutes.work import TEST, TRAIN, VALIDATION, MinutesWork

ABOUT = (
    "Accuracy: mean over seeds, with the lowest and the highest in parentheses where there are "
    "several, and Wilson's 95 % interval of the mean for so many images in brackets: it covers "
    "the choice of images, not that of seeds. Flip: the mean of the probabilities of an image and "
    "of its mirror image. Images/s, epochs and seconds are medians.",
    "augcli's minutes are those of the whole command, with its start, validation, saving and "
    "pictures; its images/s those of its training steps, which may be of smaller images. The "
    "others first time their steps, which does not count, then plan as many whole epochs as fit "
    "(in parentheses: how many there was time for), and only their training is timed, with the "
    "start of its loader workers. All are evaluated with their last weights. augcli's recipe was "
    "chosen by validation images of such data, so that test images alone are the fairer measure.",
)
LATE = 1.02
"""A training that took longer than this part of its minutes is named."""


@dataclass(frozen=True)
class Accuracy:
    """Shares of right answers (0..1) over seeds, and Wilson's interval of the mean."""

    mean: float
    lowest: float
    highest: float
    wilson: tuple[float, float]
    seeds: int


@dataclass(frozen=True)
class Row:
    """A trainer's medians and means over seeds; `time_for` is of epochs, where planned ahead."""

    name: str
    images_per_second: float
    epochs: float
    time_for: float | None
    seconds: float
    both: Accuracy
    both_flip: Accuracy
    test: Accuracy
    test_flip: Accuracy


@dataclass(frozen=True)
class Results:
    """All that a comparison found: `runs` has a training of each trainer for each seed."""

    work: MinutesWork
    images: dict[str, int]
    seeds: int
    runs: dict[str, list[MinutesRun]]
    left_out: dict[str, str]
    expansion_seconds: float | None
    machine: dict[str, str]
    load_before: float

    def rows(self) -> list[Row]:
        """A row per trainer that has trained, the most accurate first."""
        rows = [row_of(name, runs) for name, runs in self.runs.items() if runs]
        return sorted(rows, key=lambda row: -row.both.mean)

    def to_json(self) -> dict[str, Any]:
        """One object with everything, every single run included."""
        return {**asdict(self), "rows": [asdict(row) for row in self.rows()]}


def row_of(name: str, runs: Sequence[MinutesRun]) -> Row:
    """What a trainer's runs come to."""
    outcomes = [run.outcome for run in runs]
    planned = [each.time_for for each in outcomes if each.time_for is not None]
    return Row(
        name=name,
        images_per_second=_median(outcomes, lambda each: each.images_per_second),
        epochs=_median(outcomes, lambda each: each.epochs),
        time_for=statistics.median(planned) if planned else None,
        seconds=_median(outcomes, lambda each: each.seconds),
        both=accuracy_of([each.both for each in outcomes], flip=False),
        both_flip=accuracy_of([each.both for each in outcomes], flip=True),
        test=accuracy_of([each.test for each in outcomes], flip=False),
        test_flip=accuracy_of([each.test for each in outcomes], flip=True),
    )


def accuracy_of(rights: Sequence[Right], *, flip: bool) -> Accuracy:
    """Over seeds, on the same images."""
    shares = [(each.flip if flip else each.plain) / each.images for each in rights]
    mean, images = statistics.fmean(shares), rights[0].images
    wilson = wilson_interval(round(mean * images), images)
    return Accuracy(mean, min(shares), max(shares), wilson, len(shares))


def markdown(results: Results) -> str:
    """The report."""
    shares = [run.used.others_share for runs in results.runs.values() for run in runs]
    parts = [
        _headline(results),
        _table(results),
        *ABOUT,
        "\n".join(_notes(results)),
        sentences(results.machine, results.load_before, shares),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _headline(results: Results) -> str:
    work, images = results.work, results.images
    seeds = f"{results.seeds} seeds" if results.seeds > 1 else "one seed"
    return (
        f"From scratch in {work.minutes:g} minutes on {results.machine['cores']} cores: "
        f"{images[TRAIN]:,} training images, {work.size} px, {work.workers} loader workers; "
        f"{images[VALIDATION]:,} validation and {images[TEST]:,} test images; {seeds}"
    )


def _table(results: Results) -> str:
    columns = ["images/s", "epochs", "s", "validation + test, %", "with flip", "test, %"]
    lines = [f"| trainer | {' | '.join(columns)} | with flip |", f"|---|{'---:|' * 7}"]
    for row in results.rows():
        title = TRAINERS[row.name].title
        cells = [
            f"**{title}**" if row.name in OWN else title,
            f"{row.images_per_second:,.0f}",
            f"{row.epochs:g}" + (f" ({row.time_for:.1f})" if row.time_for is not None else ""),
            f"{row.seconds:.0f}",
            _shown(row.both, wilson=True),
            _shown(row.both_flip),
            _shown(row.test, wilson=True),
            _shown(row.test_flip),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _shown(accuracy: Accuracy, *, wilson: bool = False) -> str:
    text = f"{accuracy.mean * 100:.1f}"
    if accuracy.seeds > 1:
        text += f" ({accuracy.lowest * 100:.1f}–{accuracy.highest * 100:.1f})"
    if wilson:
        low, high = accuracy.wilson
        text += f" [{low * 100:.1f}–{high * 100:.1f}]"
    return text


def _notes(results: Results) -> Iterator[str]:
    for name in results.runs:
        if TRAINERS[name].about:
            yield f"- {TRAINERS[name].title}: {TRAINERS[name].about}"
    if results.expansion_seconds is not None:
        seconds = results.expansion_seconds
        yield f"- `augcli expand`, once for all runs and not counted: {seconds:.0f} s"
    for name, runs in results.runs.items():
        longest = max((run.outcome.seconds for run in runs), default=0.0)
        if longest > LATE * results.work.seconds:
            yield f"- {TRAINERS[name].title}: took up to {longest:.0f} s, more than its minutes"
    for name, why in results.left_out.items():
        yield f"- Left out: {TRAINERS[name].title}: {why}"


def _median(outcomes: Sequence[Outcome], value: Callable[[Outcome], float]) -> float:
    return statistics.median(map(value, outcomes))
