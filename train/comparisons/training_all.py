"""The trainings of a benchmark: arms take turns, seed by seed, so that a slow hour meets all."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from augcli.train.comparisons.config import SHARED_LR
from augcli.train.comparisons.learning_rates import found_rate
from augcli.train.comparisons.measurements import Arm, Training
from augcli.train.comparisons.parts import Parts
from augcli.train.comparisons.planning import LEAST_SEEDS
from augcli.train.comparisons.robustness import accuracies_under_corruptions
from augcli.train.comparisons.setups import Setups
from augcli.train.comparisons.trainings import Kept, Trainings, Wanted
from augcli.train.config import AUTO_LR
from augcli.train.dataset import open_dataset
from augcli.train.record import Row
from augcli.train.step import choose_device

MOST_MODELS = 32
"""That are in memory at once, while images are corrupted for them."""


class Rates:
    """The learning rate of each arm: the optimiser's, a given one, or one that is found."""

    def __init__(
        self, folder: Path, asked: float | str | None, baseline: Arm, tell: Callable[[str], None]
    ) -> None:
        """Found rates are kept in `folder`; one that is shared is the `baseline`'s."""
        self._folder, self._asked, self._baseline, self._tell = folder, asked, baseline, tell

    def of(self, arm: Arm, wanted: Callable[[Arm], Wanted]) -> float | None:
        """None: the optimiser's. `wanted` is the training, of the first seed, to find one for.

        Raises:
            AugcliError: none is found.
        """
        if self._asked == SHARED_LR:
            return found_rate(self._folder, wanted(self._baseline), self._tell)
        if self._asked == AUTO_LR:
            return found_rate(self._folder, wanted(arm), self._tell)
        return None if self._asked is None else float(self._asked)


@dataclass(frozen=True)
class Course:
    """What is trained: `epochs` of each of `arms`, with `seeds` or as many as there is time for.

    `until` is a reading of `time.monotonic`, which only more than `LEAST_SEEDS` seeds keep to.
    """

    arms: tuple[Arm, ...]
    epochs: int
    seeds: int
    until: float | None


class Trainer:
    """Trains what a course asks for, and takes over what is there."""

    def __init__(
        self, setups: Setups, trainings: Trainings, rates: Rates, views: Mapping[str, str]
    ) -> None:
        """`views` are by arm: a hash of what decides its views."""
        self._setups, self._trainings, self._rates = setups, trainings, rates
        self._views = views
        self._done: dict[tuple[str, int], tuple[Wanted, Kept]] = {}

    def train(self, course: Course, parts: Parts) -> int:
        """Train; the number of seeds that there was time for.

        Raises:
            Interrupted: SIGINT or SIGTERM came; what was at work was saved.
            AugcliError: a training failed.
        """
        longest = 0.0
        for seed in range(course.seeds):
            began = time.monotonic()
            is_short = course.until is not None and began + longest > course.until
            if is_short and seed >= LEAST_SEEDS and not self._are_kept(course, seed):
                return seed
            for arm in course.arms:
                self._train(arm, course.epochs, seed, parts)
            longest = max(longest, time.monotonic() - began)
        return course.seeds

    def corrupt(self, text: str, names: tuple[str, ...], split: str, parts: Parts) -> None:
        """Measure under `names`, which `text` asks for, whatever was not measured so yet.

        Raises:
            AugcliError: an image or a model can't be had.
        """
        missing = [place for place, (_, kept) in self._done.items() if text not in kept.corrupted]
        for first in range(0, len(missing), MOST_MODELS):
            self._corrupt(missing[first : first + MOST_MODELS], text, names, split, parts)

    def found(self, text: str | None) -> tuple[Training, ...]:
        """All trainings by seed, with their accuracy under the corruptions `text`."""
        return tuple(
            dataclasses.replace(
                kept.training, corrupted=None if text is None else kept.corrupted[text]
            )
            for _, kept in self._done.values()
        )

    def _wanted(self, arm: Arm, epochs: int, seed: int, lr: float | None) -> Wanted:
        config = dataclasses.replace(self._setups.training(arm, seed, lr=lr), epochs=epochs)
        return Wanted(arm.name, config, self._views[arm.name])

    def _with_rate(self, arm: Arm, epochs: int, seed: int) -> Wanted:
        lr = self._rates.of(arm, lambda of: self._wanted(of, epochs, 0, None))
        return self._wanted(arm, epochs, seed, lr)

    def _are_kept(self, course: Course, seed: int) -> bool:
        wanted = (self._with_rate(arm, course.epochs, seed) for arm in course.arms)
        return all(self._trainings.kept(each) is not None for each in wanted)

    def _train(self, arm: Arm, epochs: int, seed: int, parts: Parts) -> None:
        what = f"training {arm.name}, seed {seed}"
        parts.at(what)
        wanted = self._with_rate(arm, epochs, seed)

        def hear(row: Row) -> None:
            parts.at(f"{what}, epoch {row.epoch} of {epochs}")

        kept = self._trainings.kept(wanted) or self._trainings.train(wanted, hear)
        self._done[arm.name, seed] = (wanted, kept)
        parts.end()

    def _corrupt(
        self,
        places: Sequence[tuple[str, int]],
        text: str,
        names: tuple[str, ...],
        split: str,
        parts: Parts,
    ) -> None:
        several = [self._done[place] for place in places]
        config = several[0][0].config
        accuracies = accuracies_under_corruptions(
            [self._trainings.run(wanted).folder for wanted, _ in several],
            open_dataset(config).views(split),
            names,
            choose_device(config.device),
            config.workers,
            lambda done, total: parts.at(f"corruptions, {done} of {total}"),
        )
        for place, (wanted, kept), accuracy in zip(places, several, accuracies, strict=True):
            kept = dataclasses.replace(kept, corrupted={**kept.corrupted, text: accuracy})
            self._trainings.write(wanted, kept)
            self._done[place] = (wanted, kept)
