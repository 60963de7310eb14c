"""The options' texts, read: `1e-4,1e-3,1e-2` is a choice of values and `1e-4..1e-1` a range of
numbers, ends included. Options that have one value only belong to all runs.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

from augcli.augment.policy_source import policy_list
from augcli.manifests.errors import UsageError
from augcli.manifests.inputs import shown
from augcli.manifests.settings import check_settings, option_name
from augcli.train.config import TrainConfig
from augcli.train.optimizers import optimiser_of, resolve_lr
from augcli.train.sweeps.config import GRID, VARIED, WITH_COMMAS, StudyConfig
from augcli.train.sweeps.domains import Choices, Domain, Range, Value
from augcli.train.sweeps.space import Space, word_for_default

AROUND = 10.0
"""What a sweep of nothing looks at: learning rates so many times below and above the default."""

_FIELDS = {field.name: field for field in dataclasses.fields(TrainConfig)}
_TYPES = typing.get_type_hints(TrainConfig)


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
        domains["lr"] = _around_default(domains, config.search)
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


def _varies(domain: Domain) -> bool:
    return isinstance(domain, Range) or len(domain.values) > 1


def _around_default(domains: Mapping[str, Domain], search: str) -> Domain:
    first = {
        name: domain.values[0]
        for name in ("opt", "weights")
        if isinstance(domain := domains.get(name), Choices)
    }
    middle = resolve_lr(optimiser_of(TrainConfig(**first)), None)  # type: ignore[arg-type]
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
        items = policy_list(text)
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
    if _FIELDS[name].default is None and item == word_for_default(name):
        return None
    value: Value = item
    kind = _number_type(name)
    words = _FIELDS[name].metadata["choices"] or ()
    if kind is not None and item not in words:
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
