"""What a sweep is asked to do: the options of `augcli sweep`.

Most are those of `augcli train`, taken from its config: a new option there is one here too. The
options that decide a run's result take several values, as text; all others take one, for all runs.
"""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augcli.augment.config import (
    DATA_HELP,
    DEFAULT_DATASET,
    POLICY_DEFAULT,
    POLICY_HELP,
    ExpandConfig,
)
from augcli.manifests.settings import setting, setting_of
from augcli.train.config import TrainConfig

GRID, RANDOM, TPE = SEARCHES = ("grid", "random", "tpe")
PRUNERS = ("median", "hyperband")
DEFAULT_TRIALS = 20
DEFAULT_SWEEP = Path("runs/sweep")

HOW_ONLY = (
    *("shards", "data", "workers", "loader", "memory", "on_error", "cache", "cache_size"),
    *("device", "compile", "out", "resume"),
)
"""Fields of `TrainConfig` that decide no result, but where things are and how they are done."""
ONE_FOR_ALL = (*HOW_ONLY, "seed", "shuffle_buffer")
"""Fields that have one value in all runs of a sweep; so do all flags."""
NOT_TAKEN = ("out", "resume")
"""Fields that the sweep decides itself."""
WITH_COMMAS = ("residual", "milestones", "lrs", "sizes", "size_epochs", "size_batches")
"""Options whose values have commas in them: several values of these have slashes between."""

OWN_WORDS = {
    "source": ("where training views come from", "shards"),
    "shards": ("expanded dataset, a folder or a URL, for all runs", f"./{DEFAULT_DATASET}, if any"),
    "data": (f"{DATA_HELP}: expanded for all runs", "the mock galaxies, if nothing is expanded"),
    "policy": (f"{POLICY_HELP}, with --data", POLICY_DEFAULT),
}
"""Help and default of fields that a sweep has another use for."""


@dataclass(frozen=True)
class StudyConfig:
    """The options of `augcli sweep` that `augcli train` has not."""

    seeds: int = setting(
        1, "trainings of each combination, with the seeds from --seed on", minimum=1
    )
    search: str = setting(
        GRID, "every combination, or some of them: drawn at random, or by Optuna's TPE from results"
        " so far", choices=SEARCHES,
    )  # fmt: skip
    trials: int | None = setting(
        None,
        "combinations that random or tpe tries in all",
        minimum=1,
        shown_default=str(DEFAULT_TRIALS),
    )
    prune: str | None = setting(
        None,
        "end early what does badly so far, by Optuna's pruner, with random or tpe",
        choices=PRUNERS,
        flag_value=PRUNERS[0],
        shown_default="all are trained to the end",
    )
    jobs: int | None = setting(
        None, "trainings at a time", minimum=1, shown_default="one per GPU, or per 4 cores"
    )
    copies: int = setting_of(ExpandConfig, "copies")
    out: Path = setting(DEFAULT_SWEEP, "folder of the expansions, the runs and the results")


def _train_fields() -> list[tuple[str, Any, Any]]:
    types_of = typing.get_type_hints(TrainConfig)
    return [
        _varied(field) if can_vary(field) else (field.name, types_of[field.name], _as_is(field))
        for field in dataclasses.fields(TrainConfig)
        if field.name not in NOT_TAKEN
    ]


def can_vary(field: dataclasses.Field[Any]) -> bool:
    """Whether the field of `TrainConfig` takes several values in a sweep."""
    is_flag = isinstance(field.default, bool)
    return not is_flag and field.name not in ONE_FOR_ALL


def _varied(field: dataclasses.Field[Any]) -> tuple[str, Any, Any]:
    """The field as text, or None for the default of training."""
    words, shown_default = _words(field)
    choices = field.metadata["choices"]
    is_number = field.metadata["minimum"] is not None
    among = f": {', '.join(choices)}" if choices and not is_number else ""
    between = ", with / between" if field.name in WITH_COMMAS else ""
    text = f"{words}{among}; or several{between}"
    return field.name, str | None, setting(None, text, shown_default=shown_default)


def _as_is(field: dataclasses.Field[Any]) -> Any:
    if field.name in OWN_WORDS:
        words, shown_default = _words(field)
        return setting(field.default, words, shown_default=shown_default)
    return setting_of(TrainConfig, field.name)


def _words(field: dataclasses.Field[Any]) -> tuple[str, str]:
    """The help, and what the help says of the default."""
    of_training = field.metadata["help"], field.metadata["shown_default"] or str(field.default)
    return OWN_WORDS.get(field.name, of_training)


VARIED = tuple(field.name for field in dataclasses.fields(TrainConfig) if can_vary(field))
"""The options that can take several values, in the order of training's."""

SweepConfig: Any = dataclasses.make_dataclass(
    "SweepConfig",
    _train_fields(),
    bases=(StudyConfig,),
    frozen=True,
    namespace={"__doc__": "Options of `augcli sweep`.", "__module__": __name__},
)
