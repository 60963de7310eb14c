"""What a run trains from is held against what was recorded of it."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augcli.augment.config import ExpandConfig
from augcli.augment.expansion import expand
from augcli.manifests.errors import AugcliError, Interrupted, UsageError
from augcli.manifests.hashing import sha256_file
from augcli.manifests.samples_file import read_samples
from augcli.train.config import TrainConfig
from augcli.train.epoch import Progress
from augcli.train.run import train
from augcli.train.sources import open_sources

BROKEN = b"\xff\xd8\xff no image"

pytestmark = pytest.mark.usefixtures("sketches", "tiny")


@pytest.fixture
def data(split_photos: Path, tmp_path: Path) -> Path:
    """A copy of the photographs that a test may change."""
    return Path(shutil.copytree(split_photos, tmp_path / "data"))


@pytest.fixture
def dataset(split_photos: Path, tmp_path: Path) -> Path:
    out = tmp_path / "expanded"
    expand(ExpandConfig(data=str(split_photos), out=out, copies=1, size=16, workers=1))
    return out


def edit_manifest(dataset: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = dataset / "manifest.json"
    content = json.loads(path.read_bytes())
    change(content)
    path.write_text(json.dumps(content))


def edit_samples(dataset: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change `samples.parquet`, and its hash in the manifest to suit."""
    path = dataset / "samples.parquet"
    pq.write_table(change(read_samples(path)), path)
    edit_manifest(dataset, lambda content: content["samples"].update(sha256=sha256_file(path)))


def replace_first(name: str, value: object) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        values = table.column(name).to_pylist()
        values[0] = value
        index = table.schema.get_field_index(name)
        column = pa.array(values, table.schema.field(index).type)
        return table.set_column(index, table.schema.field(index), column)

    return change


def stop_at_once(step: Progress) -> None:
    signal.raise_signal(signal.SIGINT)


# ---- from a reference dataset ----


def test_a_replaced_image_is_noticed_on_resume(data: Path, tmp_path: Path) -> None:
    config = TrainConfig(
        data=str(data), model="tiny", size=16, epochs=2, workers=0, out=tmp_path / "run",
        device="cpu",
    )  # fmt: skip
    with pytest.raises(Interrupted):
        train(config, progress=stop_at_once)
    circle, other = sorted((data / "train" / "circle").iterdir())[:2]
    shutil.copy(other, circle)
    with pytest.raises(UsageError, match=r"source\.images_sha256: was "):
        train(dataclasses.replace(config, resume=True))


