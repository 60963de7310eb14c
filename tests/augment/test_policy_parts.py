"""Policies taken apart and put together again with some of their transforms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from augcli.augment.policy import resolve_policy
from augcli.augment.policy_parts import part_names, policy_file_text, with_parts

SIZE = 16


@pytest.mark.parametrize(
    ("policy", "names"),
    [
        ("none", ()),
        ("side-on", ("HorizontalFlip", "Affine", "RandomBrightnessContrast")),
        ("rotate-flip+autoaugment", ("Rotate", "HorizontalFlip", "AutoAugment")),
        (
            "rotate-flip+rotate-flip",
            ("Rotate 1", "HorizontalFlip 1", "Rotate 2", "HorizontalFlip 2"),
        ),
    ],
)
def test_each_transform_has_a_name_of_its_own(policy: str, names: tuple[str, ...]) -> None:
    assert part_names(resolve_policy(policy, SIZE).serialized) == names


def test_what_is_kept_is_as_it_was(tmp_path: Path) -> None:
    whole = resolve_policy("rotate-flip+basic+rotate-flip", SIZE).serialized
    nodes = whole["transform"]["transforms"]
    part = with_parts(whole, ["RandomBrightnessContrast", "Rotate 2"])
    assert part["transform"]["transforms"] == [nodes[3], nodes[4]]
    assert with_parts(whole, part_names(whole)) == whole
    path = tmp_path / "part.yaml"
    path.write_text(policy_file_text(part))
    assert resolve_policy(str(path), SIZE).serialized == part


def test_nothing_left_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "nothing.yaml"
    path.write_text(policy_file_text(with_parts(resolve_policy("basic", SIZE).serialized, ())))
    image = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    drawn, applied = resolve_policy(str(path), SIZE).build()(image, 7)
    assert np.array_equal(drawn, image) and applied == []
