"""How pictures of a sweep are laid out: colour by the first factor, a panel for each of the rest.

Factors that are ranges can't have panels; of too many panels only the first factors get some.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from augcli.train import pictures
from augcli.train.sweeps.domains import Choices, Value, Values
from augcli.train.sweeps.space import Space, label_of, text_of
from augcli.train.sweeps.standings import Standing
from augcli.train.sweeps.trial import DIVERGED, PRUNED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure

CATEGORIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, which colour-blind readers tell apart."""
MAX_PANELS = 12
MAX_IN_LEGEND = 10
"""More values of a number are shown by a bar of colour."""
MAX_TITLE = 40
"""Letters over a panel."""
END_MARKERS = {DIVERGED: "X", PRUNED: "|"}
"""How a training ended that did not go on to its last epoch."""
DARKEST, LIGHTEST = 0.0, 0.88
"""The part of viridis that can be seen on white."""


@dataclass(frozen=True)
class Group:
    """The combinations of one panel, best first; `values` are what they have in common."""

    values: Values
    standings: tuple[Standing, ...]

    @property
    def title(self) -> str:
        """`sched cosine, opt sgd`."""
        return label_of(self.values)


def groups(space: Space, standings: Sequence[Standing], apart: Sequence[str]) -> list[Group]:
    """Panels by the factors that are not `apart`, in the order of the space's values."""
    names = _named(space, [name for name in space.factors if name not in apart])
    found: dict[tuple[Value, ...], list[Standing]] = {}
    for standing in standings:
        key = tuple(standing.values.get(name) for name in names)
        found.setdefault(key, []).append(standing)
    orders = [list(space.options_of(name)) for name in names]

    def place(key: tuple[Value, ...]) -> list[int]:
        return [order.index(v) if v in order else -1 for order, v in zip(orders, key, strict=True)]

    return [
        Group(_common(names, key, found[key]), tuple(found[key]))
        for key in sorted(found, key=place)
    ]


def _common(names: Sequence[str], key: Sequence[Value], standings: Sequence[Standing]) -> Values:
    """What is in the key because the combinations have it, and not because they don't."""
    pairs = zip(names, key, strict=True)
    return {name: value for name, value in pairs if name in standings[0].values}


def _named(space: Space, names: Sequence[str]) -> list[str]:
    """The first of the factors that have panels, as long as these are not too many."""
    chosen: list[str] = []
    panels = 1
    for name in names:
        panels *= len(space.options_of(name)) or MAX_PANELS + 1
        if panels > MAX_PANELS:
            break
        chosen.append(name)
    return chosen


class Colours:
    """The colour of each value of one factor; numbers go from dark to light as they rise."""

    def __init__(self, space: Space, name: str | None) -> None:
        self.name = name
        self._space = space
        domain = Choices((None,)) if name is None else space.factors[name]
        self._values = domain.values if isinstance(domain, Choices) else ()
        self._numbers = [v for v in self._values if isinstance(v, int | float)]
        if not isinstance(domain, Choices):
            self._numbers = [domain.low, domain.high]
        self._is_ordered = len(self._numbers) >= max(2, len(self._values))

    @property
    def has_bar(self) -> bool:
        """Whether the values are shown by a bar of colour and not by a legend."""
        return self._is_ordered and (not self._values or len(self._values) > MAX_IN_LEGEND)

    def of(self, values: Values) -> str:
        """The colour of a combination."""
        from matplotlib.colors import to_hex

        if self.name is None:
            return CATEGORIES[0]
        value = values.get(self.name)
        if not self._is_ordered or not isinstance(value, int | float):
            place = self._values.index(value) if value in self._values else -1
            return CATEGORIES[place % len(CATEGORIES)]
        if not self.has_bar:
            share = sorted(self._numbers).index(value) / (len(self._numbers) - 1)
            return to_hex(_viridis()(DARKEST + share * (LIGHTEST - DARKEST)))
        return to_hex(_viridis()(self._scale()(value)))

    def legend(self) -> list[tuple[str, str]]:
        """Each value as text, and its colour."""
        if self.name is None:
            return []
        name = self.name.replace("_", "-")
        return [
            (f"{name} {text_of(self.name, value)}", self.of({self.name: value}))
            for value in self._values
        ]

    def bar(self) -> tuple[Colormap, Normalize]:
        """What a bar of colour shows."""
        return _viridis(), self._scale()

    def _scale(self) -> Normalize:
        from matplotlib.colors import LogNorm, Normalize

        low, high = min(self._numbers), max(self._numbers)
        kind = LogNorm if low > 0 and high >= 10 * low else Normalize
        return kind(low, high)


def _viridis() -> Colormap:
    import matplotlib

    return matplotlib.colormaps["viridis"]


def add_legend(
    figure: Figure,
    colours: Colours,
    panels: Sequence[Axes],
    standings: Sequence[Standing],
    best: Mapping[str, Any],
) -> None:
    """Say what colours and markers mean, above the panels; many numbers by a bar beside them.

    `best` is how the best combination is drawn.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.lines import Line2D

    entries: list[tuple[str, Line2D]] = []
    if colours.has_bar:
        colormap, scale = colours.bar()
        shown = [axes for axes in panels if axes.get_visible()]
        bar = figure.colorbar(ScalarMappable(scale, colormap), ax=shown, pad=0.01, aspect=30)
        bar.set_label(str(colours.name).replace("_", "-"), fontsize=9)
        bar.ax.tick_params(labelsize=8)
    else:
        for text, colour in colours.legend():
            line = Line2D([], [], color=colour, linewidth=2.5)
            entries.append((pictures.readable_name(text, MAX_TITLE), line))
    if len(standings) > 1:
        entries.append(("best", Line2D([], [], color="#555555", **best)))
    states = {each.outcome.state for standing in standings for each in standing.ended}
    for state in (state for state in END_MARKERS if state in states):
        marker = Line2D([], [], color="#555555", marker=END_MARKERS[state], linestyle="none")
        entries.append((state, marker))
    if entries:
        figure.legend(
            [line for _, line in entries], [text for text, _ in entries], loc="outside upper left",
            ncols=min(len(entries), 6), fontsize=9, frameon=False,
        )  # fmt: skip
