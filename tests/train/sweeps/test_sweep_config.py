"""The options of a sweep are those of training, and which of them vary is no accident."""

from __future__ import annotations

import dataclasses

from augcli.train.config import TrainConfig
from augcli.train.identity import FREE_ON_RESUME
from augcli.train.sweeps.config import HOW_ONLY, NOT_TAKEN, VARIED, SweepConfig

OF_TRAINING = {field.name: field for field in dataclasses.fields(TrainConfig)}
OF_SWEEP = {field.name: field for field in dataclasses.fields(SweepConfig)}


def test_every_option_of_training_is_one_of_a_sweep() -> None:
    assert set(OF_TRAINING) - set(NOT_TAKEN) <= set(OF_SWEEP)
    assert SweepConfig() == SweepConfig(**dict.fromkeys(VARIED))


def test_what_varies_decides_results_and_what_does_not_decide_does_not_vary() -> None:
    """An option that is neither here nor there would make two trainings one, or one two."""
    assert not set(VARIED) & set(HOW_ONLY)
    assert set(FREE_ON_RESUME) - set(HOW_ONLY) <= {"precision"}
    assert (set(HOW_ONLY) & set(OF_TRAINING)) <= set(FREE_ON_RESUME)
    asked = {"lr", "sched", "policy", "opt", "batch_size", "weight_decay", "model", "residual"}
    assert asked | {"epochs", "source", "size"} <= set(VARIED)


def test_help_names_choices_and_how_to_give_several() -> None:
    opt = OF_SWEEP["opt"].metadata["help"]
    assert opt.endswith(": sgd, adam, adamw, rmsprop; or several") or "; or several" in opt
    assert "with / between" in OF_SWEEP["residual"].metadata["help"]
    assert OF_SWEEP["workers"].metadata == OF_TRAINING["workers"].metadata
    assert OF_SWEEP["sched"].metadata["shown_default"] == "onecycle"
