"""The dataset card: what the hub reads, whatever the classes are called."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from augcli.augment import ExpandConfig, expand
from augcli.augment.card import HUB_SPLITS


def card_of(data: Path, out: Path, **options: Any) -> str:
    expand(ExpandConfig(data=str(data), out=out, copies=1, size=32, workers=1, **options))
    return (out / "README.md").read_text("utf-8")


def test_front_matter_names_the_splits_that_are_there(photos: Path, tmp_path: Path) -> None:
    front = card_of(photos, tmp_path / "out").split("---\n")[1]
    files = yaml.safe_load(front)["configs"][0]["data_files"]
    assert {item["split"] for item in files} <= {"train", "validation", "test"}
    for item in files:
        assert list((tmp_path / "out").glob(item["path"]))


def test_a_tree_of_folders_is_described_as_one(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Was: shards that there are none of, and how to open them."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    out = tmp_path / "out"
    _, front, body = card_of(photos, out, format="folder").split("---\n", 2)
    assert "webdataset" not in front and "wds" not in body and ".tar" not in front + body
    assert f"`SPLIT/CLASS/KEY-cCOPY.{jpegs(out)[0].suffix[1:]}`" in body
    exec(example(body).replace('"train"', repr(str(out / "train"))), found := {})
    assert len(found["views"]) == len(jpegs(out / "train"))
    loaded = pytest.importorskip("datasets").load_dataset(str(out), streaming=True)
    features = {split: len(list(rows)) for split, rows in loaded.items()}
    splits = {HUB_SPLITS[name]: len(jpegs(out / name)) for name in HUB_SPLITS}
    assert features == {name: count for name, count in splits.items() if count}


def test_the_example_opens_a_shard_that_is_there(photos: Path, tmp_path: Path) -> None:
    """Was: always the first of all, which pruning can take away."""
    data, out = Path(shutil.copytree(photos, tmp_path / "data")), tmp_path / "out"
    settings = {"shard_size": 30, "val_fraction": 0.0, "test_fraction": 0.0, "prune": True}
    card_of(data, out, **settings)
    older = sorted(data.rglob("*.jpg"))
    for class_name in ("circle", "square", "stripes"):
        content = (data / class_name / "00.jpg").read_bytes() + b"\0"
        (data / class_name / "new.jpg").write_bytes(content)
    card_of(data, out, **settings)
    for path in older:
        path.unlink()
    text = card_of(data, out, **settings)
    assert "train-r000-00000.tar" not in text
    assert (out / "shards" / "train-r000-00001.tar").exists()
    assert 'WebDataset("shards/train-r000-00001.tar")' in text


def jpegs(folder: Path) -> list[Path]:
    return list(folder.rglob("*.jpg"))


def example(body: str) -> str:
    """The code in a card."""
    return body.split("```python\n")[1].split("```")[0]


def test_odd_class_names_stay_in_their_cells(photos: Path, tmp_path: Path) -> None:
    data = tmp_path / "a|b"
    shutil.copytree(photos, data)
    (data / "circle").rename(data / "do|g\nx")
    (data / "square").rename(data / "<script>")
    body = card_of(data, tmp_path / "out").split("---\n", 2)[2]
    table = [line for line in body.splitlines() if line.startswith("| ")]
    assert len({line.replace("\\|", "").count("|") for line in table}) == 1
    assert "<script>" not in body
