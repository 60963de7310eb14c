"""The recipe's trainings, and when its cycles end."""

from __future__ import annotations

from pathlib import Path

import pytest

from augcli.train.recipes.config import RecipeConfig
from augcli.train.recipes.plan import AUTO, continued, cycle_step, head_steps, judge
from augcli.train.record import Row


def test_the_head_learns_on_activations_first_and_then_on_views() -> None:
    first, second = head_steps(RecipeConfig(), "data")
    assert first.config.precompute and not second.config.precompute
    for step in (first, second):
        assert step.config.freeze_to == -1 and step.config.freeze_bn == "frozen"
        assert step.config.weights == "DEFAULT" and step.config.shards == "data"
    assert (first.config.epochs, first.config.lr) == (2, AUTO)
    assert (second.config.epochs, second.config.cycle_len, second.config.cycle_mult) == (3, 1, 1)
    assert second.config.sched == "sgdr"
    assert len(head_steps(RecipeConfig(head_cycles=0), "data")) == 1
    free = head_steps(RecipeConfig(freeze_bn=False, lr=0.1), "data")[0].config
    assert free.freeze_bn is None and free.lr == 0.1


def test_cycles_of_all_layers_grow() -> None:
    config = RecipeConfig(cycle_len=2, cycle_mult=3, lr_mult=10.0)
    steps = [cycle_step(config, "data", number, groups=3) for number in (1, 2, 3)]
    assert [step.config.epochs for step in steps] == [2, 6, 18]
    for step in steps:
        assert step.unfrozen and step.config.freeze_to == 0 and step.config.freeze_bn is None
        assert step.config.lr_mult == 10.0 and step.config.lr == AUTO


@pytest.mark.parametrize(("groups", "each"), [(2, 9.0), (3, 3.0), (5, 1.73), (6, 1.55)])
def test_the_head_learns_as_much_faster_than_the_stem_whatever_the_groups(
    groups: int, each: float
) -> None:
    step = cycle_step(RecipeConfig(lr_mult=3.0), "data", 1, groups)
    assert step.config.lr_mult == each
    assert f"each of {groups} groups {each:g} times as fast" in step.does


def test_a_training_goes_on_with_what_the_last_one_left() -> None:
    step = continued(
        cycle_step(RecipeConfig(), "data", 2, groups=5), Path("steps"), Path("x/last.pt"), 0.02
    )
    assert step.config.out == Path("steps/all-cycle-2")
    assert (step.config.weights, step.config.lr) == ("x/last.pt", 0.02)
    assert continued(step, Path("s"), Path("w"), None).config.lr == 0.02


def row(train_loss: float, val_loss: float | None) -> Row:
    return Row(1, train_loss, 0.5, val_loss, None if val_loss is None else 0.5, 0.1, 1, 0, 9)


@pytest.mark.parametrize(
    ("before", "now", "goes_on", "reason"),
    [
        ([], (1.0, 1.0), True, "nothing to compare"),
        ([(1.0, 1.0)], (0.8, 0.9), True, "fell from 1.0000 to 0.9000"),
        ([(1.0, 1.0), (0.8, 0.9)], (0.5, 0.95), False, "over-fitting: .* rose from 0.9000"),
        ([(0.5, 0.9)], (0.6, 0.95), False, "no further gain"),
        ([(0.5, 0.8), (0.4, 0.85)], (0.3, 0.82), False, "over-fitting: .* from 0.8000"),
        ([(1.0, None)], (0.5, None), True, "nothing to compare"),
    ],
)
def test_cycles_end_where_validation_gains_nothing(
    before: list[tuple[float, float | None]],
    now: tuple[float, float | None],
    goes_on: bool,
    reason: str,
) -> None:
    import re

    judgement = judge([row(*each) for each in before], row(*now))
    assert judgement.goes_on == goes_on
    assert re.search(reason, judgement.reason)
