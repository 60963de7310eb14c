"""`verify`: an intact expansion has no fault; each kind of damage is one that names the place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from augcli.augment import ExpandConfig, expand
from augcli.augment.earlier import read_failures
from augcli.manifests.errors import AugcliError
from augcli.manifests.manifest import (
    FAILURES_FILE,
    MANIFEST_FILE,
    SAMPLES_FILE,
    SHARDS_FOLDER,
    read_manifest,
)
from augcli.manifests.samples import ViewRow
from augcli.manifests.samples_file import read_samples, rows_of
from augcli.shards import verify

TRAIN = "train-r001-00000.tar"
PAGES = ["README.md", "croissant.json", "preview.png", "shards/_info.json", "shards/sizes.json"]


@pytest.fixture(scope="module")
def intact(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rounds of `photos` in shards of eight, and one failure."""
    folder = tmp_path_factory.mktemp("verify")
    shutil.copytree(photos, folder / "photos")
    (folder / "photos" / "circle" / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    expand(
        ExpandConfig(
            data=str(folder / "photos"),
            out=folder / "out",
            copies=1,
            size=16,
            shard_size=8,
            workers=1,
        )
    )
    return folder / "out"


@pytest.fixture
def dataset(intact: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(intact, tmp_path / "dataset"))


def faults(dataset: Path) -> dict[str, str]:
    """Place -> what is wrong there (all of it)."""
    found: dict[str, str] = {}
    for fault in verify(dataset).faults:
        found[fault.where] = f"{found.get(fault.where, '')} {fault.what}"
    return found


def rows(dataset: Path) -> list[ViewRow]:
    return rows_of(read_samples(dataset / SAMPLES_FILE))


def edit_rows(dataset: Path, edit: Callable[[list[dict[str, Any]]], object]) -> None:
    """Rewrite samples.parquet, and its hash and length in the manifest: only content is wrong."""
    path = dataset / SAMPLES_FILE
    table = pq.read_table(path)
    content = table.to_pylist()
    edit(content)
    pq.write_table(type(table).from_pylist(content, table.schema), path)
    from augcli.manifests.hashing import sha256_file

    edit_manifest(
        dataset, lambda m: m["samples"].update(sha256=sha256_file(path), rows=len(content))
    )


def edit_manifest(dataset: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = dataset / MANIFEST_FILE
    content = json.loads(path.read_bytes())
    edit(content)
    path.write_text(json.dumps(content))


def test_intact(intact: Path) -> None:
    reports: list[tuple[int, int]] = []
    result = verify(intact, lambda *counts: reports.append(counts))
    assert result.faults == ()
    assert result.to_json()["ok"] is True
    shards = len(list((intact / SHARDS_FOLDER).glob("*.tar")))
    assert result.shards == shards > 4
    assert result.views == len(rows(intact)) > 30
    assert reports == [(number + 1, shards) for number in range(shards)]
    assert [f.source for f in read_failures(intact / FAILURES_FILE)] == ["circle/broken.jpg"]


def test_a_rewritten_table_with_the_same_rows_is_intact(dataset: Path) -> None:
    """So that the faults below come from their edits."""
    edit_rows(dataset, lambda content: None)
    assert verify(dataset).faults == ()


@pytest.mark.parametrize("byte", [0, 100, -1])
def test_flipped_byte_in_an_image(dataset: Path, byte: int) -> None:
    row = next(row for row in rows(dataset) if row.shard == TRAIN)
    path = dataset / SHARDS_FOLDER / TRAIN
    data = bytearray(path.read_bytes())
    data[row.offset + byte % row.length] ^= 1
    path.write_bytes(data)
    assert set(faults(dataset)) == {f"{SHARDS_FOLDER}/{TRAIN}"}


def test_every_block_of_a_shard_counts(dataset: Path) -> None:
    path = dataset / SHARDS_FOLDER / "val-00000.tar"
    whole = path.read_bytes()
    for position in range(7, len(whole), 512):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert "shards/val-00000.tar" in faults(dataset), position


@pytest.mark.parametrize("name", ["label", "json"])
def test_members_that_differ_from_the_table(dataset: Path, name: str) -> None:
    """The manifest's hash is made to agree: the members alone must show it."""
    from augcli.manifests.hashing import sha256_file

    path = dataset / SHARDS_FOLDER / TRAIN
    row = next(row for row in rows(dataset) if row.shard == TRAIN)
    place = {
        "label": -(-(row.offset + row.length) // 512) * 512 + 512,
        "json": path.read_bytes().index(row.member_json()) + 10,
    }[name]
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)

    def agree(content: dict[str, Any]) -> None:
        for shard in content["shards"]:
            if shard["name"] == TRAIN:
                shard["sha256"] = sha256_file(path)

    edit_manifest(dataset, agree)
    found = faults(dataset)
    assert set(found) == {f"{SHARDS_FOLDER}/{TRAIN}"}
    assert row.key in found[f"{SHARDS_FOLDER}/{TRAIN}"]


@pytest.mark.parametrize("kept", [0, 1, 511, 5000, -1, -512, -1024])
def test_truncated_shard(dataset: Path, kept: int) -> None:
    path = dataset / SHARDS_FOLDER / TRAIN
    path.write_bytes(path.read_bytes()[:kept])
    found = faults(dataset)
    assert set(found) == {f"{SHARDS_FOLDER}/{TRAIN}"}
    assert "expected" in found[f"{SHARDS_FOLDER}/{TRAIN}"]


def test_lengthened_shard(dataset: Path) -> None:
    with open(dataset / SHARDS_FOLDER / TRAIN, "ab") as file:
        file.write(bytes(512))
    assert set(faults(dataset)) == {f"{SHARDS_FOLDER}/{TRAIN}"}


def test_deleted_shard(dataset: Path) -> None:
    (dataset / SHARDS_FOLDER / TRAIN).unlink()
    assert faults(dataset) == {f"{SHARDS_FOLDER}/{TRAIN}": " is missing"}


def test_deleted_folder_of_shards(dataset: Path) -> None:
    names = {f"{SHARDS_FOLDER}/{path.name}" for path in (dataset / SHARDS_FOLDER).iterdir()}
    shutil.rmtree(dataset / SHARDS_FOLDER)
    assert set(faults(dataset)) == names


@pytest.mark.parametrize("name", PAGES)
def test_changed_page(dataset: Path, name: str) -> None:
    path = dataset / name
    path.write_bytes(path.read_bytes() + b" ")
    assert faults(dataset) == {name: " its bytes are not those that the manifest records"}


def test_leaks_that_the_manifest_hides(dataset: Path) -> None:
    path = dataset / MANIFEST_FILE
    content = json.loads(path.read_text("utf-8"))
    content["reference"]["leaks"] = ["circle/00.jpg"]
    path.write_text(json.dumps(content), "utf-8")
    assert "leaks" in faults(dataset)[MANIFEST_FILE]


@pytest.mark.parametrize(
    "extra",
    [
        "shards/train-r009-00000.tar",
        "shards/croissant.json",
        "sizes.json",
        "notes.txt",
        ".hidden",
        "work/",
    ],
)
def test_extra_file(dataset: Path, extra: str) -> None:
    if extra.endswith("/"):
        (dataset / extra).mkdir()
    else:
        (dataset / extra).touch()
    assert faults(dataset) == {extra.rstrip("/"): " does not belong to the dataset"}


@pytest.mark.parametrize("name", [FAILURES_FILE, *PAGES])
def test_missing_file(dataset: Path, name: str) -> None:
    (dataset / name).unlink()
    assert faults(dataset) == {name: " is missing"}


def test_edited_failures(dataset: Path) -> None:
    (dataset / FAILURES_FILE).write_text("")
    assert set(faults(dataset)) == {FAILURES_FILE}
    (dataset / FAILURES_FILE).write_text("{torn")
    with pytest.raises(AugcliError, match=FAILURES_FILE):
        read_failures(dataset / FAILURES_FILE)


@pytest.mark.parametrize("name", [MANIFEST_FILE, SAMPLES_FILE])
def test_nothing_to_check_against(dataset: Path, name: str) -> None:
    path = dataset / name
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(AugcliError, match=name):
        verify(dataset)


@pytest.mark.parametrize("other", ["train-r000-00000.tar", "train-r001-00001.tar", "val-00000.tar"])
def test_swapped_shards(dataset: Path, other: str) -> None:
    one, two = dataset / SHARDS_FOLDER / TRAIN, dataset / SHARDS_FOLDER / other
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    assert set(faults(dataset)) == {f"{SHARDS_FOLDER}/{TRAIN}", f"{SHARDS_FOLDER}/{other}"}


def test_another_copy_in_the_place_of_one(dataset: Path) -> None:
    """Same size, so that only the content can tell."""
    found = [row for row in rows(dataset) if row.shard == TRAIN]
    path = dataset / SHARDS_FOLDER / TRAIN
    data = bytearray(path.read_bytes())
    length = min(found[0].length, found[1].length)
    data[found[0].offset : found[0].offset + length] = data[found[1].offset :][:length]
    path.write_bytes(data)
    assert set(faults(dataset)) == {f"{SHARDS_FOLDER}/{TRAIN}"}


RowEdit = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda r: r.update(label=(r["label"] + 1) % 3), "is not that of label"),
        (lambda r: r.update(label=99), "outside"),
        (lambda r: r.update(label=-1), "outside"),
        (lambda r: r.update({"class": "squid"}), "is not that of label"),
        (lambda r: r.update(split="val"), "splits must not mix"),
        (lambda r: r.update(split="holdout"), "unknown split"),
        (lambda r: r.update(seed=f"{5:032x}"), "seed"),
        (lambda r: r.update(seed=""), "seed"),
        (lambda r: r.update(source="else/where.jpg"), "is not the key"),
        (lambda r: r.update(copy=r["copy"] + 1), "seed"),
    ],
)
def test_edited_row_names_the_sample(dataset: Path, edit: RowEdit, message: str) -> None:
    row = next(row for row in rows(dataset) if row.shard == TRAIN)

    def change(content: list[dict[str, Any]]) -> None:
        for line in content:
            if (line["key"], line["copy"]) == (row.key, row.copy):
                edit(line)

    edit_rows(dataset, change)
    found = faults(dataset)
    assert any(row.key in where and message in what for where, what in found.items()), found


