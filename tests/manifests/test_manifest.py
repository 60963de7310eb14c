"""The manifest: what is written is what is read, and nothing else is."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augcli.manifests.balance import ClassRepeats
from augcli.manifests.errors import AugcliError
from augcli.manifests.manifest import (
    MANIFEST_FILE,
    FileRecord,
    Manifest,
    ReferenceRecord,
    ShardRecord,
    SplitRecord,
    page_names,
    read_manifest,
)

MANIFEST = Manifest(
    options={
        "copies": 1,
        "policy": "side-on",
        "size": 32,
        "fit": "crop",
        "codec": "png",
        "format": "tar",
        "quality": None,
        "seed": 7,
        "originals": True,
        "shard_size": 32,
        "max_megapixels": 200.0,
        "dedupe": False,
        "balance": "full",
        "class_policy": {"дог": "none"},
    },
    policy={"transform": {"__class_fullname__": "Compose", "transforms": []}},
    class_policies={"дог": {"transform": {"__class_fullname__": "Compose", "transforms": []}}},
    versions={"augcli": "1", "numpy": "2"},
    reference=ReferenceRecord(
        "Näme", "", "ab" * 32, inputs=5, used=4, failures=1, blank=("дог/1.jpg",), leaks=()
    ),
    classes=("cat", "дог"),
    repeats=(ClassRepeats(1, 0.0), ClassRepeats(1, 0.25)),
    rounds=2,
    splits={
        "train": SplitRecord(3, 6, (2, 1), (2, 1)),
        "val": SplitRecord(1, 1, (0, 1), (0, 1)),
        "test": SplitRecord(0, 0, (0, 0), (0, 0)),
    },
    bytes={"images": 700, "shards": 10240},
    samples=FileRecord("samples.parquet", 7, "cd" * 32),
    failures=FileRecord("failures.jsonl", 1, "ef" * 32),
    pages={
        "README.md": "67" * 32,
        "croissant.json": "ab" * 32,
        "preview.png": "89" * 32,
        "shards/_info.json": "01" * 32,
        "shards/sizes.json": "23" * 32,
        "shards/wids-trainset.json": "45" * 32,
        "shards/wids-valset.json": "67" * 32,
    },
    shards=(
        ShardRecord("train-r000-00000.tar", "train", 0, 0, 3, 4096, "01" * 32),
        ShardRecord("train-r001-00000.tar", "train", 1, 0, 3, 4096, "23" * 32),
        ShardRecord("val-00000.tar", "val", 0, 0, 1, 2048, "45" * 32),
    ),
)


def content() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(MANIFEST.to_json())
    return loaded


def assert_refused(folder: Path, *names: str) -> None:
    with pytest.raises(AugcliError) as error:
        read_manifest(folder)
    assert all(name in str(error.value) for name in (str(folder / MANIFEST_FILE), *names))


def test_round_trip(tmp_path: Path) -> None:
    MANIFEST.write(tmp_path)
    read = read_manifest(tmp_path)
    assert read == MANIFEST
    assert read.to_json() == MANIFEST.to_json()
    assert read.originals
    assert [shard.name for shard in read.shards_of("val")] == ["val-00000.tar"]
    assert [entry.name for entry in tmp_path.iterdir()] == [MANIFEST_FILE]


def test_not_a_number_is_not_written(tmp_path: Path) -> None:
    manifest = Manifest(**{**MANIFEST.__dict__, "options": {"x": float("nan")}})
    with pytest.raises(ValueError, match="JSON"):
        manifest.write(tmp_path)
    assert not list(tmp_path.iterdir())


def test_missing(tmp_path: Path) -> None:
    assert_refused(tmp_path, "no manifest", "isn't finished")
    assert_refused(tmp_path / "nowhere", "no manifest", "augcli expand --out")


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_FILE).mkdir()
    assert_refused(tmp_path)


def test_a_file_in_the_place_of_the_dataset(tmp_path: Path) -> None:
    """Was: the advice to remove it."""
    table = tmp_path / "t.csv"
    table.write_text("path,label")
    with pytest.raises(AugcliError) as error:
        read_manifest(table)
    assert str(error.value) == f"{table}: is a file; expected a dataset folder"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_what_can_not_be_read_is_not_to_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    (tmp_path / MANIFEST_FILE).write_text(MANIFEST.to_json())

    def refuses(self: Path) -> bytes:
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "read_bytes", refuses)
    with pytest.raises(AugcliError) as error:
        read_manifest(tmp_path)
    path = tmp_path / MANIFEST_FILE
    assert str(error.value) == f"{path}: can't be read: {os.strerror(number)}"


@pytest.mark.parametrize("keep", [0, 1, 100, -2])
def test_torn(tmp_path: Path, keep: int) -> None:
    (tmp_path / MANIFEST_FILE).write_bytes(MANIFEST.to_json().encode()[:keep])
    assert_refused(tmp_path, "not readable as JSON")


@pytest.mark.parametrize(
    "text", [b"\xff\xfe\x00", b"[" * 100_000, b"\x89PNG\r\n\x1a\n"], ids=["bytes", "deep", "png"]
)
def test_not_json(tmp_path: Path, text: bytes) -> None:
    (tmp_path / MANIFEST_FILE).write_bytes(text)
    assert_refused(tmp_path, "not readable as JSON")


@pytest.mark.parametrize("text", ["[]", "null", "5", '"augcli-dataset"', "{}", '{"format": "x"}'])
def test_foreign(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST_FILE).write_text(text)
    assert_refused(tmp_path, "not an augcli manifest")


@pytest.mark.parametrize("version", [0, 1, 2, 4, "3", None])
def test_other_version(tmp_path: Path, version: object) -> None:
    text = json.dumps({**content(), "format_version": version})
    (tmp_path / MANIFEST_FILE).write_text(text)
    assert_refused(tmp_path, f"format version {version}", "expand again into another folder")


def edited(path: str, value: object) -> dict[str, Any]:
    """The manifest's content with the field at `path` ('shards/0/name') replaced."""
    whole = content()
    node: Any = whole
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    for part in parents:
        node = node[part]
    node[last] = value
    return whole


