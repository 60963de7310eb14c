"""What an ablation measured: plain records, from which all that is said of it follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from augcli.train.comparisons.measurements import Training

ABLATION_VERSION = 1
WHOLE, NOTHING = "whole", "none"


def without(transform: str) -> str:
    """The name of the arm that has all transforms of the policy but this one."""
    return f"without {transform}"


def only(transform: str) -> str:
    """The name of the arm that has this transform alone."""
    return f"only {transform}"


@dataclass(frozen=True)
class Ablation:
    """Trainings on the fly by a policy, by what is left of it, and by none.

    Attributes:
        transforms: of the policy, in its order, each with a name of its own.
        trainings: their arms are `WHOLE`, `NOTHING`, and `without` and `only` of each transform
            (`only` need not be there); all have the same seeds.
        split: the images that they are measured on, `test_images` of them.
        labels: the class of each of those, in the order of `Training.correct`.
    """

    version: int
    command: str
    config: dict[str, Any]
    machine: dict[str, Any]
    dataset: str
    classes: tuple[str, ...]
    train_images: int
    test_images: int
    split: str
    policy: str
    transforms: tuple[str, ...]
    trainings: tuple[Training, ...]
    labels: tuple[int, ...] = ()

    @property
    def arms(self) -> tuple[str, ...]:
        """All that there may be."""
        less = (name(each) for each in self.transforms for name in (without, only))
        return (WHOLE, NOTHING, *less)