def test_label_and_class_edited_alike(dataset: Path) -> None:
    """Consistent in the table: the shards tell."""
    row = next(row for row in rows(dataset) if row.label == 0 and row.split == "train")

    def change(content: list[dict[str, Any]]) -> None:
        for line in content:
            if line["key"] == row.key:
                line.update({"label": 1, "class": read_manifest(dataset).classes[1]})

    edit_rows(dataset, change)
    found = faults(dataset)
    assert any(where.startswith(SHARDS_FOLDER) and row.key in found[where] for where in found)
    assert any("class" in what or "circle" in where for where, what in found.items())


def test_address_edited(dataset: Path) -> None:
    for field in ("offset", "length"):
        edit_rows(dataset, lambda content, f=field: content[0].update({f: content[0][f] + 1}))
        shard = rows(dataset)[0].shard
        assert f"{SHARDS_FOLDER}/{shard}" in faults(dataset)


def test_whole_sample_moved_to_another_split(dataset: Path) -> None:
    """All copies at once: no key is in two splits, but validation may not be augmented."""
    key = next(row.key for row in rows(dataset) if row.split == "train")

    def change(content: list[dict[str, Any]]) -> None:
        for line in content:
            if line["key"] == key:
                line["split"] = "val"

    edit_rows(dataset, change)
    found = faults(dataset)
    assert "an augmented copy in val" in found[f"{key}, copy 1"]
    assert f"{SHARDS_FOLDER}/{TRAIN}" in found