def test_other_library_versions_are_noticed_on_resume(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = TrainConfig(
        data=str(data), model="tiny", size=16, epochs=2, workers=0, out=tmp_path / "run",
        device="cpu",
    )  # fmt: skip
    with pytest.raises(Interrupted):
        train(config, progress=stop_at_once)
    monkeypatch.setattr(
        "augcli.train.sources.package_versions", lambda names: dict.fromkeys(names, "99")
    )
    with pytest.raises(UsageError, match=r'source\.versions\.pillow: was .*, is now "99"'):
        train(dataclasses.replace(config, resume=True))


def test_an_image_replaced_during_training_is_named(data: Path) -> None:
    sources = open_sources(TrainConfig(data=str(data), size=16, workers=0), "cpu").sources
    circle, other = sorted((data / "train" / "circle").iterdir())[:2]
    shutil.copy(other, circle)
    with pytest.raises(AugcliError, match=rf"{circle}: is not the image"):
        list(sources.train.batches(0))


def test_a_class_without_a_usable_image_is_named(data: Path) -> None:
    for image in (data / "train" / "square").iterdir():
        image.write_bytes(BROKEN)
    with pytest.raises(AugcliError) as refused:
        open_sources(TrainConfig(data=str(data), size=16), "cpu")
    message = str(refused.value)
    assert "no training images for: square" in message
    assert "6 images can't be used, first " in message and "square/00.jpg" in message


def test_some_unusable_images_are_left_out(data: Path) -> None:
    (data / "train" / "square" / "00.jpg").write_bytes(BROKEN)
    opened = open_sources(TrainConfig(data=str(data), size=16, workers=0), "cpu")
    assert [failure.source for failure in opened.failures] == ["train/square/00.jpg"]
    assert opened.sources.train.samples == 17


# ---- from an expanded dataset ----


@pytest.mark.parametrize("source", ["on-the-fly", "none"])
def test_views_are_not_remade_with_other_versions(dataset: Path, source: str) -> None:
    edit_manifest(dataset, lambda content: content["versions"].update(numpy="1.0", gone="3"))
    with pytest.raises(AugcliError) as refused:
        open_sources(TrainConfig(source=source, shards=dataset), "cpu")
    message = str(refused.value)
    assert "numpy: was 1.0, is now " in message
    assert "gone: was 3, is now not installed" in message
    assert message.count(": was ") == 2 + 1  # "was expanded with other versions"
    open_sources(TrainConfig(shards=dataset), "cpu")


@pytest.mark.parametrize("source", ["shards", "on-the-fly"])
def test_a_changed_table_of_samples_is_not_trusted(dataset: Path, source: str) -> None:
    table = replace_first("label", 1)(read_samples(dataset / "samples.parquet"))
    pq.write_table(table, dataset / "samples.parquet")
    with pytest.raises(AugcliError, match=r"samples\.parquet: its bytes .*augcli verify"):
        open_sources(TrainConfig(source=source, shards=dataset), "cpu")
    (dataset / "samples.parquet").unlink()
    with pytest.raises(AugcliError, match=r"samples\.parquet: can't be read.*expand again"):
        open_sources(TrainConfig(source=source, shards=dataset), "cpu")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.slice(1), "has 35 train rows where manifest.json has 36 views"),
        (replace_first("label", 3), "has labels 0 to 3 for 3 classes"),
        (replace_first("label", -1), "has labels -1 to 2 for 3 classes"),
        (replace_first("key", "stranger"), "the train rounds differ in samples"),
        (
            replace_first("shard", "../../x.tar"),
            "not a table of augcli's: the shard '../../x.tar' lies outside of its folder",
        ),
        (replace_first("shard", "x.tar"), "names the shard x.tar, which is none of"),
        (
            replace_first("shard", "val-00000.tar"),
            "names the shard val-00000.tar, which is none of the train shards",
        ),
    ],
)
def test_a_table_that_contradicts_the_manifest(
    dataset: Path, change: Callable[[pa.Table], pa.Table], message: str
) -> None:
    edit_samples(dataset, change)
    with pytest.raises(AugcliError) as refused:
        open_sources(TrainConfig(shards=dataset), "cpu")
    assert f"samples.parquet: {message}" in str(refused.value)


def test_no_more_rounds_than_are_stored(dataset: Path) -> None:
    with pytest.raises(UsageError, match=r"--rounds 3: .*expanded has 2: ask for no more"):
        open_sources(TrainConfig(shards=dataset, rounds=3), "cpu")
    with pytest.raises(UsageError, match="--rounds goes with --source shards"):
        open_sources(TrainConfig(shards=dataset, source="on-the-fly", rounds=1), "cpu")


def test_stored_views_have_the_policy_that_they_have(dataset: Path) -> None:
    with pytest.raises(UsageError, match=r"--policy: with --shards, .* --source on-the-fly"):
        open_sources(TrainConfig(shards=dataset, policy="basic"), "cpu")


def test_the_policy_that_was_taken_is_recorded(dataset: Path) -> None:
    config = TrainConfig(shards=dataset, source="on-the-fly", policy="rotate-flip", workers=0)
    recorded = open_sources(config, "cpu").description["policy"]
    names = [node["__class_fullname__"] for node in recorded["transform"]["transforms"]]
    assert names == ["Rotate", "HorizontalFlip"]


def test_counts_that_the_manifest_gets_wrong(dataset: Path) -> None:
    edit_manifest(dataset, lambda content: content.update(rounds=0))
    with pytest.raises(AugcliError, match=r"36 train rows .* 36 views: 18 in each of 0 rounds"):
        open_sources(TrainConfig(shards=dataset), "cpu")


def test_the_first_batch_does_not_wait_for_pandas(dataset: Path) -> None:
    code = """
import sys
from augcli.train import TrainConfig, open_sources
sources = open_sources(TrainConfig(shards=sys.argv[1], workers=1), "cpu").sources
next(sources.train.batches(0))
sources.close()
assert "pandas" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code, str(dataset)], check=True)
