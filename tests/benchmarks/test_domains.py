"""Policies cross-validated: every image is tested once, and what is finished is kept."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="module")
def domains() -> Any:
    import domains

    return domains


def test_parts_have_equally_many_of_each_class(domains: Any, tmp_path: Path) -> None:
    for label, count in (("a", 7), ("b", 3)):
        (tmp_path / "train" / label).mkdir(parents=True)
        for number in range(count):
            (tmp_path / "train" / label / f"{number}.png").touch()
    (tmp_path / "train" / "a" / "notes.txt").touch()
    rows = list(domains._rows(tmp_path, 3))
    assert len({path for path, _, _ in rows}) == len(rows) == 10
    counts = [[part for _, label, part in rows if label == name] for name in "ab"]
    assert [sorted(map(found.count, range(3))) for found in counts] == [[2, 2, 3], [1, 1, 1]]
    assert rows == list(domains._rows(tmp_path, 3))


def test_the_report_of_what_was_recognised(domains: Any) -> None:
    def recognised(*counts: int) -> list[Any]:
        return [np.arange(20) < count for count in counts]

    options = argparse.Namespace(data=Path("letters"), folds=2, seeds=2, size=32, epochs=9)
    found = {
        "basic": [recognised(10, 12), recognised(14, 12)],
        "my/flips.yaml": [recognised(8, 8), recognised(6, 8)],
    }
    lines = domains.report(found, options).splitlines()
    assert lines[0].startswith("40 images of `letters` in 2 parts, 2 seeds, 32 pixels, 9 epochs")
    assert lines[-2] == "| basic | 60.0 | 55.0 65.0 |  |"
    assert lines[-1].startswith("| flips | 37.5 | 40.0 35.0 | -22.5 (")


def test_the_corrected_interval(domains: Any) -> None:
    """Nadeau and Bengio 2003: variance (1 / J + n_test / n_train) s^2, J - 1 degrees of freedom."""
    differences = np.random.default_rng(0).normal(3, 2, (3, 5))
    found = domains.corrected(differences)
    assert found.mean == pytest.approx(differences.mean())
    variance = (1 / 15 + 1 / 4) * differences.var(ddof=1)
    quantile = 2.1447866879  # of Student's distribution, 14 degrees of freedom, 97.5 %
    assert found.half_width == pytest.approx(quantile * variance**0.5)


def test_trains_tests_and_keeps(
    domains: Any, split_photos: Path, tmp_path: Path, sketches: None
) -> None:
    shards = tmp_path / "shards"
    from augcli.augment import ExpandConfig, expand

    expand(ExpandConfig(data=str(split_photos), out=shards, size=16, copies=0, workers=1))
    one = domains.One("none", 0, 0, shards, tmp_path / "none-0-0.npy")
    assert domains._train(one, 1).startswith("none, seed 0, part 0: ")
    assert np.load(one.kept).dtype == np.bool_
