"""A dataset at a URL is opened like one at hand, and is what its manifest says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from augcli.augment import ExpandConfig, expand
from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.hashing import sha256_bytes
from augcli.manifests.manifest import FORMAT_VERSION, MANIFEST_FILE, SAMPLES_FILE, read_manifest
from augcli.manifests.samples import SCHEMA_NAMES
from augcli.shards.patience import Patience
from augcli.shards.remote import RemoteShards
from augcli.shards.remote_dataset import open_remote_dataset
from augcli.shards.shard_cache import ShardCache
from augcli.train.stored_samples import StoredSamples
from augcli.train.stored_views import StoredViews


@pytest.fixture(scope="module")
def expanded(split_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rounds of `split_photos`, in shards of four."""
    out = tmp_path_factory.mktemp("expanded") / "out"
    expand(
        ExpandConfig(
            data=str(split_photos), out=out, copies=1, size=16, shard_size=4, codec="png", workers=1
        )
    )
    return out


@pytest.fixture
def served(server: Any, expanded: Path) -> Any:
    """The server, with that dataset."""
    server.files = {
        f"/dataset/{path.relative_to(expanded)}": path.read_bytes()
        for path in expanded.rglob("*")
        if path.is_file()
    }
    return server


@pytest.fixture
def cache(tmp_path: Path) -> ShardCache:
    return ShardCache(tmp_path / "cache")


@pytest.fixture(params=["http", "file", "memory"])
def url(request: pytest.FixtureRequest, expanded: Path) -> Iterator[str]:
    """The same dataset, three times."""
    if request.param == "http":
        yield request.getfixturevalue("served").url
    elif request.param == "file":
        yield f"file://{expanded}"
    else:
        memory = fsspec.filesystem("memory")
        memory.put(str(expanded), "/expanded", recursive=True)
        yield "memory://expanded"
        memory.rm("/expanded", recursive=True)


def test_read_as_if_it_were_at_hand(url: str, expanded: Path, cache: ShardCache) -> None:
    folder = open_remote_dataset(url, cache)
    manifest = read_manifest(folder)
    assert manifest == read_manifest(expanded)
    there, here = StoredSamples(folder, manifest), StoredSamples(expanded, manifest)
    assert there.of_split("train", SCHEMA_NAMES).equals(here.of_split("train", SCHEMA_NAMES))


def test_every_view_of_every_round(url: str, expanded: Path, cache: ShardCache) -> None:
    """Those of training code, which reads its shards through the cache."""
    folder = open_remote_dataset(url, cache)
    manifest = read_manifest(folder)
    for split in ("train", "val", "test"):
        here = StoredViews(expanded, manifest, StoredSamples(expanded, manifest), split)
        remote = RemoteShards(url, manifest.shards, cache)
        there = StoredViews(folder, manifest, StoredSamples(folder, manifest), split, remote)
        size = int(manifest.options["size"])
        every = np.arange(len(here.samples))
        for epoch in range(2):
            near, far = np.zeros((2, len(every), size, size, 3), np.uint8)
            assert here.read(every, epoch, near) == there.read(every, epoch, far) == []
            assert near.any() and (near == far).all()
        there.close()


def test_the_manifest_is_fetched_anew_and_the_samples_once(served: Any, cache: ShardCache) -> None:
    folders = {open_remote_dataset(served.url, cache) for _ in range(3)}
    folders.add(open_remote_dataset(served.url, ShardCache(cache.folder)))
    assert len(folders) == 1
    assert dict(served.requests) == {
        f"/dataset/{MANIFEST_FILE}": 4,
        f"/dataset/{SAMPLES_FILE}": 1,
    }


def test_a_changed_dataset_has_a_folder_of_its_own(served: Any, cache: ShardCache) -> None:
    """Who opened the one before still reads that one."""
    first = open_remote_dataset(served.url, cache)
    manifest = served.files[f"/dataset/{MANIFEST_FILE}"]
    served.files[f"/dataset/{MANIFEST_FILE}"] = manifest + b"\n"
    second = open_remote_dataset(served.url, cache)
    assert first != second
    assert (first / MANIFEST_FILE).read_bytes() == manifest
    assert (first / SAMPLES_FILE).read_bytes() == (second / SAMPLES_FILE).read_bytes()