NUMBERS = [
    "rounds",
    "bytes/images",
    "splits/train/samples",
    "splits/train/views",
    "splits/train/per_class/0",
    "splits/train/views_per_class/0",
    "repeats/1/whole",
    "samples/rows",
    "failures/rows",
    *(f"reference/{name}" for name in ("inputs", "used", "failures")),
    *(f"shards/0/{name}" for name in ("round", "chunk", "views", "bytes")),
]


@pytest.mark.parametrize("value", [-1, "1", 1.5, None, True, [1]])
@pytest.mark.parametrize("field", NUMBERS)
def test_what_is_no_count(tmp_path: Path, field: str, value: object) -> None:
    (tmp_path / MANIFEST_FILE).write_text(json.dumps(edited(field, value)))
    assert_refused(tmp_path, "a field is missing or wrong")


@pytest.mark.parametrize(
    "name",
    ["../x.tar", "a/b.tar", "/etc/passwd", "a\\b.tar", "x.zip", "", "..", "pipe:rm x", 5, None],
)
def test_shard_names_are_plain(tmp_path: Path, name: object) -> None:
    (tmp_path / MANIFEST_FILE).write_text(json.dumps(edited("shards/1/name", name)))
    assert_refused(tmp_path, "a field is missing or wrong")


Edit = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    "edit",
    [
        *(lambda c, n=name: c.pop(n) for name in content() if not name.startswith("format")),
        lambda c: c["shards"][0].pop("sha256"),
        lambda c: c["shards"][0].update(extra=1),
        lambda c: c["reference"].update(extra=1),
        lambda c: c["reference"].update(blank=1),
        lambda c: c["reference"].update(blank=[1]),
        lambda c: c["reference"].update(name=None),
        lambda c: c["splits"].update(val=None),
        lambda c: c["splits"]["val"].update(per_class=[1]),
        lambda c: c["splits"]["val"].update(per_class=5),
        lambda c: c["splits"]["val"].update(views_per_class=[1]),
        lambda c: c["splits"]["val"].update(views_per_class=5),
        lambda c: c.update(repeats=5),
        lambda c: c["repeats"].pop(),
        lambda c: c["repeats"][0].update(extra=1),
        *(lambda c, v=v: c["repeats"][0].update(extra_below=v) for v in (-0.5, 1.0, 0, "0", None)),
        lambda c: c.update(class_policies=5),
        lambda c: c["class_policies"].pop("дог"),
        lambda c: c["class_policies"].update(cat={}),
        lambda c: c["class_policies"].update(дог=5),
        lambda c: c.update(shards=5),
        lambda c: c.update(shards=["x.tar"]),
        lambda c: c.update(splits=[]),
        lambda c: c.update(classes=5),
        lambda c: c.update(options=5),
        lambda c: c["samples"].update(file=5),
    ],
)
def test_fields_missing_or_wrong(tmp_path: Path, edit: Edit) -> None:
    whole = content()
    edit(whole)
    (tmp_path / MANIFEST_FILE).write_text(json.dumps(whole))
    assert_refused(tmp_path, "a field is missing or wrong")


@pytest.mark.parametrize("name", MANIFEST.options)
@pytest.mark.parametrize("value", ["absent", [], {"a": 1}])
def test_options_that_readers_rely_on(tmp_path: Path, name: str, value: object) -> None:
    loaded = content()
    loaded["options"][name] = value
    if value == "absent":
        del loaded["options"][name]
    (tmp_path / MANIFEST_FILE).write_text(json.dumps(loaded))
    assert_refused(tmp_path, name)


@pytest.mark.parametrize("name", ["train", "val", "test"])
def test_every_split_must_be_there(tmp_path: Path, name: str) -> None:
    loaded = content()
    del loaded["splits"][name]
    (tmp_path / MANIFEST_FILE).write_text(json.dumps(loaded))
    assert_refused(tmp_path, name)


@pytest.mark.parametrize("table", ["samples", "failures"])
def test_tables_lie_beside_the_manifest(tmp_path: Path, table: str) -> None:
    loaded = content()
    loaded[table]["file"] = "../elsewhere"
    (tmp_path / MANIFEST_FILE).write_text(json.dumps(loaded))
    assert_refused(tmp_path, "../elsewhere")


@pytest.mark.parametrize("name", MANIFEST.pages)
def test_every_page_must_be_there(tmp_path: Path, name: str) -> None:
    loaded = content()
    del loaded["pages"][name]
    (tmp_path / MANIFEST_FILE).write_text(json.dumps(loaded))
    assert_refused(tmp_path, name)


@pytest.mark.parametrize("name", ["../elsewhere", "shards/train-r000-00000.tar", "notes.txt"])
def test_no_other_page_is_known(tmp_path: Path, name: str) -> None:
    loaded = content()
    loaded["pages"][name] = "00" * 32
    (tmp_path / MANIFEST_FILE).write_text(json.dumps(loaded))
    assert_refused(tmp_path, name)


def test_pages_are_those_that_someone_can_read() -> None:
    """No `wids` index of an empty split, and none for timm, which opens images, of arrays."""
    assert page_names(MANIFEST.options, MANIFEST.splits) == set(MANIFEST.pages)
    arrays = page_names({**MANIFEST.options, "codec": "npy"}, MANIFEST.splits)
    assert set(MANIFEST.pages) - arrays == {"shards/_info.json"}
