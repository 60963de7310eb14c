"""Pictures of sweeps show every combination, however many there are."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from augcli.train import pictures
from augcli.train.record import Row
from augcli.train.sweeps import curves_picture, lr_picture
from augcli.train.sweeps.config import SweepConfig
from augcli.train.sweeps.course import Ended
from augcli.train.sweeps.domains import Values
from augcli.train.sweeps.panels import MAX_PANELS, Colours, groups
from augcli.train.sweeps.reading import parse_space
from augcli.train.sweeps.result import SweepResult
from augcli.train.sweeps.space import Space
from augcli.train.sweeps.trial import DIVERGED, FINISHED, Measured, Outcome, Trial


def ended(space: Space, values: Values, seed: int = 0, epochs: int = 3) -> Ended:
    config = dataclasses.replace(space.config(values, seed), out=Path("x"))
    given = values.get("lr")
    lr = float(given) if isinstance(given, float) else 0.1
    share = 1 / (1 + lr)
    rows = tuple(
        Row(epoch, 2 / epoch, share, 1.0, share * epoch / epochs, lr, 1.0, 0.1, 10.0)
        for epoch in range(1, epochs + 1)
    )
    if lr > 10:
        return Ended(Trial(values, config), Outcome(DIVERGED, "nan", rows[:1]))
    measured = Measured(epochs, share, 1.0, 100, None, 3.0)
    return Ended(Trial(values, config), Outcome(FINISHED, "", rows, measured))


def result_of(seeds: int = 1, **options: Any) -> SweepResult:
    space = parse_space(SweepConfig(**options))
    combinations = space.grid() if not space.ranges else [{"lr": 0.002}, {"lr": 0.3}]
    all_ended = [ended(space, values, seed) for values in combinations for seed in range(seeds)]
    return SweepResult(Path("x"), "", space, tuple(range(seeds)), tuple(all_ended), 0, True)


class Drawn:
    """What is on the figure that would have been written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pictures, "save_figure", self._keep)

    def _keep(self, figure: Any, path: Path) -> None:
        self.figure = figure
        self.panels = [axes for axes in figure.axes if axes.get_visible()]
        self.legend = [text.get_text() for legend in figure.legends for text in legend.get_texts()]

    @property
    def titles(self) -> list[str]:
        return [title for axes in self.panels if (title := axes.get_title(loc="left"))]

    def colours(self, panel: int) -> set[str]:
        return {str(line.get_color()) for line in self.panels[panel].lines if len(line.get_xdata())}


def test_three_curves_in_two_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Drawn(monkeypatch)
    curves_picture.draw_curves(Path("x"), result_of(lr="0.01,0.1,1"))
    assert drawn.titles == ["Training loss (cross-entropy, nats)", "Validation accuracy"]
    assert drawn.legend == ["lr 0.01", "lr 0.1", "lr 1", "best"]
    assert len(drawn.colours(0)) == len(drawn.colours(1)) == 3


def test_thirty_in_small_multiples(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Drawn(monkeypatch)
    options = {"lr": "0.01,0.1,1,3,100", "opt": "sgd,adam", "sched": "cosine,step,sgdr"}
    curves_picture.draw_curves(Path("x"), result_of(seeds=2, **options))
    assert len(drawn.panels) == 12 and len(drawn.titles) == 6
    assert drawn.titles[0] == "opt sgd, sched cosine"
    assert drawn.legend[-2:] == ["best", "diverged"]
    assert all(len(drawn.colours(panel)) == 5 for panel in range(12))


def test_rates_have_a_line_for_each_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Drawn(monkeypatch)
    options = {"lr": "0.01,0.1,100", "opt": "sgd,adam", "sched": "cosine,step"}
    lr_picture.draw_rates(Path("x"), result_of(**options))
    assert drawn.titles == ["opt sgd", "opt adam"]
    assert drawn.legend == ["sched cosine", "sched step", "best", "diverged"]
    assert drawn.panels[0].get_xscale() == "log"
    drawn.figure.draw_without_rendering()
    labels = [label.get_text() for label in drawn.panels[0].get_xticklabels()]
    assert labels == ["0.01", "0.1", "100"]


def test_a_rate_that_each_training_found_has_no_place_among_rates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn = Drawn(monkeypatch)
    result = result_of(lr="auto,0.01,0.1")
    lr_picture.draw_rates(Path("x"), result)
    assert len(drawn.panels[0].lines[0].get_xdata()) == 2
    curves_picture.draw_curves(Path("x"), result)
    assert drawn.legend == ["lr auto", "lr 0.01", "lr 0.1", "best"]


def test_a_range_has_a_bar_of_colour_and_no_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Drawn(monkeypatch)
    result = result_of(search="tpe", lr="1e-3..1")
    curves_picture.draw_curves(Path("x"), result)
    assert drawn.panels[-1].get_ylabel() == "lr" and len(drawn.panels) == 3
    lr_picture.draw_rates(Path("x"), result)
    assert drawn.titles == ["Validation accuracy, %, by learning rate (95 % intervals)"]


@pytest.mark.parametrize("options", [{"lr": "0.1"}, {"policy": "basic,none", "epochs": "1"}])
def test_few_things_to_show(options: dict[str, Any], tmp_path: Path) -> None:
    curves_picture.draw_curves(tmp_path / "curves.png", result_of(**options))
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_panels_are_never_too_many() -> None:
    rates = ",".join(str(n / 100) for n in range(1, 6))
    options = {"opt": "sgd,adam,adamw", "sched": "cosine,step,sgdr,constant", "batch_size": "8,16"}
    result = result_of(lr=rates, **options)
    shown = groups(result.space, result.standings, apart=["lr"])
    assert len(shown) <= MAX_PANELS
    assert sum(len(group.standings) for group in shown) == len(result.standings) == 120


def test_colours_of_numbers_follow_their_size_and_those_of_names_differ() -> None:
    space = parse_space(SweepConfig(lr="1,0.1,0.01", opt="sgd,adam"))
    by_rate, by_name = Colours(space, "lr"), Colours(space, "opt")
    shade = [sum(bytes.fromhex(by_rate.of({"lr": lr})[1:])) for lr in (0.01, 0.1, 1)]
    assert shade == sorted(shade)
    assert by_name.of({"opt": "sgd"}) != by_name.of({"opt": "adam"})
