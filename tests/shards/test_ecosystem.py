"""The shards in other people's readers: plain webdataset, Hugging Face `datasets`, `tarfile`."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from augcli.augment import ExpandConfig, expand
from augcli.augment.encode import codec_named
from augcli.manifests.manifest import SAMPLES_FILE, SHARDS_FOLDER, Manifest, read_manifest
from augcli.manifests.samples_file import read_samples, rows_of
from augcli.shards.reader import ShardMap

CODECS = {"jpeg": "jpg", "png": "png", "webp": "webp", "npy": "npy"}
Found = dict[str, tuple[np.ndarray, int, dict[str, Any]]]


@pytest.fixture(scope="module", params=CODECS)
def dataset(
    request: pytest.FixtureRequest, split_photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("expanded") / request.param
    expand(
        ExpandConfig(
            data=str(split_photos), out=out, copies=2, size=32, codec=request.param, workers=1
        )
    )
    return out


def expected(dataset: Path, split: str) -> Found:
    """Views by name, through our own addressed reader."""
    codec = codec_named(str(read_manifest(dataset).options["codec"]))
    shards = ShardMap(dataset)
    found: Found = {}
    for row in rows_of(read_samples(dataset / SAMPLES_FILE, split=split)):
        pixels = codec.decode(shards.read(row.shard, row.offset, row.length))
        found[f"{row.key}-c{row.copy}"] = (pixels, row.label, json.loads(row.member_json()))
    return found


def paths(dataset: Path, manifest: Manifest, split: str) -> list[str]:
    return [str(dataset / SHARDS_FOLDER / shard.name) for shard in manifest.shards_of(split)]


def assert_same_views(found: Found, wanted: Found) -> None:
    assert set(found) == set(wanted)
    for name, (pixels, label, fields) in found.items():
        assert label == wanted[name][1]
        assert fields == wanted[name][2]
        assert np.array_equal(pixels, wanted[name][0]), name


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # webdataset leaves closing files to gc
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_plain_webdataset(dataset: Path, split: str) -> None:
    import webdataset as wds

    manifest = read_manifest(dataset)
    extension = CODECS[str(manifest.options["codec"])]
    reader = wds.WebDataset(
        paths(dataset, manifest, split), shardshuffle=False, empty_check=False
    ).decode("rgb8")
    found = {
        sample["__key__"]: (np.asarray(sample[extension]), sample["cls"], sample["json"])
        for sample in reader
    }
    assert_same_views(found, expected(dataset, split))
    labels = Counter(label for _, label, _ in found.values())
    record = manifest.splits[split]
    rounds = manifest.rounds if split == "train" else 1
    assert [labels[n] for n in range(len(manifest.classes))] == [
        count * rounds for count in record.per_class
    ]


def test_hugging_face_datasets(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    load_dataset = pytest.importorskip("datasets").load_dataset

    manifest = read_manifest(dataset)
    extension = CODECS[str(manifest.options["codec"])]
    data_files = {split: paths(dataset, manifest, split) for split in ("train", "val", "test")}
    loaded = load_dataset("webdataset", data_files=data_files, cache_dir=str(tmp_path))
    for split in ("train", "val", "test"):
        found = {}
        for sample in loaded[split]:
            content = sample[extension]
            if isinstance(content, Image.Image):
                content = content.convert("RGB")
            pixels = np.asarray(content, np.uint8)
            found[sample["__key__"]] = (pixels, sample["cls"], sample["json"])
        assert_same_views(found, expected(dataset, split))


def test_hugging_face_reads_the_card(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`load_dataset(FOLDER)` finds splits and shards from the front matter of README.md."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    load_dataset = pytest.importorskip("datasets").load_dataset

    manifest = read_manifest(dataset)
    streamed = load_dataset(str(dataset), streaming=True)
    assert set(streamed) == {"train", "validation", "test"}
    keys = [sample["__key__"] for sample in streamed["validation"]]
    assert len(keys) == manifest.splits["val"].views


def test_tarfile_agrees_with_the_table(dataset: Path) -> None:
    import tarfile

    rows = rows_of(read_samples(dataset / SAMPLES_FILE))
    by_shard: dict[str, list[Any]] = {}
    for row in rows:
        by_shard.setdefault(row.shard, []).append(row)
    for name, inside in by_shard.items():
        with tarfile.open(dataset / SHARDS_FOLDER / name) as tar:
            members = {member.offset_data: member for member in tar.getmembers()}
            assert all(m.mtime == 0 and m.uid == 0 and m.mode == 0o644 for m in members.values())
        for row in inside:
            assert members[row.offset].size == row.length
            assert members[row.offset].name.startswith(f"{row.key}-c{row.copy}.")


def test_a_view_is_a_plain_image_file(dataset: Path) -> None:
    row = rows_of(read_samples(dataset / SAMPLES_FILE, split="test"))[0]
    data = ShardMap(dataset).read(row.shard, row.offset, row.length)
    if read_manifest(dataset).options["codec"] == "npy":
        assert np.load(io.BytesIO(data), allow_pickle=False).shape == (32, 32, 3)
    else:
        assert Image.open(io.BytesIO(data)).size == (32, 32)
