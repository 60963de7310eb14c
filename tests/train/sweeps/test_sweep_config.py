"""The options of a sweep are those of training, and which of them vary is no accident."""

from __future__ import annotations

import dataclasses
import re

from augcli.train.config import TrainConfig
from augcli.train.identity import FREE_ON_RESUME
from augcli.train.sweeps.config import HOW_ONLY, NOT_TAKEN, VARIED, WITH_COMMAS, SweepConfig

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


def test_values_with_commas_have_other_separators() -> None:
    """An option whose help shows such a value: a list of them could not be told from one."""
    shown = {
        name
        for name in VARIED
        if re.search(r"as [\w.=-]+,[\w.=-]+", OF_TRAINING[name].metadata["help"])
    }
    assert shown == set(WITH_COMMAS)


def test_help_names_choices_and_how_to_give_several() -> None:
    opt, lr = (OF_SWEEP[name].metadata["help"] for name in ("opt", "lr"))
    assert opt.startswith("optimiser; auto: muon from scratch, adamw with --weights: auto, sgd, ")
    assert opt.endswith("; or several")
    assert lr.endswith("as augcli lr-find does; or several")
    assert "with / between" in OF_SWEEP["residual"].metadata["help"]
    assert OF_SWEEP["workers"].metadata == OF_TRAINING["workers"].metadata
    assert OF_SWEEP["sched"].metadata["shown_default"] == "linear"
