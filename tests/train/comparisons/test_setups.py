"""From arms to trainings: what is the same in all, and what decides their views."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from augcli.train.comparisons.expanding import Stored
from augcli.train.comparisons.measurements import Arm
from augcli.train.comparisons.setups import Setups, deciding

Expand = Callable[..., Stored]

NONE = Arm("none", "none", "none")
FRESH = Arm("on-the-fly", "on-the-fly", "rotate-flip")
ONE = Arm("shards-1", "shards", "rotate-flip", rounds=2)
ORIGINALS = Arm("originals+on-the-fly", "originals", "rotate-flip", rounds=1)
RESIDUAL = Arm("shards-1+residual", "shards", "rotate-flip", 2, "flip")


def test_trainings_differ_in_where_views_are_from(setups: Setups, split_photos: Path) -> None:
    shards = str(setups.stored(NONE).folder)
    own = {
        arm.name: {
            name: value
            for name, value in dataclasses.asdict(setups.training(arm, 3, lr=0.1)).items()
            if value != getattr(setups.training(NONE, 3, lr=0.1), name)
        }
        for arm in (NONE, FRESH, ONE, ORIGINALS, RESIDUAL)
    }
    assert own == {
        "none": {},
        "on-the-fly": {"source": "on-the-fly"},
        "shards-1": {"source": "shards", "data": None, "rounds": 2},
        "originals+on-the-fly": {"source": "on-the-fly", "data": None, "from_originals": True},
        "shards-1+residual": {"source": "shards", "data": None, "rounds": 2, "residual": "flip"},
    }
    common = setups.training(NONE, 3, lr=0.1)
    assert (common.seed, common.lr, common.epochs, common.batch_size) == (3, 0.1, 2, 6)
    assert (common.shards, common.data) == (shards, str(split_photos))


def test_what_decides_is_told_without_places(setups: Setups) -> None:
    assert deciding(setups.training(ONE, 1)) == {
        "source": "shards", "model": "tiny", "epochs": 2, "batch_size": 6, "seed": 1, "rounds": 2,
        "residual": "none", "sizes": "none",
    }  # fmt: skip


def test_files_are_those_that_training_reads(setups: Setups, split_photos: Path) -> None:
    assert set(setups.files(FRESH)) == set((split_photos / "train").glob("*/*.jpg"))
    assert {path.name[:10] for path in setups.files(ONE)} == {"train-r000", "train-r001"}
    assert {path.name[:10] for path in setups.files(ORIGINALS)} == {"train-r000"}
    assert all(path.is_file() for path in (*setups.files(ONE), *setups.files(FRESH)))


def test_an_identity_of_views(
    expand_here: Expand, setups: Setups, stored: Stored, split_photos: Path, tmp_path: Path
) -> None:
    grown = Setups(setups._config, {"rotate-flip": expand_here(tmp_path, split_photos, copies=3)})
    assert grown.stored(ONE).manifest.rounds == 4
    for arm in (NONE, ONE, FRESH, ORIGINALS):
        assert grown.views_identity(arm) == setups.views_identity(arm)
    assert setups.views_identity(NONE) != setups.views_identity(FRESH)
    options = {**stored.manifest.options, "seed": 1}
    other = dataclasses.replace(
        stored, manifest=dataclasses.replace(stored.manifest, options=options)
    )
    reseeded = Setups(setups._config, {"rotate-flip": other})
    assert reseeded.views_identity(FRESH) != setups.views_identity(FRESH)
    assert stored.manifest.options["size"] == 16
