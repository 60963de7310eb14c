"""The reference dataset's records: what a split lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from augcli.manifests.reference import Reference, classes_without
from augcli.manifests.sample_list import Sample, Samples


@pytest.mark.parametrize(
    ("of_split", "missing"),
    [
        ({"train": [0, 1, 2], "val": [0, 1, 2]}, ()),
        ({"train": [0, 1, 2], "val": [1, 1]}, ("a", "c")),
        ({"train": [0, 1, 2]}, ()),  # nobody has any: the split isn't there
    ],
)
def test_classes_that_a_split_lacks(of_split: dict[str, list[int]], missing: tuple[str]) -> None:
    samples = [
        Sample(f"{split}{number}", f"{number}.jpg", split, label)
        for split, labels in of_split.items()
        for number, label in enumerate(labels)
    ]
    reference = Reference("x", "", Path("x"), ("a", "b", "c"), Samples.of(samples))
    assert classes_without(reference, "val") == missing
    assert classes_without(reference, "train") == ()
