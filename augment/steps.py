"""Steps: what a compiled policy is made of. Each draws what its transform in albumentations draws.

A step is called with the canvas, the view's stream, the list of what was applied, and whether it
is forced (chosen by a `OneOf`). Leaves write one JSON text into that list: `["Name",{…}]`, numbers
with six digits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from augcli.augment.canvas import Canvas
from augcli.augment.decode import Pixels
from augcli.augment.seeding import ViewStream
from augcli.manifests.errors import AugcliError

Applied = list[str]

# How a leaf is carried out, for people: leaves of one kind that follow each other go in one.
GEOMETRY = "one resampling"
PERMUTED = "pixels moved, none resampled"
JOINED = "one resampling, or more where borders would show"
TABLE = "one table of grey levels"
OP_BY_OP = "albumentations, one by one"
NOTHING = "nothing to do"


class Step(Protocol):
    """One part of a policy."""

    @property
    def p(self) -> float:
        """Its probability; in a `OneOf`, its weight."""
        ...

    def __call__(
        self, canvas: Canvas, stream: ViewStream, applied: Applied, force: bool = False
    ) -> None:
        """Draw, and put down on the canvas what was drawn."""
        ...


def happens(p: float, stream: ViewStream, force: bool) -> bool:
    """Toss the coin of a transform, as `BasicTransform.should_apply` does."""
    return p > 0.0 and (p >= 1.0 or force or stream.python.random() < p)


@dataclass(frozen=True)
class NoOp:
    """Does nothing, and says so."""

    how: ClassVar[str] = NOTHING

    p: float

    def __call__(
        self, canvas: Canvas, stream: ViewStream, applied: Applied, force: bool = False
    ) -> None:
        """Nothing but the coin."""
        if happens(self.p, stream, force):
            applied.append('["NoOp",{}]')


@dataclass(frozen=True)
class Sequential:
    """albumentations' `Sequential`, and the `Compose` around a policy."""

    p: float
    steps: tuple[Step, ...]

    def __call__(
        self, canvas: Canvas, stream: ViewStream, applied: Applied, force: bool = False
    ) -> None:
        """One coin, then all steps in order, each with its own."""
        if force or stream.python.random() < self.p:
            for step in self.steps:
                step(canvas, stream, applied)


@dataclass(frozen=True)
class OneOf:
    """albumentations' `OneOf`: one step, chosen by weight."""

    p: float
    steps: tuple[Step, ...]

    def __call__(
        self, canvas: Canvas, stream: ViewStream, applied: Applied, force: bool = False
    ) -> None:
        """One coin, one choice."""
        total = sum(step.p for step in self.steps)
        if total and (force or stream.python.random() < self.p):
            weights = [step.p / total for step in self.steps]
            chosen = int(stream.numpy.choice(len(self.steps), p=weights))
            self.steps[chosen](canvas, stream, applied, True)


@dataclass(frozen=True)
class OneOrOther:
    """albumentations' `OneOrOther`: the first step, else the last."""

    p: float
    steps: tuple[Step, ...]

    def __call__(
        self, canvas: Canvas, stream: ViewStream, applied: Applied, force: bool = False
    ) -> None:
        """One coin."""
        chosen = 0 if stream.python.random() < self.p else -1
        self.steps[chosen](canvas, stream, applied, True)


@dataclass(frozen=True)
class SomeOf:
    """albumentations' `SomeOf` and, `shuffled`, its `RandomOrder`."""

    p: float
    steps: tuple[Step, ...]
    n: int
    replace: bool
    shuffled: bool

    def __call__(
        self, canvas: Canvas, stream: ViewStream, applied: Applied, force: bool = False
    ) -> None:
        """One coin, one choice of several, each with its own coin."""
        if stream.python.random() < self.p:
            chosen = stream.numpy.choice(len(self.steps), size=self.n, replace=self.replace)
            if not self.shuffled:
                chosen.sort()
            for index in chosen:
                self.steps[index](canvas, stream, applied)


@dataclass(frozen=True)
class _OfAlbumentations:
    """Base: a transform of albumentations, which draws from the view's stream by itself."""

    transform: Any

    @property
    def p(self) -> float:
        """The transform's own."""
        return float(self.transform.p)

    def _apply(self, image: Pixels, stream: ViewStream, applied: Applied) -> Pixels:
        """What the transform, forced, makes of `image`; it is recorded."""
        stream.seed_all()
        result: Pixels = self.transform(image=image, force_apply=True)["image"]
        applied.append(applied_json(self.transform))
        return result


@dataclass(frozen=True)
class Foreign(_OfAlbumentations):
    """A transform of albumentations that isn't compiled: it sees the picture as RGB."""

    how: ClassVar[str] = OP_BY_OP

    def __call__(
        self, canvas: Canvas, stream: ViewStream, applied: Applied, force: bool = False
    ) -> None:
        """Let the transform draw and apply.

        Raises:
            AugcliError: it changed the shape or the type of the image.
        """
        if not happens(self.p, stream, force):
            return
        image = canvas.rgb()
        result = self._apply(image, stream, applied)
        if result.shape != image.shape or result.dtype != np.uint8:
            raise AugcliError(
                f"{type(self.transform).__name__} makes {result.dtype} {result.shape} of uint8 "
                f"{image.shape}: it must keep size and type"
            )
        canvas.paint(np.ascontiguousarray(result))


_RAMP = np.ascontiguousarray(
    np.broadcast_to(np.arange(256, dtype=np.uint8)[None, :, None], (1, 256, 3))
)


@dataclass(frozen=True)
class Pointwise(_OfAlbumentations):
    """A transform of albumentations that changes each value by itself: it sees a ramp of all
    256 values instead of the picture, and what it makes of them is the table."""

    how: ClassVar[str] = TABLE

    def __call__(
        self, canvas: Canvas, stream: ViewStream, applied: Applied, force: bool = False
    ) -> None:
        """Let the transform draw, and note its table."""
        if not happens(self.p, stream, force):
            return
        levels = self._apply(_RAMP.copy(), stream, applied)[0]
        table = np.ascontiguousarray(levels[:, 0])
        if (levels != table[:, None]).any():
            table = np.concatenate([levels, table[:, None]], axis=1)
        canvas.translate(table)


# Of no interest in a record: the same for all views, or too large.
_STATIC_PARAMETERS = frozenset(
    """
    shape interpolation fill fill_mask bbox_matrix output_shape map_x map_y cols rows
    """.split()
)


def applied_json(transform: Any) -> str:
    """`["Name",{…}]` of what a transform of albumentations has just applied."""
    drawn = transform.get_applied_params()
    shown = {k: _short(plain(v)) for k, v in drawn.items() if k not in _STATIC_PARAMETERS}
    return json.dumps([type(transform).__name__, shown], separators=(",", ":"))


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, list):
        return [_short(item) for item in value]
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    return value


def plain(value: Any) -> Any:
    """`value` as JSON has it: arrays as lists (large ones by their shape), tuples as lists."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist() if value.size <= 64 else f"array{value.shape}"
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, str):
        return str(value)
    return value


def flattened(steps: Sequence[Step]) -> list[Step]:
    """The leaves, in order, compositions opened."""
    found: list[Step] = []
    for step in steps:
        inner = getattr(step, "steps", None)
        found += [step] if inner is None else flattened(inner)
    return found
