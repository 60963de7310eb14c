"""The space of a sweep: which options vary and over what, and the trainings that it holds."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from augcli.train.config import TrainConfig
from augcli.train.schedules.registry import foreign_options, own_options
from augcli.train.sweeps.domains import Choices, Domain, Range, Value, Values

_FIELDS = {field.name: field for field in dataclasses.fields(TrainConfig)}


@dataclass(frozen=True)
class Space:
    """What varies, the learning rate first, and what is the same in all runs."""

    factors: Mapping[str, Domain]
    common: TrainConfig

    @property
    def ranges(self) -> tuple[str, ...]:
        """The factors that are ranges."""
        return tuple(name for name, domain in self.factors.items() if isinstance(domain, Range))

    @property
    def most_epochs(self) -> int:
        """The epochs of the longest run."""
        domain = self.factors.get("epochs", Choices((self.common.epochs,)))
        ends = domain.values if isinstance(domain, Choices) else (domain.high,)
        return max(int(epochs) for epochs in ends if epochs is not None)

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


def text_of(name: str, value: Value) -> str:
    """A value as it is written in a list, numbers as short as they can be."""
    if value is None:
        return word_for_default(name)
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


def word_for_default(name: str) -> str:
    """How a list says an option's default: `none` where that is what the help says it is."""
    shown_default = _FIELDS[name].metadata["shown_default"] or ""
    return "none" if shown_default.startswith("no") else "default"
