"""`--balance` from the option to the trainer: tables, distinct copies, and the same on the fly."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from augcli.augment import ExpandConfig, expand
from augcli.cli import main
from augcli.manifests.samples_file import read_samples
from augcli.shards.verification import verify
from augcli.train.batch import Batch
from augcli.train.config import TrainConfig
from augcli.train.sources import open_sources

KEPT = {"circle": 8, "square": 3, "stripes": 5}  # 3 into 8 goes 2 2/3 times


@pytest.fixture(scope="module")
def uneven(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8, 3 and 5 training images, and one of each class for validation."""
    data = tmp_path_factory.mktemp("uneven")
    for name, count in KEPT.items():
        found = sorted((photos / name).iterdir())
        for split, chosen in (("train", found[:count]), ("validation", found[-1:])):
            (data / split / name).mkdir(parents=True)
            for path in chosen:
                shutil.copy(path, data / split / name / f"{split}-{path.name}")
    return data


def config(data: Path, out: Path, **changes: object) -> ExpandConfig:
    base = ExpandConfig(
        data=str(data),
        out=out,
        copies=2,
        size=24,
        codec="png",
        policy="side-on",
        val_fraction=0.0,
        test_fraction=0.0,
        balance="full",
        shard_size=6,
        workers=1,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def epoch_of(settings: TrainConfig, epoch: int) -> list[Batch]:
    sources = open_sources(settings, "cpu").sources
    try:
        return list(sources.train.batches(epoch))
    finally:
        sources.close()


@pytest.mark.parametrize(("mode", "expected"), [("full", (8, 8, 8)), ("sqrt", (8, 5, 6))])
@pytest.mark.parametrize("format", ["tar", "folder"])
def test_every_round_has_the_views_and_no_view_comes_twice(
    uneven: Path, tmp_path: Path, mode: str, expected: tuple[int, ...], format: str
) -> None:
    out = tmp_path / "out"
    result = expand(config(uneven, out, balance=mode, format=format))
    assert result.manifest is not None
    train, val = result.manifest.splits["train"], result.manifest.splits["val"]
    assert (train.per_class, train.views_per_class) == ((8, 3, 5), expected)
    assert val.views_per_class == val.per_class == (1, 1, 1)  # evaluation is never balanced
    table = read_samples(out / "samples.parquet", split="train")
    rounds = Counter(zip(*(table.column(n).to_pylist() for n in ("round", "label")), strict=True))
    assert rounds == {(r, label): expected[label] for r in range(3) for label in range(3)}
    copies = list(zip(*(table.column(n).to_pylist() for n in ("key", "copy")), strict=True))
    assert len(set(copies)) == len(copies)
    assert copies.count((copies[0][0], 0)) == 1
    assert verify(out).faults == ()


def test_the_copies_of_a_minority_image_are_distinct_pictures(uneven: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    # One that never leaves an image as it is: of the others two copies can both be untouched.
    policy = "keras:rotation_range=180,brightness_range=[0.6,1.4]"
    expand(config(uneven, out, format="folder", policy=policy))
    pictures = [path.read_bytes() for path in (out / "train" / "square").iterdir()]
    assert len(pictures) == 3 * 8
    assert len(set(pictures)) == len(pictures)


@pytest.mark.parametrize("originals", [True, False])
@pytest.mark.parametrize("mode", ["full", "sqrt"])
@pytest.mark.parametrize("format", ["tar", "folder"])
def test_on_the_fly_draws_what_every_stored_round_holds(
    uneven: Path, tmp_path: Path, mode: str, originals: bool, format: str
) -> None:
    out = tmp_path / "out"
    expand(
        config(
            uneven,
            out,
            balance=mode,
            originals=originals,
            format=format,
            class_policy=("square=top-down+augmentor",),
        )
    )
    stored = TrainConfig(source="shards", shards=out, batch_size=5, workers=0)
    seen: list[torch.Tensor] = []
    for epoch in range(2 + originals):
        first = epoch_of(stored, epoch)
        second = epoch_of(replace(stored, source="on-the-fly"), epoch)
        assert sum(len(batch.keys) for batch in first) == (24 if mode == "full" else 19)
        for one, other in zip(first, second, strict=True):
            assert one.keys == other.keys
            assert torch.equal(one.labels, other.labels)
            assert torch.equal(one.images, other.images)
        seen.append(torch.cat([batch.images for batch in first]))
    assert not torch.equal(seen[0].sort(0).values, seen[1].sort(0).values)


def test_a_run_with_balance_is_byte_deterministic(uneven: Path, tmp_path: Path) -> None:
    one = expand(config(uneven, tmp_path / "one", workers=1)).manifest
    two = expand(config(uneven, tmp_path / "two", workers=2)).manifest
    assert one is not None
    assert one == two


def test_before_and_after_are_told(uneven: Path, tmp_path: Path) -> None:
    arguments = ["expand", "--data", str(uneven), "--out", str(tmp_path / "out"), "--size", "24"]
    arguments += ["--val-fraction", "0", "--test-fraction", "0"]
    plain = CliRunner().invoke(main, [*arguments, "--dry-run"])
    assert plain.exit_code == 0, plain.stderr
    assert "views per image" not in plain.stdout
    told = CliRunner().invoke(main, [*arguments, "--dry-run", "--balance"])
    assert told.exit_code == 0, told.stderr
    rows = [line.split() for line in told.stdout.splitlines()]
    assert ["circle", "8", "8", "1.00"] in rows
    assert ["square", "3", "8", "2.67"] in rows
    content = json.loads(
        CliRunner().invoke(main, [*arguments, "--dry-run", "--balance", "sqrt", "--json"]).stdout
    )
    assert content["balance"] == [
        {"class": "circle", "samples": 8, "views_per_round": 8},
        {"class": "square", "samples": 3, "views_per_round": 5},
        {"class": "stripes", "samples": 5, "views_per_round": 6},
    ]


def test_an_unknown_mode_lists_the_choices(uneven: Path, tmp_path: Path) -> None:
    arguments = ["expand", "--data", str(uneven), "--out", str(tmp_path), "--balance", "log"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert all(mode in result.stderr for mode in ("--balance", "none", "full", "sqrt"))
