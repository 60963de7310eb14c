"""All scores from predictions."""

from __future__ import annotations

import json

import numpy as np
import pytest

from augcli.train.evaluation.predictions import Predictions
from augcli.train.evaluation.scores import score

PROBABILITIES = np.array(
    [[0.7, 0.2, 0.1, 0.0], [0.2, 0.7, 0.1, 0.0], [0.3, 0.6, 0.1, 0.0], [0.6, 0.3, 0.1, 0.0]]
)
FOUND = Predictions(("a", "b", "c", "d"), np.array([0, 0, 1, 2]), PROBABILITIES)


def test_scores_by_hand() -> None:
    scores = score(FOUND)
    assert (scores.n, scores.accuracy) == (4, 0.5)
    first, second, third, unseen = scores.classes
    assert (first.samples, first.precision, first.recall, first.f1) == (2, 0.5, 0.5, 0.5)
    assert (second.precision, second.recall) == (0.5, 1.0)
    assert second.f1 == pytest.approx(2 / 3)
    assert (third.precision, third.recall, third.f1) == (None, 0.0, 0.0)  # never predicted
    assert (unseen.samples, unseen.recall, unseen.f1, unseen.roc_auc) == (0, None, None, None)
    assert scores.balanced_accuracy == pytest.approx(0.5)
    assert scores.macro_f1 == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)
    assert scores.roc_auc == pytest.approx((0.5 + 2 / 3 + 0.5) / 3)


def test_the_record_is_plain_and_finite() -> None:
    record = score(FOUND).to_json(("w", "x", "y", "z"))
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["classes"]["x"]["recall"] == 1.0
    assert record["confusion"][0] == [1, 1, 0, 0]
    assert sum(part["n"] for part in record["reliability"]) == 4
