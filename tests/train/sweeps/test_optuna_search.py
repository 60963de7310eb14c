"""Searches propose from what is known, the same again after a kill, and stop what is hopeless."""

from __future__ import annotations

import importlib.util
import math
import statistics
from collections.abc import Callable
from typing import Any

import pytest

from augcli.manifests.errors import UsageError
from augcli.train.config import TrainConfig
from augcli.train.sweeps import optuna_search
from augcli.train.sweeps.config import SweepConfig
from augcli.train.sweeps.optuna_search import Tried, propose
from augcli.train.sweeps.reading import parse_space
from augcli.train.sweeps.sweeping import sweep
from augcli.train.sweeps.trial import DIVERGED, FINISHED, PRUNED

Made = Callable[..., Any]
needs_optuna = pytest.mark.skipif(
    importlib.util.find_spec("optuna") is None, reason="Optuna is not installed"
)
WIDE = {"search": "tpe", "lr": "1e-4..1", "sched": "cosine,step"}


def test_without_optuna_it_says_what_to_install(
    config_of: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optuna_search, "find_spec", lambda name: None)
    config = config_of(search="tpe")
    with pytest.raises(UsageError, match=r"pip install 'augcli\[optuna\]'"):
        sweep(config)
    assert not config.out.exists()


def tried(space: Any, count: int, search: str = "tpe") -> list[Tried]:
    """Proposals, each with the accuracy that is best at a learning rate of 0.01."""
    found: list[Tried] = []
    for number in range(count):
        values = propose(space, found, search, seed=number)
        away = abs(math.log10(float(values["lr"]) / 0.01))
        found.append(Tried(values, scores=[1 / (1 + away)], state=FINISHED))
    return found


@needs_optuna
@pytest.mark.parametrize("search", ["random", "tpe"])
def test_a_proposal_is_a_function_of_what_is_known(search: str) -> None:
    space = parse_space(SweepConfig(**WIDE, batch_size="16..64"))
    known = tried(space, 12, search)
    assert propose(space, known, search, 99) == propose(space, known, search, 99)
    assert propose(space, known, search, 99) != propose(space, known, search, 98)
    for each in known:
        assert all(space.factors[name].holds(value) for name, value in each.values.items())
        assert float(f"{each.values['lr']:.3g}") == each.values["lr"]


@needs_optuna
def test_tpe_learns_and_chance_does_not() -> None:
    space = parse_space(SweepConfig(search="tpe", lr="1e-5..10"))

    def distance(search: str) -> float:
        late = tried(space, 30, search)[12:]
        return statistics.fmean(abs(math.log10(float(each.values["lr"])) + 2) for each in late)

    assert distance("tpe") < 0.75 * distance("random")


@needs_optuna
def test_an_option_that_makes_no_difference_is_not_proposed() -> None:
    space = parse_space(SweepConfig(search="tpe", lr="0.1..1", sched="cosine,step", gamma="0.1..1"))
    for each in tried(space, 15):
        assert ("gamma" in each.values) == (each.values["sched"] == "step")


@needs_optuna
def test_a_killed_search_goes_on_as_if_it_had_not_been(stub: Any, config_of: Made) -> None:
    config = config_of(**WIDE, trials=12)
    sweep(config)
    whole = list(stub.folders)
    again = config_of(**WIDE, trials=12, out=config.out.with_name("again"))

    def kill(training: TrainConfig, epoch: int) -> None:
        if len(stub.begun) == len(whole) + 11 and epoch == 2:
            raise KeyboardInterrupt

    stub.before_epoch = kill
    with pytest.raises(KeyboardInterrupt):
        sweep(again)
    stub.before_epoch = lambda config, epoch: None
    result = sweep(again)
    assert stub.folders[12 : 12 + 11] == whole[:11]
    assert stub.folders[12 + 11 :] == whole[10:]  # the one that was killed again
    assert result.reused == 10 and len(result.ended) == 12
    assert len(sweep(config_of(**WIDE, trials=14)).ended) == 14
    assert len(stub.begun) == 12 + 11 + 2 + 2


@needs_optuna
def test_a_search_takes_over_what_a_grid_has_found(stub: Any, config_of: Made) -> None:
    sweep(config_of(lr="0.001,0.01,5", sched="cosine"))
    result = sweep(config_of(**WIDE, trials=4))
    assert result.reused == 2  # 5 lies outside
    assert len(stub.begun) == 3 + 2


@needs_optuna
def test_a_small_space_is_exhausted_and_no_more(stub: Any, config_of: Made) -> None:
    result = sweep(config_of(search="tpe", sched="cosine,step", opt="sgd,adam", trials=50))
    assert len(result.ended) == len(result.standings) == 4
    assert len(set(stub.folders)) == 4


@needs_optuna
@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_what_is_hopeless_ends_early_and_has_no_other_seeds(
    pruner: str, stub: Any, config_of: Made
) -> None:
    options = {"search": "random", "lr": "1e-7..1", "epochs": "6", "trials": 12, "seeds": 2}
    result = sweep(config_of(**options, prune=pruner))
    pruned = [each for each in result.standings if each.state == PRUNED]
    assert pruned and all(len(each.ended) == 1 for each in pruned)
    assert all(len(each.ended) == 2 for each in result.standings if each.is_whole)
    assert all(0 < len(each.ended[0].outcome.rows) < 6 for each in pruned)
    assert result.best is not None and result.best not in pruned
    assert any("ended early: lr " in sentence for sentence in result.findings)
    begun = len(stub.begun)
    assert sweep(config_of(**options, prune=pruner)).reused == len(result.ended)
    assert len(stub.begun) == begun
    whole = sweep(config_of(**options))  # without a pruner they are gone on with
    assert all(each.is_whole for each in whole.standings)
    assert [config.resume for config in stub.begun[begun:]].count(True) == len(pruned)


@needs_optuna
def test_epochs_that_nobody_knows_are_not_judged(config_of: Made) -> None:
    config = config_of(search="tpe", prune="median", budget="1m", epochs=None)
    with pytest.raises(UsageError, match="--prune judges by epoch"):
        sweep(config)


@needs_optuna
def test_what_diverged_is_as_bad_as_can_be() -> None:
    space = parse_space(SweepConfig(search="tpe", lr="1e-4..1e4"))
    known = tried(space, 12)
    for each in known:
        if float(each.values["lr"]) > 1:
            each.state, each.scores, each.by_epoch = DIVERGED, [], {1: 0.99}
    after = [propose(space, known, "tpe", seed)["lr"] for seed in range(12)]
    assert sum(float(lr) > 1 for lr in after) <= 3
