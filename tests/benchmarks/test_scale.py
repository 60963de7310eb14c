"""`benchmarks/scale.py`: what it simulates is what augcli writes and opens."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from augcli.augment.plan import make_plan
from augcli.manifests.balance import balanced


def test_each_step_is_timed() -> None:
    scale = importlib.import_module("scale")
    steps = scale.simulate(1500, copies=1)
    assert [step.name for step in steps[1:]] == ["list", "plan", "write", "open"]
    assert all(step.seconds > 0 for step in steps)
    *planning, opening = [step.peak_bytes for step in steps]
    assert planning == sorted(planning) and planning[0] > 1 << 24
    assert 1 << 24 < opening < planning[-1], "in a process of its own, without this one's memory"


def test_made_up_images_are_planned_as_real_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    scale = importlib.import_module("scale")
    reference = scale.made_up(3000)
    assert {len(reference.classes), *np.unique([s.label for s in reference.samples])} >= {1000, 999}
    plan = make_plan(reference, copies=2, originals=True, repeats=balanced(reference, "none"))
    shards, columns = scale.records(plan.tasks[0])
    assert [shard.name for shard in shards] == [shard.name for shard in plan.tasks[0].shards]
    assert len(columns["key"]) == plan.tasks[0].views
    assert len(set(zip(columns["key"], columns["copy"], strict=True))) == plan.tasks[0].views
