"""What the options' texts span."""

from __future__ import annotations

from typing import Any

import pytest

from augcli.manifests.errors import UsageError
from augcli.train.sweeps.config import SweepConfig
from augcli.train.sweeps.domains import Choices, Range
from augcli.train.sweeps.reading import parse_space
from augcli.train.sweeps.space import label_of, text_of


def space(**options: Any) -> Any:
    return parse_space(SweepConfig(**options))


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("lr", "1e-4, 1e-3,0.01", (1e-4, 1e-3, 1e-2)),
        ("lr", "default,1e-3,0.001", (None, 1e-3)),
        ("lr", "auto,0.01", ("auto", 0.01)),
        ("epochs", "5,10", (5, 10)),
        ("policy", "side-on,rotate-flip+augmix", ("side-on", "rotate-flip+augmix")),
        (
            "policy",
            "randaugment:num_ops=2,magnitude=9,keras:zoom_range=[0.9,1.1],rotation_range=20,basic",
            (
                "randaugment:num_ops=2,magnitude=9",
                "keras:zoom_range=[0.9,1.1],rotation_range=20",
                "basic",
            ),
        ),
        ("residual", "none/flip,shift=2/mixup", ("none", "flip,shift=2", "mixup")),
        ("milestones", "30,60/10,20", ("30,60", "10,20")),
        ("source", "none,shards", ("none", "shards")),
    ],
)
def test_lists(name: str, text: str, values: tuple[object, ...]) -> None:
    assert space(**{name: text}).factors == {name: Choices(values)}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("lr", "1e-5..1e-1", Range(1e-5, 1e-1, whole=False)),
        ("batch_size", "16..128", Range(16, 128, whole=True)),
    ],
)
def test_ranges(name: str, text: str, expected: Range) -> None:
    assert space(search="tpe", **{name: text}).factors == {name: expected}


def test_a_range_of_many_sizes_is_logarithmic() -> None:
    assert Range(1e-5, 1e-1, whole=False).log and not Range(0.0, 0.3, whole=False).log
    parts = Range(1e-4, 1e-1, whole=False).parts(3)
    assert [part.low for part in parts] == pytest.approx([1e-4, 1e-3, 1e-2])
    assert parts[0].high == parts[1].low and parts[2].high == 1e-1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": "1e-3,,1e-2"}, "--lr 1e-3,,1e-2: a value is missing"),
        ({"lr": "fast"}, "--lr fast: 'fast' is no number"),
        ({"lr": "0.1,-1"}, "--lr: -1.0 is too small"),
        ({"lr": "nan,1"}, "--lr: nan is not a finite number"),
        ({"epochs": "1.5,2"}, "'1.5' is no whole number"),
        ({"sched": "cosine,linar"}, "--sched: unknown 'linar': choose from constant"),
        ({"lr": "1e-5..1e-1"}, "--lr 1e-5..1e-1: a grid has no ranges: list"),
        ({"lr": "1..0.1", "search": "tpe"}, "--lr 1..0.1: expected a range as LOW..HIGH"),
        ({"model": "small,"}, "--model small,: a value is missing"),
    ],
)
def test_wrong_texts_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        space(**options)
    assert message in str(refused.value)


def test_one_value_is_for_all() -> None:
    found = space(lr="0.1", opt="sgd,adam", epochs="3", workers=2, seed=5)
    assert list(found.factors) == ["opt"]
    assert (found.common.lr, found.common.epochs, found.common.workers) == (0.1, 3, 2)
    assert found.config({"opt": "sgd"}, seed=7).seed == 7


def test_with_nothing_to_vary_the_learning_rate_does() -> None:
    assert space().factors == {"lr": Choices((0.008, 0.08, 0.8))}
    assert space(opt="sgd", epochs="3").factors == {"lr": Choices((0.01, 0.1, 1.0))}
    assert space(search="tpe").factors == {"lr": Range(0.008, 0.8, whole=False)}
    assert space(weights="some.pt").factors == {"lr": Choices((0.0003, 0.003, 0.03))}
    assert space(lr="0.1").factors == {}
    assert space(opt="sgd,adam").factors == {"opt": Choices(("sgd", "adam"))}


def test_the_learning_rate_is_the_first_factor_and_varies_slowest() -> None:
    grid = space(sched="cosine,step", lr="1,2").grid()
    assert [label_of(values) for values in grid] == [
        "lr 1, sched cosine", "lr 1, sched step", "lr 2, sched cosine", "lr 2, sched step",
    ]  # fmt: skip


def test_an_option_that_makes_no_difference_makes_no_runs() -> None:
    found = space(sched="cosine,step", gamma="0.1,0.5")
    assert found.grid() == [
        {"sched": "cosine"}, {"sched": "step", "gamma": 0.1}, {"sched": "step", "gamma": 0.5},
    ]  # fmt: skip
    assert found.config({"sched": "cosine", "gamma": 0.5}).gamma is None
    sources = space(source="none,on-the-fly", policy="basic,side-on").grid()
    assert sources[0] == {"source": "none"} and len(sources) == 3


def test_a_training_finds_its_combination_again() -> None:
    found = space(sched="cosine,step", gamma="0.1,0.5", lr="1,2")
    for values in found.grid():
        assert found.values_of(found.config(values)) == values
    assert found.values_of(space(sched="cosine", lr="3").common) is None
    assert found.values_of(space(sched="step", lr="1").common) is None  # gamma is the default


def test_numbers_are_written_short_and_read_back() -> None:
    for number in (1e-5, 0.001, 0.1, 3e-4, 1.0, 100.0, 0.123456789, 1 / 3):
        assert float(text_of("lr", number)) == number
    assert [text_of("lr", number) for number in (0.001, 1e-5)] == ["0.001", "1e-05"]
    assert text_of("lr", None) == "default" and text_of("weights", None) == "none"