def test_missing_round_of_one_sample(dataset: Path) -> None:
    row = next(row for row in rows(dataset) if row.shard == TRAIN)

    def drop(content: list[dict[str, Any]]) -> None:
        content[:] = [x for x in content if (x["key"], x["round"]) != (row.key, 1)]

    edit_rows(dataset, drop)
    found = faults(dataset)
    assert f"{row.key} is missing" in found["round 1"]
    assert f"{SHARDS_FOLDER}/{TRAIN}" in found


def test_row_twice(dataset: Path) -> None:
    edit_rows(dataset, lambda content: content.append(dict(content[0])))
    row = rows(dataset)[0]
    found = faults(dataset)
    assert f"{row.key} comes 2 times" in found[f"round {row.round}"]


def test_shard_struck_from_the_manifest(dataset: Path) -> None:
    """Was no fault: its rows were held against no shard."""
    (dataset / SHARDS_FOLDER / TRAIN).unlink()

    def strike(content: dict[str, Any]) -> None:
        gone = next(shard for shard in content["shards"] if shard["name"] == TRAIN)
        content["shards"].remove(gone)
        content["bytes"]["shards"] -= gone["bytes"]

    edit_manifest(dataset, strike)
    assert list(faults(dataset)) == [TRAIN]


def test_shard_listed_twice(dataset: Path) -> None:
    edit_manifest(dataset, lambda m: m["shards"].append(m["shards"][0]))
    assert "2 times" in faults(dataset)[MANIFEST_FILE]


def test_wrong_seed(dataset: Path) -> None:
    edit_manifest(dataset, lambda m: m["options"].update(seed=1))
    found = faults(dataset)
    expected = {f"{row.key}, copy {row.copy}" for row in rows(dataset) if row.copy}
    assert set(found) == expected
    assert all("seed" in what for what in found.values())


def numbers(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the counts are in a manifest's content."""
    if isinstance(node, dict | list):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        return [place for key, value in items for place in numbers(value, (*path, key))]
    return [path] if type(node) is int else []


def test_every_count_in_the_manifest_is_checked(dataset: Path) -> None:
    content = json.loads((dataset / MANIFEST_FILE).read_bytes())
    places = [
        place
        for place in numbers(content)
        if place[0] not in ("options", "policy", "format_version") and place[-1] != "chunk"
    ]
    assert len(places) > 40
    for place in places:
        for step in (1, -1):

            def change(whole: Any, place: tuple[Any, ...] = place, step: int = step) -> None:
                for part in place[:-1]:
                    whole = whole[part]
                whole[place[-1]] = max(0, whole[place[-1]] + step)

            path = dataset / MANIFEST_FILE
            path.write_text(json.dumps(content))
            edit_manifest(dataset, change)
            if json.loads(path.read_bytes()) != content:
                assert verify(dataset).faults, (place, step)
