"""The compiler: which rules there are, what is left alone, and how a dry run explains it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from augcli.augment.compiler import POINTWISE, RULES, compile_node, explained, names, op_by_op
from augcli.augment.pipeline import A
from augcli.augment.policy import Policy, resolve_policy
from augcli.augment.policy_file import TRANSFORMS
from augcli.augment.policy_serial import serialize
from augcli.augment.seeding import ViewStream
from augcli.augment.steps import (
    GEOMETRY,
    JOINED,
    NOTHING,
    OP_BY_OP,
    PERMUTED,
    TABLE,
    Foreign,
    flattened,
)
from augcli.manifests.errors import AugcliError, UsageError

SIZE = 48


def node_of(*transforms: Any) -> dict[str, Any]:
    node: dict[str, Any] = serialize(A.Compose(list(transforms)))["transform"]
    return node


def leaf(transform: Any) -> Any:
    return flattened([compile_node(node_of(transform), ViewStream())])[0]


def test_rules_are_for_transforms_that_policies_may_use() -> None:
    assert set(RULES) <= set(TRANSFORMS)
    assert set(TRANSFORMS) >= POINTWISE
    assert not POINTWISE & set(RULES)


@pytest.mark.parametrize(
    "transform",
    [
        A.Affine(scale=(0.5, 2.0), balanced_scale=True),
        A.RandomBrightnessContrast(brightness_by_max=False),
        A.RandomBrightnessContrast(ensure_safe_range=True),
        A.RandomResizedCrop((SIZE, SIZE), interpolation=0),
        A.RandomResizedCrop((SIZE, SIZE), interpolation=6),
        A.RandomSizedCrop((20, 30), (SIZE, SIZE), interpolation=3),
        A.SafeRotate(),
        A.GaussNoise(),
    ],
    ids=lambda transform: type(transform).__name__,
)
def test_what_no_rule_covers_is_left_to_albumentations(transform: Any) -> None:
    assert isinstance(leaf(transform), Foreign)


@pytest.mark.parametrize(
    "transform",
    [A.Affine(fit_output=True), A.Rotate(crop_border=True)],
    ids=lambda transform: type(transform).__name__,
)
@pytest.mark.parametrize("make", [compile_node, op_by_op])
def test_what_changes_the_size_is_refused(transform: Any, make: Any) -> None:
    with pytest.raises(UsageError, match="must keep size"):
        make(node_of(transform), ViewStream())


@pytest.mark.parametrize("make", [compile_node, op_by_op])
@pytest.mark.parametrize("name", ["Lambda", "os.system", "builtins.eval", "__import__", ""])
def test_a_class_that_is_not_on_the_list_is_refused(make: Any, name: str) -> None:
    hostile = {"__class_fullname__": name, "p": 1.0, "transforms": []}
    with pytest.raises(UsageError, match="unknown or not allowed"):
        make({"__class_fullname__": "OneOf", "p": 1.0, "transforms": [hostile]}, ViewStream())


def test_op_by_op_compiles_nothing() -> None:
    node = node_of(A.D4(), A.OneOf([A.Rotate(), A.InvertImg()]), A.RandomGamma())
    leaves = flattened([op_by_op(node, ViewStream())])
    assert [type(step).__name__ for step in leaves] == ["Foreign"] * 4
    assert [step.p for step in leaves] == [1.0, 0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (lambda size: A.RandomResizedCrop(size), (32, 32)),
        (lambda size: A.RandomResizedCrop(size), (SIZE, SIZE + 1)),
        (lambda size: A.RandomSizedCrop((20, 30), size), (32, 32)),
    ],
)
@pytest.mark.parametrize("compiled", [True, False])
def test_a_crop_to_another_size_is_refused(make: Any, size: Any, compiled: bool) -> None:
    """Regression: the compiled form went on at the view's size, as if nothing had been said."""
    import numpy as np

    policy = Policy(serialize(A.Compose([make(size)])), compiled=compiled)
    with pytest.raises(AugcliError, match="must keep size"):
        policy(np.zeros((SIZE, SIZE, 3), np.uint8), seed=1)


# ---- explained


def test_a_dry_run_says_what_becomes_of_each_transform() -> None:
    node = node_of(
        A.HorizontalFlip(),
        A.OneOf([A.Rotate(), A.RandomResizedCrop((SIZE, SIZE))]),
        A.RandomGamma(),
        A.InvertImg(),
        A.GaussNoise(),
        A.NoOp(),
        A.Affine(),
        A.RandomGamma(),
        A.D4(),
        A.VerticalFlip(),
    )
    assert explained(node, compile_node(node, ViewStream())) == [
        ("HorizontalFlip + Rotate + RandomResizedCrop", JOINED),
        ("RandomGamma + InvertImg", TABLE),
        ("GaussNoise", OP_BY_OP),
        ("NoOp", NOTHING),
        ("Affine", GEOMETRY),
        ("RandomGamma", TABLE),
        ("D4 + VerticalFlip", PERMUTED),
    ]
    one_by_one = op_by_op(node, ViewStream())
    assert [how for _, how in explained(node, one_by_one)] == [OP_BY_OP]


def test_a_policy_without_transforms_has_nothing_to_explain() -> None:
    assert explained(node_of(), compile_node(node_of(), ViewStream())) == []


def test_names_are_short_and_in_order() -> None:
    policy = resolve_policy("rotate-flip+randaugment", SIZE)
    assert list(names(policy.serialized["transform"])) == [
        "Rotate",
        "HorizontalFlip",
        "RandAugment",
    ]
    assert policy.build().explained() == [
        ("Rotate + HorizontalFlip", GEOMETRY),
        ("RandAugment", OP_BY_OP),
    ]


# ---- what it costs to start


@pytest.mark.parametrize("name", ["side-on", "top-down", "rotate-flip", "basic", "none"])
def test_a_compiled_policy_needs_no_albumentations(name: str) -> None:
    """Importing it takes a second in every worker."""
    code = (
        "import json, sys, numpy; from augcli.augment.policy import Policy\n"
        "policy = Policy(json.loads(sys.argv[1]))\n"
        "for seed in range(20): policy(numpy.zeros((48, 48, 3), numpy.uint8), seed)\n"
        "assert 'albumentations' not in sys.modules\n"
    )
    text = json.dumps(resolve_policy(name, SIZE).serialized)
    subprocess.run([sys.executable, "-c", code, text], check=True, timeout=120)