def test_kept_while_this_process_lives(served: Any, cache: ShardCache) -> None:
    small = ShardCache(cache.folder, 10)
    folder = open_remote_dataset(served.url, small)
    manifest = read_manifest(folder)
    shards = RemoteShards(served.url, manifest.shards, small)
    for record in manifest.shards:
        shards.read(record.name, 0, 1)
    shards.close()
    assert {path.name for path in folder.iterdir()} == {MANIFEST_FILE, SAMPLES_FILE}


def test_what_passes_is_not_seen(served: Any, cache: ShardCache, hasty: Patience) -> None:
    served.faults[f"/dataset/{MANIFEST_FILE}"] = [500, "cut"]
    served.faults[f"/dataset/{SAMPLES_FILE}"] = ["wrong"]
    folder = open_remote_dataset(served.url, cache, patience=hasty)
    StoredSamples(folder, read_manifest(folder))


def refused(served: Any, cache: ShardCache, words: str) -> None:
    with pytest.raises(AugcliError, match=words) as error:
        open_remote_dataset(served.url, cache, patience=Patience(first_seconds=0.001))
    assert str(error.value).startswith(served.url)
    assert not (cache.folder / "datasets").is_dir() or not list(cache.folder.rglob(SAMPLES_FILE))


def test_nothing_there(served: Any, cache: ShardCache) -> None:
    served.files = {}
    refused(served, cache, rf"{MANIFEST_FILE}: is not there: check the URL")


@pytest.mark.parametrize("bad", ["wrong", "short", 404, 403])
def test_samples_that_are_not_the_manifests(served: Any, cache: ShardCache, bad: Any) -> None:
    served.faults[f"/dataset/{SAMPLES_FILE}"] = [bad] * 2
    refused(served, cache, SAMPLES_FILE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not readable as JSON.*remove http"),
        ('{"format": "x"}', "not an augcli manifest"),
        ('{"format": "augcli-dataset", "format_version": 1}', "format version 1"),
        (
            f'{{"format": "augcli-dataset", "format_version": {FORMAT_VERSION}}}',
            "a field is missing",
        ),
    ],
)
def test_no_manifest(served: Any, cache: ShardCache, text: str, words: str) -> None:
    served.files[f"/dataset/{MANIFEST_FILE}"] = text.encode()
    refused(served, cache, words)
    assert not cache.folder.exists()


def test_a_manifest_without_end(
    served: Any, cache: ShardCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("augcli.shards.remote_dataset._MOST_MANIFEST_BYTES", 100)
    refused(served, cache, "expected at most 100 bytes")


def test_samples_without_end(
    served: Any, cache: ShardCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("augcli.shards.remote_dataset._MOST_EMPTY_BYTES", 0)
    monkeypatch.setattr("augcli.shards.remote_dataset._MOST_ROW_BYTES", 1)
    refused(served, cache, f"{SAMPLES_FILE}: expected at most")


def test_a_dataset_of_files(served: Any, cache: ShardCache) -> None:
    content = json.loads(served.files[f"/dataset/{MANIFEST_FILE}"])
    content["options"]["format"] = "folder"
    content["pages"] = {name: sha256_bytes(b"") for name in ("README.md", "preview.png")}
    served.files[f"/dataset/{MANIFEST_FILE}"] = json.dumps(content).encode()
    refused(served, cache, "a file for each view.*--format tar")


@pytest.mark.parametrize("url", ["pipe:true", "s3://", "zip::memory://x", "what://x"])
def test_urls_that_are_not_read(cache: ShardCache, url: str) -> None:
    with pytest.raises(UsageError):
        open_remote_dataset(url, cache)
    with pytest.raises(UsageError):
        RemoteShards(url, [], cache)
