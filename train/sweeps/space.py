"""The space of a sweep: which options vary and over what, read from the options' texts.

`1e-4,1e-3,1e-2` is a choice of values and `1e-4..1e-1` a range of numbers, ends included. Options
that have one value only belong to all runs.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from augcli.manifests.errors import UsageError
from augcli.manifests.inputs import shown
from augcli.manifests.settings import check_settings, option_name
from augcli.train.config import TrainConfig
from augcli.train.optimizers import resolve_lr
from augcli.train.schedules.registry import foreign_options, own_options
from augcli.train.sweeps.config import GRID, VARIED, WITH_COMMAS, StudyConfig

Value = str | int | float | None
Values = dict[str, Value]
"""One combination: a value for each option that varies; None is the option's default."""

LOG_FROM = 10.0
"""A range whose ends are so many times apart is searched on a logarithmic scale."""
AROUND = 10.0
"""What a sweep of nothing looks at: learning rates so many times below and above the default."""

_FIELDS = {field.name: field for field in dataclasses.fields(TrainConfig)}
_TYPES = typing.get_type_hints(TrainConfig)
_POLICY_COMMA = re.compile(r",(?![^\[]*\])(?!\s*\w+=)")
"""Not the commas between a preset's arguments, as in `keras:zoom_range=[0.9,1.1],rotation=20`."""


@dataclass(frozen=True)
class Choices:
    """A few values, in the order given."""

    values: tuple[Value, ...]

    def holds(self, value: Value) -> bool:
        """Whether the value is one of them."""
        return value in self.values


@dataclass(frozen=True)
class Range:
    """All numbers, or whole numbers, from `low` to `high`."""

    low: float
    high: float
    whole: bool

    @property
    def log(self) -> bool:
        """Whether equal ratios count alike, and not equal differences."""
        return self.low > 0 and self.high >= LOG_FROM * self.low

    def holds(self, value: Value) -> bool:
        """Whether the value lies in it."""
        return isinstance(value, int | float) and self.low <= value <= self.high

    def parts(self, count: int) -> list[Range]:
        """The range cut into `count` parts that are searched alike, a number on a cut in both."""
        if self.log:
            cuts = [self.low * (self.high / self.low) ** (n / count) for n in range(1, count)]
        else:
            cuts = [self.low + (self.high - self.low) * n / count for n in range(1, count)]
        ends = [self.low, *cuts, self.high]
        return [Range(low, high, self.whole) for low, high in itertools.pairwise(ends)]


Domain = Choices | Range


@dataclass(frozen=True)
class Space:
    """What varies, the learning rate first, and what is the same in all runs."""

    factors: Mapping[str, Domain]
    common: TrainConfig

    @property
    def ranges(self) -> tuple[str, ...]:
        """The factors that are ranges."""
        return tuple(name for name, domain in self.factors.items() if isinstance(domain, Range))

    def grid(self) -> list[Values]:
        """Every combination of the choices, the first factor slowest, each run only once.

        An option that goes with one schedule makes no difference to another: those are one.
        """
        assert not self.ranges
        columns = [domain.values for domain in self.factors.values() if isinstance(domain, Choices)]
        rows = [dict(zip(self.factors, row, strict=True)) for row in itertools.product(*columns)]
        return list({self.config(values): self.own(values) for values in rows}.values())

    def own(self, values: Values) -> Values:
        """`values` without those that make no difference to its run."""
        config = self.config(values)
        return {name: value for name, value in values.items() if getattr(config, name) == value}

    def config(self, values: Values, seed: int | None = None) -> TrainConfig:
        """The training that a combination stands for; its data and folder are not in it yet."""
        config = dataclasses.replace(self.common, **values)  # type: ignore[arg-type]
        if seed is not None:
            config = dataclasses.replace(config, seed=seed)
        if "policy" in self.factors and "policy" in _idle(config):
            config = dataclasses.replace(config, policy=None)
        return own_options(config, [str(name) for name in self.options_of("sched")])

    def values_of(self, config: TrainConfig) -> Values | None:
        """The combination that a training has, or None if its options lie outside the space."""
        found: Values = {}
        for name, domain in self.factors.items():
            value = getattr(config, name)
            if domain.holds(value):
                found[name] = value
            elif value is not None or name not in _idle(config):
                return None
        return found

    def options_of(self, name: str) -> tuple[Value, ...]:
        """All values that an option has in the space; () for a range."""
        domain = self.factors.get(name, Choices((getattr(self.common, name),)))
        return domain.values if isinstance(domain, Choices) else ()

    @property
    def most_epochs(self) -> int:
        """The epochs of the longest run."""
        domain = self.factors.get("epochs", Choices((self.common.epochs,)))
        ends = domain.values if isinstance(domain, Choices) else (domain.high,)
        return max(int(epochs) for epochs in ends if epochs is not None)


