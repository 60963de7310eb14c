"""The dataset card: what the hub reads, whatever the classes are called."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from augcli.augment import ExpandConfig, expand


def card_of(data: Path, out: Path) -> str:
    expand(ExpandConfig(data=str(data), out=out, copies=1, size=32, workers=1))
    return (out / "README.md").read_text("utf-8")


def test_front_matter_names_the_splits_that_are_there(photos: Path, tmp_path: Path) -> None:
    front = card_of(photos, tmp_path / "out").split("---\n")[1]
    files = yaml.safe_load(front)["configs"][0]["data_files"]
    assert {item["split"] for item in files} <= {"train", "validation", "test"}
    for item in files:
        assert list((tmp_path / "out").glob(item["path"]))


def test_odd_class_names_stay_in_their_cells(photos: Path, tmp_path: Path) -> None:
    data = tmp_path / "a|b"
    shutil.copytree(photos, data)
    (data / "circle").rename(data / "do|g\nx")
    (data / "square").rename(data / "<script>")
    body = card_of(data, tmp_path / "out").split("---\n", 2)[2]
    table = [line for line in body.splitlines() if line.startswith("| ")]
    assert len({line.replace("\\|", "").count("|") for line in table}) == 1
    assert "<script>" not in body
