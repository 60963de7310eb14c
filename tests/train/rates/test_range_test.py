"""The range test: what it tries, when it ends, and that nothing of the user's is touched."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from augcli.manifests.errors import AugcliError, Interrupted, UsageError
from augcli.train.alteration import Alteration
from augcli.train.batch import Batch, Sources
from augcli.train.config import OPTIMISERS, TrainConfig
from augcli.train.learner import Learner, build_learner
from augcli.train.optimizers import optimiser_of, resolve_lr, set_lr
from augcli.train.rates.picking import picked
from augcli.train.rates.range_test import RangeTest, Sweep, _Trace, find_lr, training_batches
from augcli.train.rates.rules import Suggestion
from augcli.train.residual import Mixed
from augcli.train.step import Step
from augcli.train.stop import StopRequest

CPU = torch.device("cpu")


def learner(sources: Sources, **options: Any) -> tuple[Learner, float, TrainConfig]:
    config = TrainConfig(model="tiny", batch_size=4, **options)
    made = build_learner(config, sources.classes, sources.size, CPU)
    return made, resolve_lr(optimiser_of(config), config.lr, config.lrs), config


def shown(sources: Sources, config: TrainConfig) -> Iterator[Any]:
    return training_batches(sources.train, Alteration(config, sources), CPU)


def ranged(
    sources: Sources, sweep: Sweep | None = None, batches: Any = None, **options: Any
) -> RangeTest:
    made, lr, config = learner(sources, **options)
    batches = batches or shown(sources, config)
    return find_lr(made.model, made.optimizer, lr, batches, made.forward, made.rules, sweep)


def assert_same(one: Any, other: Any) -> None:
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    else:
        assert one == other


# ---- a copy ----


@pytest.mark.parametrize("opt", OPTIMISERS)
@pytest.mark.parametrize("end", ["whole", "interrupted"])
def test_in_mid_run_all_comes_back_untouched(sources: Sources, opt: str, end: str) -> None:
    made, lr, config = learner(sources, opt=opt, freeze_bn="all")
    step = Step(made.model, made.optimizer, made.forward, made.rules)
    for batch, alter in itertools.islice(shown(sources, config), 3):
        set_lr(made.optimizer, 0.5)
        step(batch, alter)
    made.model.eval()

    def state() -> Any:
        gradients = [parameter.grad for parameter in made.model.parameters()]
        modes = [module.training for module in made.model.modules()]
        return copy.deepcopy(
            (made.model.state_dict(), made.optimizer.state_dict(), gradients, modes,
             torch.get_rng_state(), np.random.get_state()[1].tolist())
        )  # fmt: skip

    before = state()
    stop = StopRequest()

    def report(step: int, steps: int, loss: float) -> None:
        if end == "interrupted" and step == 7:
            stop.signal = 2

    call = lambda: find_lr(  # noqa: E731
        made.model, made.optimizer, lr, shown(sources, config), made.forward, made.rules,
        Sweep(steps=20), stop=stop, report=report,
    )  # fmt: skip
    if end == "interrupted":
        with pytest.raises(Interrupted, match="SIGINT in the range test"):
            call()
    else:
        call()
    assert_same(state(), before)
    assert step.optimizer is made.optimizer
    assert made.optimizer.param_groups[0]["params"][0] is next(made.model.parameters())


def test_the_same_again(sources: Sources) -> None:
    torch.manual_seed(3)
    first = ranged(sources, Sweep(steps=20))
    torch.manual_seed(3)
    assert ranged(sources, Sweep(steps=20)) == first


# ---- the sweep ----


def test_rates_of_both_sweeps() -> None:
    rates = [Sweep(1e-4, 1.0, 5).rate(step) for step in range(5)]
    assert rates == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1.0])
    rates = [Sweep(0.1, 0.5, 5, "linear").rate(step) for step in range(5)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    with pytest.raises(UsageError, match="--start-lr 1 and --end-lr 1"):
        Sweep(1.0, 1.0)


def test_layer_groups_keep_their_proportion(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[float]] = []
    step = torch.optim.SGD.step

    def watched(self: torch.optim.SGD, *rest: Any) -> Any:
        seen.append([group["lr"] for group in self.param_groups])
        return step(self, *rest)

    monkeypatch.setattr(torch.optim.SGD, "step", watched)
    ranged(sources, Sweep(1e-3, 1e-1, 20), opt="sgd", lr_mult=10.0)
    assert len(seen) == 20
    head = [rates[-1] for rates in seen]
    assert head == pytest.approx([Sweep(1e-3, 1e-1, 20).rate(step) for step in range(20)])
    first = [rates[0] for rates in seen]
    groups = len(learner(sources)[0].groups)
    assert groups > 1
    assert first == pytest.approx([rate * 10.0 ** (1 - groups) for rate in head])


def test_epochs_follow_each_other_and_fresh_draws_know_where_they_are(sources: Sources) -> None:
    places: list[tuple[int, int]] = []

    class Spy(Alteration):
        def of(self, batch: Batch, epoch: int, number: int, size: int | None = None) -> Any:
            assert batch.number == number and size is None
            places.append((epoch, number))
            return Mixed

    batches = training_batches(sources.train, Spy(TrainConfig(), sources), CPU, 2, 3)
    ranged(sources, Sweep(steps=20, end=1e-6), batches=batches)
    assert sources.train.asked == [(2, 3), *((epoch, 0) for epoch in range(3, 8))]  # type: ignore[attr-defined]
    assert places[:3] == [(2, 3), (3, 0), (3, 1)]
    assert len(places) == 20


def test_the_residual_policy_is_that_of_training(sources: Sources) -> None:
    torch.manual_seed(0)
    plain = ranged(sources, Sweep(steps=20))
    torch.manual_seed(0)
    mixed = ranged(sources, Sweep(steps=20), residual="mixup")
    assert mixed.losses != plain.losses


# ---- the loss ----


def test_the_loss_is_smoothed_without_bias(sources: Sources) -> None:
    test = ranged(sources, Sweep(steps=20))
    weights = [0.98 ** (2 - step) for step in range(3)]
    by_hand = np.average(test.losses[:3], weights=weights)
    assert test.smoothed[0] == pytest.approx(test.losses[0])
    assert test.smoothed[2] == pytest.approx(by_hand)
    assert len(test.rates) == len(test.losses) == len(test.smoothed)


def test_it_ends_when_the_loss_diverges(sources: Sources) -> None:
    test = ranged(sources, Sweep(1e-5, 1e6), opt="sgd")
    assert test.diverged is not None and "4 times its lowest" in test.diverged
    assert len(test.rates) < 100
    assert test.smoothed[-1] > 4 * min(test.smoothed) >= test.smoothed[-2]
    assert any(said.rate for said in test.suggestions.values())


def test_it_ends_at_once_when_the_loss_is_no_number(sources: Sources) -> None:
    test = ranged(sources, Sweep(1e25, 1e30), opt="sgd")
    assert test.diverged is not None and "the loss is" in test.diverged
    assert all(np.isfinite(test.losses))
    with pytest.raises(AugcliError, match="finds no learning rate: minimum/10: the test ended"):
        test.pick("valley")


def test_views_that_can_not_be_read(sources: Sources) -> None:
    made, lr, config = learner(sources)
    empty = Batch(torch.zeros(0, 3, 8, 8, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64),
                  (), np.zeros(0, np.int64))  # fmt: skip
    some = ((empty if n % 2 else batch, alter)
            for n, (batch, alter) in enumerate(shown(sources, config)))  # fmt: skip
    test = find_lr(made.model, made.optimizer, lr, some, made.forward, sweep=Sweep(steps=20, end=1))
    assert test.rates == pytest.approx([Sweep(steps=20, end=1).rate(n) for n in range(0, 20, 2)])
    with pytest.raises(AugcliError, match="not one view"):
        nothing = itertools.repeat((empty, Mixed))
        find_lr(made.model, made.optimizer, lr, nothing, made.forward)


def test_where_a_rule_finds_nothing_the_next_one_is_asked() -> None:
    said = {"minimum/10": Suggestion(None, "flat"), "steep": Suggestion(None, "flat"),
            "valley": Suggestion(0.01), "slide": Suggestion(0.12345)}  # fmt: skip
    test = RangeTest(Sweep(), (), (), (), None, said)
    assert test.pick("steep") == ("slide", 0.12)
    assert test.pick("valley") == ("valley", 0.01)


def seen(losses: Sequence[float]) -> RangeTest:
    """A test that saw these losses, from one rate to the next, and has no suggestions."""
    trace = _Trace(Sweep())
    for number, loss in enumerate(losses):
        trace.add(Sweep().rate(number), loss)
    return trace.judged()


def test_a_fall_is_told_from_chance() -> None:
    """The loss of weights that have learnt already only varies, until it rises."""
    varying = np.random.default_rng(0).normal(1.3, 0.15, (200, 100))
    falls = [seen(losses).falls_after(Sweep().rate(20)) for losses in varying]
    assert np.mean(falls) < 0.1
    falling = varying - np.clip(np.linspace(-0.5, 1.5, 100), 0, 1)
    assert np.mean([seen(losses).falls_after(Sweep().rate(20)) for losses in falling]) > 0.9
    rising = seen(varying[0] + np.linspace(0, 3, 100))
    assert not rising.falls_after(Sweep().rate(50))
    assert not rising.falls_after(1e9), "beyond the last rate nothing falls"


def test_what_may_be_chance_is_not_taken() -> None:
    rng = np.random.default_rng(1)
    level = seen(rng.normal(1.3, 0.15, 100) + np.clip(np.linspace(-4, 2, 100), 0, 2))
    chance = picked(level, TrainConfig(weights="best.pt"))
    assert (chance.rule, chance.lr) == ("default", resolve_lr("adamw", None))
    assert "the optimiser's default: after" in chance.why
    fallen = seen(2.4 - 2 * np.clip(np.linspace(-1, 1, 100), 0, 1) + rng.normal(0, 0.05, 100))
    assert picked(fallen, TrainConfig()).rule == "steep"
