"""Begin with weights that were trained before: all that fits is taken, and all else is told."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from augcli.manifests.errors import UsageError
from augcli.train.forward import Channels
from augcli.train.layer_groups import LayerGroup, input_kernel, layer_groups
from augcli.train.weight_files import FoundWeights, find_weights

SHOWN = 10
"""How many names of tensors that don't fit to list."""
POSITIONS = "encoder.pos_embedding"
"""Of ViT: (1, 1 + side * side, channels), the class token's first, then a square of patches."""
COUNTER = "num_batches_tracked"
"""Of batch normalisation; old files lack it, and nothing here reads it."""


@dataclass(frozen=True)
class WeightsReport:
    """What `load_weights` did."""

    source: str
    loaded: int
    """How many tensors were taken."""
    initialised: tuple[str, ...]
    """Names of those left as they were."""
    notes: tuple[str, ...]
    """Sentences on what was not taken as it is, and why."""
    mean: Channels | None
    std: Channels | None
    """By which images were normalised before, if that is known to be another way."""

    def lines(self) -> list[str]:
        """What a user may want to know."""
        return [f"--weights {self.source}: {self.loaded} tensors taken", *self.notes]


def load_weights(
    model: nn.Module, name: str, source: str, classes: Sequence[str] | None = None
) -> WeightsReport:
    """Give `model`, a `build_model(name, ...)`, the weights in `source`, an `--weights`.

    The head stays as initialised if it is for another number of classes, or missing, or known to
    be for others than `classes`; so does the kernel that sees pixels if only its height, width or
    input channels differ (another `--stem`).
    Position embeddings of ViT for images of another size are interpolated.

    Raises:
        UsageError: no such source, no file of weights, or weights that don't fit; `model` is then
            as it was.
        AugcliError: torchvision's weights can't be downloaded.
    """
    found = find_weights(name, source)
    if found.model_name not in (None, name):
        raise UsageError(
            f"--weights {source}: they are of --model {found.model_name}, and this one is {name}"
        )
    fit = _Fit(model, layer_groups(model, name), found, classes)
    if fit.faults:
        more = len(fit.faults) - SHOWN
        rest = f"; and {more} more" if more > 0 else ""
        raise UsageError(
            f"--weights {source}: {len(fit.faults)} tensors don't fit --model {name}: "
            f"{'; '.join(fit.faults[:SHOWN])}{rest}"
        )
    state = model.state_dict()
    with torch.no_grad():
        for key, value in fit.taken.items():
            state[key].copy_(value)
    return WeightsReport(
        source=source,
        loaded=len(fit.taken),
        initialised=tuple(key for key in state if key not in fit.taken),
        notes=tuple(fit.notes),
        mean=found.mean,
        std=found.std,
    )


class _Fit:
    """Which of the tensors found can be taken, what is explained, and what is wrong."""

    def __init__(
        self,
        model: nn.Module,
        groups: tuple[LayerGroup, ...],
        found: FoundWeights,
        classes: Sequence[str] | None,
    ) -> None:
        self.wanted: Mapping[str, torch.Tensor] = model.state_dict()
        self.taken = dict(found.tensors)
        self.notes: list[str] = []
        self.explained: set[str] = set()
        """Tensors of the model that may stay as they are."""
        others = None not in (classes, found.classes) and list(classes or ()) != list(
            found.classes or ()
        )
        self._judge_head({key for key, _ in groups[-1].named_parameters}, others)
        self._judge_stem(input_kernel(groups))
        self._judge_positions()
        self.faults = self._faults()

    def _judge_head(self, head: set[str], other_classes: bool) -> None:
        """The head is taken whole or not at all."""
        here = {key: tuple(self.wanted[key].shape) for key in sorted(head)}
        there = {key: tuple(self.taken[key].shape) for key in here if key in self.taken}
        if here == there and not other_classes:
            return
        if any(there[key][1:] != here[key][1:] for key in there):
            return  # not only another number of classes: the faults will tell
        self._leave(head)
        classes = next(iter(here.values()))[0]
        if here == there:
            reason = "the file's is for as many, but others"
        elif there:
            reason = f"the file's is for {next(iter(there.values()))[0]}"
        else:
            reason = "the file has none"
        self.notes.append(f"the head is as initialised, for {classes} classes: {reason}")

    def _judge_stem(self, kernel: str) -> None:
        here = tuple(self.wanted[kernel].shape)
        there = tuple(self.taken[kernel].shape) if kernel in self.taken else here
        if here == there or len(here) != len(there) or here[0] != there[0]:
            return
        self._leave({kernel})
        self.notes.append(
            f"the first kernel is as initialised, {_size(here)}: the file's is {_size(there)}, of "
            "another --stem or image size"
        )

    def _judge_positions(self) -> None:
        if POSITIONS not in self.wanted or POSITIONS not in self.taken:
            return
        here, there = self.wanted[POSITIONS].shape, self.taken[POSITIONS].shape
        sides = [math.isqrt(max(0, shape[1] - 1)) for shape in (here, there) if len(shape) == 3]
        squares = [shape[1] - 1 for shape in (here, there) if len(shape) == 3]
        if here == there or [s * s for s in sides] != squares or here[::2] != there[::2]:
            return
        self.taken[POSITIONS] = _interpolated(self.taken[POSITIONS], sides[1], sides[0])
        self.notes.append(
            f"position embeddings are interpolated from {_size((sides[1],) * 2)} patches to "
            f"{_size((sides[0],) * 2)}"
        )

    def _leave(self, names: set[str]) -> None:
        self.explained |= names
        for key in names:
            self.taken.pop(key, None)

    def _faults(self) -> list[str]:
        faults = []
        for key, value in self.wanted.items():
            if key in self.taken:
                here, there = tuple(value.shape), tuple(self.taken[key].shape)
                if here != there:
                    faults.append(f"{key} is {_size(there)}, expected {_size(here)}")
            elif key not in self.explained and not key.endswith(COUNTER):
                faults.append(f"{key} is missing")
        return faults + [f"{key} is not expected" for key in self.taken if key not in self.wanted]


def _interpolated(positions: torch.Tensor, old: int, new: int) -> torch.Tensor:
    """(1, 1 + old * old, channels) -> (1, 1 + new * new, channels), as torchvision does it.

    The class token's stays as it is (Dosovitskiy et al. 2021, section 3.2,
    https://arxiv.org/abs/2010.11929).
    """
    token, patches = positions[:, :1], positions[:, 1:]
    square = patches.transpose(1, 2).reshape(1, -1, old, old)
    square = functional.interpolate(square, size=new, mode="bicubic", align_corners=True)
    return torch.cat([token, square.flatten(2).transpose(1, 2)], dim=1)


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(str(length) for length in shape) or "a number"
