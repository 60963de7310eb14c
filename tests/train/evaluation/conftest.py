"""Tiny runs, trained once."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageOps

from augcli.augment.config import ExpandConfig
from augcli.augment.expansion import expand
from augcli.train.config import TrainConfig
from augcli.train.run import train

SIZE = 16


@pytest.fixture(scope="session")
def folder_run(split_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained on the fly, from a folder, with the policy side-on."""
    out = tmp_path_factory.mktemp("runs") / "folder"
    train(TrainConfig(data=str(split_photos), size=SIZE, epochs=1, workers=0, out=out))
    return out


@pytest.fixture(scope="session")
def new_photos(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As many as `photos`, of the same classes, none of which a run has had."""
    folder = tmp_path_factory.mktemp("new_photos") / "shapes"
    for path in sorted(photos.rglob("*.jpg")):
        target = folder / path.relative_to(photos)
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as image:
            ImageOps.mirror(image).save(target)
    return folder


@pytest.fixture(scope="session")
def shards_run(split_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained from the shards in `dataset`, which lies beside it and has no originals."""
    folder = tmp_path_factory.mktemp("runs")
    dataset = folder / "dataset"
    expand(
        ExpandConfig(
            data=str(split_photos), out=dataset, copies=1, size=SIZE, codec="npy", workers=1,
            originals=False, fit="pad",
        )
    )  # fmt: skip
    out = folder / "shards"
    train(TrainConfig(shards=str(dataset), epochs=1, workers=0, out=out, seed=1))
    return out
