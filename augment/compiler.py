"""From a policy in serialised form to steps: compiled where there is a rule, else albumentations'.

A registry of rules by class name; a rule that answers None leaves the transform to
albumentations. The nodes are those that `policy_serial.serialize` writes: every argument is there,
in its normal form. albumentations (a second to import) is needed only for what is left to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from augcli.augment import steps_distortion as distortion
from augcli.augment import steps_geometry as geometry
from augcli.augment import steps_light as light
from augcli.augment.seeding import ViewStream
from augcli.augment.steps import (
    GEOMETRY,
    JOINED,
    OP_BY_OP,
    PERMUTED,
    Foreign,
    NoOp,
    OneOf,
    OneOrOther,
    Pointwise,
    Sequential,
    SomeOf,
    Step,
    flattened,
)

Node = Mapping[str, Any]

RULES: dict[str, Callable[[Node], Step | None]] = {
    "Affine": geometry.affine_step,
    "D4": geometry.dihedral_step,
    "ElasticTransform": distortion.elastic_step,
    "HorizontalFlip": geometry.flip_step,
    "NoOp": lambda node: NoOp(float(node["p"])),
    "RandomBrightnessContrast": light.brightness_contrast_step,
    "RandomGamma": light.gamma_step,
    "RandomResizedCrop": geometry.resized_crop_step,
    "RandomRotate90": geometry.rotate90_step,
    "RandomSizedCrop": geometry.sized_crop_step,
    "Rotate": geometry.rotate_step,
    "ShiftScaleRotate": geometry.shift_scale_rotate_step,
    "SquareSymmetry": geometry.dihedral_step,
    "Transpose": geometry.flip_step,
    "VerticalFlip": geometry.flip_step,
}

POINTWISE = frozenset(["InvertImg", "Posterize", "RandomToneCurve", "RGBShift", "Solarize"])
"""Transforms of albumentations that map each value by itself, whatever the picture."""

_COMPOSITIONS: dict[str, Callable[..., Step]] = {
    "Compose": lambda node, p, steps: Sequential(p, steps),
    "Sequential": lambda node, p, steps: Sequential(p, steps),
    "OneOf": lambda node, p, steps: OneOf(p, steps),
    "OneOrOther": lambda node, p, steps: OneOrOther(p, steps),
    "SomeOf": lambda node, p, steps: SomeOf(p, steps, node["n"], node["replace"], False),
    "RandomOrder": lambda node, p, steps: SomeOf(p, steps, node["n"], node["replace"], True),
}


def compile_node(node: Node, stream: ViewStream) -> Step:
    """The step for a node of the serialised form; transforms left alone draw from `stream`."""
    name = str(node["__class_fullname__"])
    if name in _COMPOSITIONS:
        steps = tuple(compile_node(inner, stream) for inner in node["transforms"])
        return _COMPOSITIONS[name](node, float(node["p"]), steps)
    compiled = RULES[name](node) if name in RULES else None
    if compiled is not None:
        return compiled
    from augcli.augment.policy_file import build_transform

    transform = build_transform(node)
    transform.set_random_state(stream.numpy, stream.python)
    return Pointwise(transform) if name in POINTWISE else Foreign(transform)


def op_by_op(node: Node, stream: ViewStream) -> Step:
    """The same policy with nothing compiled, to hold the compiled form against."""
    if str(node["__class_fullname__"]) in _COMPOSITIONS:
        steps = tuple(op_by_op(inner, stream) for inner in node["transforms"])
        return _COMPOSITIONS[str(node["__class_fullname__"])](node, float(node["p"]), steps)
    from augcli.augment.policy_file import build_transform

    transform = build_transform(node)
    transform.set_random_state(stream.numpy, stream.python)
    return Foreign(transform)


def names(node: Node) -> Iterator[str]:
    """The class names of a node's transforms, in order, compositions opened."""
    if "transforms" in node:
        for inner in node["transforms"]:
            yield from names(inner)
    else:
        yield str(node["__class_fullname__"]).rpartition(".")[2]


def explained(node: Node, step: Step) -> list[tuple[str, str]]:
    """What becomes of each run of transforms: (their names, how they are carried out)."""
    runs: list[tuple[list[str], list[Step]]] = []
    for name, leaf in zip(names(node), flattened([step]), strict=True):
        if runs and _how(runs[-1][1][0]) == _how(leaf):
            runs[-1][0].append(name)
            runs[-1][1].append(leaf)
        else:
            runs.append(([name], [leaf]))
    return [(" + ".join(found), _how_all(leaves)) for found, leaves in runs]


def _how(leaf: Step) -> str:
    return str(getattr(leaf, "how", OP_BY_OP))


def _how_all(leaves: Sequence[Step]) -> str:
    """How a run of leaves of one kind is carried out."""
    how = _how(leaves[0])
    if how != GEOMETRY:
        return how
    permutations = (geometry.Flip, geometry.Dihedral, geometry.Rotate90)
    resamplings = sum(not isinstance(leaf, permutations) for leaf in leaves)
    return GEOMETRY if resamplings == 1 else JOINED if resamplings else PERMUTED
