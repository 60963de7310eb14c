"""The verdict's sentences and warnings, from measurements whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from augcli.train.comparisons.analysis import analyse
from augcli.train.comparisons.measurements import Measurements, Repeated
from augcli.train.comparisons.next_commands import next_commands
from augcli.train.comparisons.verdict import NOT_COMPARED, Verdict, verdict
from augcli.train.comparisons.wording import count, counted, duration, listed, points, size, times

SURE: dict[str, Any] = {"images": 6000, "noise": 0.01}


def said(measurements: Measurements) -> Verdict:
    return verdict(measurements, analyse(measurements))


def topic(found: Verdict, name: str) -> str:
    return next((each.text for each in found.findings if each.topic == name), "")


def test_when_storing_pays(make: Any) -> None:
    measurements = make(**SURE)
    found = said(measurements)
    rates = {row.arm: row.training.median for row in measurements.throughput.arms}
    assert found.headline.startswith("Store 10 copies: training is 2.3 times as fast")
    assert "pays back after 8 epochs" in found.headline
    assert "if it costs accuracy, then less than 1 point" in found.headline
    both = f"{rates['shards-10']:,.0f} against {rates['on-the-fly']:,.0f} views/s"
    assert both in topic(found, "Speed")
    assert "58% of the time is spent waiting" in topic(found, "Speed")
    assert "Expanding to 10 copies took 69 s" in topic(found, "Cost")
    assert "trainings of 30 epochs" in topic(found, "Cost")
    assert "can't be told from noise" in topic(found, "Accuracy")
    assert "none (-14" in topic(found, "Accuracy")
    assert "Beyond 5 copies more don't show" in topic(found, "Copies")
    assert "MB" in topic(found, "Disk")
    assert found.warnings == ()


def test_when_little_is_known(make: Any) -> None:
    found = said(make(seeds=2, images=200))
    assert "an effect on accuracy can't be told from noise (" in found.headline
    [power] = found.warnings
    assert "With 200 test images and 2 seeds, differences below about" in power
    assert "take more of them" in power


def test_how_many_seeds_a_point_takes(make: Any) -> None:
    [power] = said(make(images=2500)).warnings
    assert "a point takes about" in power


def test_one_seed(make: Any) -> None:
    found = said(make(seeds=1))
    assert "what that does to accuracy a single seed can't tell" in found.headline
    assert "With one seed nothing can be said about other trainings" in found.warnings[0]
    assert topic(found, "Copies") == topic(found, "Classes") == ""
    assert "from one seed" in topic(found, "Accuracy")


def test_when_the_step_is_the_bottleneck(make: Any) -> None:
    found = said(make(rates={"on-the-fly": 425.0, "shards": 428.0}, **SURE))
    assert found.headline.startswith("Augment on the fly: the training step is the bottleneck")
    assert "saves no time" in topic(found, "Cost")
    assert "In processor time, expanding pays back" in topic(found, "Processor")
    assert any("bound by its step (1% waiting" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("stored", "words"), [(303.0, "can't be told to be faster"), (200.0, "is slower")]
)
def test_when_storing_does_not_help(make: Any, stored: float, words: str) -> None:
    found = said(make(rates={"on-the-fly": 300.0, "shards": stored}, images=200))
    assert found.headline == f"Augment on the fly: training from stored views {words}."


def test_a_trade_and_the_way_out(make: Any) -> None:
    effects = {f"shards-{k}": -0.6 for k in (1, 2, 5, 10)}
    found = said(make(effects=effects, **SURE))
    assert found.headline.startswith("A trade: from 10 copies, training is 2.3 times as fast")
    assert "points of accuracy; with flip,shift on top" in found.headline
    assert "On the fly, or more copies, did better" in topic(found, "Copies")
    without = said(make(effects=effects, residual=False, **SURE))
    assert without.headline.endswith("points of accuracy.")


def test_stored_views_may_be_better(make: Any) -> None:
    found = said(make(copies=(5,), effects={"shards-5": 0.6}, residual=False, **SURE))
    assert "points better" in found.headline


def test_policies_and_robustness(make: Any) -> None:
    policies = ("rotate-flip", "autoaugment")
    effects = {"none": -0.9, "on-the-fly:autoaugment": -0.4}
    found = said(make(policies=policies, copies=(5,), effects=effects, **SURE))
    assert "On the fly, rotate-flip did best (+" in topic(found, "Policies")
    assert "ahead of autoaugment by +" in topic(found, "Policies")
    assert "On corrupted images shards-5:rotate-flip" in topic(found, "Robustness")


def test_classes_that_lose_are_named(make: Any) -> None:
    found = said(make(copies=(1,), effects={"shards-1": -1.5}, residual=False, images=1800))
    assert "Of 9 classes these can be told from on the fly" in topic(found, "Classes")
    assert "and 5 more" in topic(found, "Classes")


def test_a_strong_policy_with_one_copy(make: Any) -> None:
    strong = "rotate-flip+randaugment:num_ops=2,magnitude=9"
    found = said(make(policies=(strong,), copies=(1,), residual=False, **SURE))
    assert any("as strong as rotate-flip+randaugment" in warning for warning in found.warnings)
    mild = said(make(copies=(1,), residual=False, **SURE))
    assert not any("as strong as" in warning for warning in mild.warnings)
    more = said(make(policies=(strong,), copies=(1, 5), residual=False, **SURE))
    assert not any("as strong as" in warning for warning in more.warnings)


def test_trainings_too_short_to_repeat_a_view(make: Any) -> None:
    found = said(make(epochs=6, **SURE))
    assert any("6 epochs of training never repeat a view of shards-5" in w for w in found.warnings)


def test_trainings_that_learned_nothing(make: Any) -> None:
    measurements = make(images=900)
    trainings = tuple(replace(t, accuracy=0.12) for t in measurements.trainings)
    found = said(replace(measurements, trainings=trainings))
    assert any("guessing does 11.1 %" in warning for warning in found.warnings)


def test_measurements_that_were_disturbed(make: Any) -> None:
    measurements = make(**SURE)
    first, *others = measurements.throughput.arms
    restless = replace(first, training=Repeated((100.0, 180.0, 120.0)))
    throughput = replace(measurements.throughput, arms=(restless, *others))
    found = said(replace(measurements, throughput=throughput))
    assert any("more than a quarter for none" in warning for warning in found.warnings)


def test_nothing_to_advise(make: Any) -> None:
    measurements = make(images=200)
    only = tuple(arm for arm in measurements.arms if arm.name == "none")
    assert said(replace(measurements, arms=only)).headline == NOT_COMPARED
    unmeasured = replace(measurements, throughput=replace(measurements.throughput, arms=()))
    assert "was not measured" in said(unmeasured).headline


def test_the_commands_that_do_what_it_says(make: Any) -> None:
    options = {
        **{"data": "my photos", "policy": None, "size": 64, "codec": "webp", "seeds": 3},
        **{"model": "resnet18", "epochs": 12, "lr": "auto"},
    }
    measurements = make(config=options, **SURE)
    found = said(measurements)
    assert found.arm == "shards-10"
    expand, train = next_commands(measurements, analyse(measurements), found.arm)
    assert expand == (
        "augcli expand --data 'my photos' --copies 10 --policy side-on --size 64 --codec webp"
    )
    assert train == (
        "augcli train --source shards --residual none --model resnet18 --epochs 12 --sizes none "
        "--lr 0.001"
    )
    bound = make(config=options, rates={"on-the-fly": 425.0, "shards": 428.0}, **SURE)
    assert said(bound).arm == "on-the-fly"
    [train] = next_commands(bound, analyse(bound), "on-the-fly")
    assert "--source on-the-fly --data 'my photos' --policy side-on" in train
    embedded = replace(bound, config={**options, "data": None})
    expand, train = next_commands(embedded, analyse(embedded), "on-the-fly")
    assert expand.startswith("augcli expand --copies 0 --policy side-on")
    assert train.startswith("augcli train --source on-the-fly --residual none --model")
    _, residual = next_commands(measurements, analyse(measurements), "shards-5+residual")
    assert "--residual flip,shift" in residual


def test_words() -> None:
    assert [points(x) for x in (0.003, -0.0123, 0.00001, -0.0004)] == ["+0.3", "-1.2", "0.0", "0.0"]
    assert [times(x) for x in (1.04, 2.13, 23.4)] == ["1.04", "2.1", "23"]
    assert [duration(x) for x in (0.84, 83, 740, 9000)] == ["0.8 s", "83 s", "12 min", "2.5 h"]
    assert [size(x) for x in (12, 9800, 61.2e6, 1.3e9)] == ["12 bytes", "9.8 KB", "61 MB", "1.3 GB"]
    assert [count(x) for x in (0.127, 3.9, 24.2, 1234)] == ["0.13", "3.9", "24", "1,234"]
    assert [counted(1, "copy"), counted(5, "copy"), counted(2, "seed")] == [
        "1 copy",
        "5 copies",
        "2 seeds",
    ]
    assert [listed(["a"]), listed(["a", "b", "c"])] == ["a", "a, b and c"]