def parse_space(config: StudyConfig) -> Space:
    """The space that the options of `augcli sweep` span.

    Without any option that varies it is three learning rates around the optimiser's default, or
    the range that they span.

    Raises:
        UsageError: a value that its option doesn't take, or a range where none can be.
    """
    domains = {name: _domain(name, text) for name in VARIED if (text := getattr(config, name))}
    varying = [name for name, domain in domains.items() if _varies(domain)]
    if not varying and not {"lr", "lrs"} & domains.keys():
        domains["lr"] = _around_default(domains.get("opt"), config.search)
        varying = ["lr"]
    if config.search == GRID:
        _refuse_ranges(config, domains)
    fixed = {
        name: domain.values[0]
        for name, domain in domains.items()
        if isinstance(domain, Choices) and name not in varying
    }
    same = {
        name: getattr(config, name)
        for name in _FIELDS
        if name not in VARIED and hasattr(config, name)
    }
    common = TrainConfig(**{**same, **fixed, "out": None})
    first_lr = sorted(varying, key=lambda name: name != "lr")
    return Space({name: domains[name] for name in first_lr}, check_settings(common))


def text_of(name: str, value: Value) -> str:
    """A value as it is written in a list, numbers as short as they can be."""
    if value is None:
        return _word_for_default(name)
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return short if not isinstance(value, float) or float(short) == value else repr(value)


def label_of(values: Mapping[str, Value]) -> str:
    """`lr 0.001, sched cosine`: a combination in a few words."""
    return ", ".join(f"{_plain(name)} {text_of(name, value)}" for name, value in values.items())


def _idle(config: TrainConfig) -> set[str]:
    """The options that make no difference to a training."""
    return foreign_options(config) | ({"policy"} if config.source == "none" else set())


def _plain(name: str) -> str:
    return name.replace("_", "-")


def _varies(domain: Domain) -> bool:
    return isinstance(domain, Range) or len(domain.values) > 1


def _around_default(opt: Domain | None, search: str) -> Domain:
    name = opt.values[0] if isinstance(opt, Choices) else TrainConfig.opt
    middle = resolve_lr(str(name), None)
    low, high = _rounded(middle / AROUND), _rounded(middle * AROUND)
    return Choices((low, middle, high)) if search == GRID else Range(low, high, whole=False)


def _rounded(number: float) -> float:
    return float(f"{number:.3g}")


def _refuse_ranges(config: StudyConfig, domains: Mapping[str, Domain]) -> None:
    for name, domain in domains.items():
        if isinstance(domain, Range):
            raise UsageError(
                f"{option_name(name)} {getattr(config, name)}: a grid has no ranges: list its "
                "values, as 0.001,0.01,0.1, or take --search random or tpe"
            )


def _domain(name: str, text: str) -> Domain:
    low, dots, high = text.partition("..")
    if dots and _number_type(name) is not None:
        return _range(name, text, low, high)
    values = tuple(dict.fromkeys(_value(name, item, text) for item in _items(name, text)))
    return Choices(values)


def _items(name: str, text: str) -> list[str]:
    if name in WITH_COMMAS:
        items = text.split("/")
    elif name == "policy":
        items = _POLICY_COMMA.split(text)
    else:
        items = text.split(",")
    return [item.strip() for item in items]


def _range(name: str, text: str, low: str, high: str) -> Range:
    ends = [_value(name, end.strip(), text) for end in (low, high)]
    least, most = (end if isinstance(end, int | float) else 0 for end in ends)
    if None in ends or least >= most:
        raise UsageError(f"{option_name(name)} {shown(text)}: expected a range as LOW..HIGH")
    return Range(least, most, whole=_number_type(name) is int)


def _value(name: str, item: str, text: str) -> Value:
    """One value in its option's type, held against its choices and bounds."""
    option = option_name(name)
    if not item:
        raise UsageError(f"{option} {shown(text)}: a value is missing")
    if _FIELDS[name].default is None and item == _word_for_default(name):
        return None
    value: Value = item
    kind = _number_type(name)
    if kind is not None:
        try:
            value = kind(item)
        except ValueError:
            what = "whole number" if kind is int else "number"
            raise UsageError(f"{option} {shown(text)}: '{shown(item)}' is no {what}") from None
    checked: Value = getattr(check_settings(_with(name, value)), name)
    return checked


def _with(name: str, value: Value) -> TrainConfig:
    return dataclasses.replace(TrainConfig(), **{name: value})  # type: ignore[arg-type]


def _number_type(name: str) -> Any:
    kinds = typing.get_args(_TYPES[name]) or (_TYPES[name],)
    return next((kind for kind in (int, float) if kind in kinds), None)


def _word_for_default(name: str) -> str:
    """`none` where the help says that the default is none, else `default`."""
    shown_default = _FIELDS[name].metadata["shown_default"] or ""
    return "none" if shown_default.startswith("no") else "default"
