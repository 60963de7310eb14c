"""Datasets and checkpoints by someone who means harm: one clear line, nothing executed or taken.

Whatever is changed here, all hashes are made to agree: it is not bit rot that is told.
"""

from __future__ import annotations

import io
import json
import pickle
import re
import shutil
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner

from augcli.augment import ExpandConfig, expand
from augcli.cli import main
from augcli.manifests.hashing import sha256_file
from augcli.manifests.manifest import MANIFEST_FILE, SAMPLES_FILE

SHARD = "train-r000-00000.tar"


@pytest.fixture(scope="module")
def sound(split_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = Path(tmp_path_factory.mktemp("hostile") / "out")
    expand(ExpandConfig(data=str(split_photos), out=out, copies=1, size=16, codec="png", workers=1))
    return out


@pytest.fixture
def dataset(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "dataset"))


def refused(*arguments: object) -> str:
    """What a command says that ends as it should: with 1 or 2, and without a traceback."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code in (1, 2), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", result.output)
    return str(result.output)


def training(dataset: Path, out: Path, *more: object) -> tuple[object, ...]:
    options = ("--epochs", 1, "--device", "cpu", "--workers", 0)
    return ("train", "--shards", dataset, "--out", out, *options, *more)


def edit_manifest(dataset: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = dataset / MANIFEST_FILE
    content = json.loads(path.read_bytes())
    edit(content)
    path.write_text(json.dumps(content))


def agree(dataset: Path) -> None:
    """Let the manifest have the hashes and sizes of what is there."""

    def edit(content: dict[str, Any]) -> None:
        content["samples"]["sha256"] = sha256_file(dataset / SAMPLES_FILE)
        for shard in content["shards"]:
            path = dataset / "shards" / shard["name"]
            shard.update(sha256=sha256_file(path), bytes=path.stat().st_size)

    edit_manifest(dataset, edit)


def edit_rows(dataset: Path, edit: Callable[[list[dict[str, Any]]], object]) -> None:
    path = dataset / SAMPLES_FILE
    table = pq.read_table(path)
    rows = table.to_pylist()
    edit(rows)
    pq.write_table(type(table).from_pylist(rows, table.schema), path)
    agree(dataset)


# ---- the manifest

TEXTS: dict[str, tuple[Callable[[str], str], str]] = {
    "outside": (lambda t: t.replace(SHARD, "../../secret.tar"), "shard name '../../secret.tar'"),
    "absolute": (lambda t: t.replace(SHARD, "/etc/passwd"), "shard name '/etc/passwd'"),
    "pipe": (lambda t: t.replace(SHARD, "pipe:touch x"), "shard name 'pipe:touch x'"),
    "page": (lambda t: t.replace('"README.md"', '"../README.md"'), "../README.md"),
    "table": (lambda t: t.replace('"samples.parquet"', '"/etc/x.parquet"'), "/etc/x.parquet"),
    "no hash": (lambda t: re.sub(r"[0-9a-f]{64}", "0" * 63, t), "is no SHA-256"),
    "path as hash": (lambda t: re.sub(r"[0-9a-f]{64}", "../../x", t, count=1), "is no SHA-256"),
    "nan": (lambda t: t.replace('"max_megapixels": 200.0', '"max_megapixels": NaN'), "NaN is not"),
    "inf": (lambda t: t.replace('"max_megapixels": 200.0', '"max_megapixels": 1e999'), "1e999"),
    "huge": (lambda t: t.replace('"size": 16', '"size": 1000000000'), "option size: 1000000000"),
    "negative": (lambda t: t.replace('"size": 16', '"size": -16'), "option size: -16"),
    "digits": (lambda t: t.replace('"rounds": 2', '"rounds": ' + "9" * 9999), "digits"),
    "beyond": (lambda t: t.replace('"rounds": 2', '"rounds": ' + "9" * 99), "is no count"),
    "codec": (lambda t: t.replace('"codec": "png"', '"codec": "pickle"'), "option codec: 'pickle'"),
    "twice": (
        lambda t: t.replace('"rounds": 2', '"rounds": 2, "rounds": 3'),
        "'rounds' comes twic",
    ),
    "deep": (lambda t: "[" * 10**6, "nested too deep"),
    "class twice": (lambda t: t.replace('"square"', '"circle"'), "one comes twice"),
    "class no name": (lambda t: t.replace('"classes": [', '"classes": [5, '), "are no names"),
    "escape": (lambda t: t.replace('"png"', '"\\u001b[2J\\u202epng"'), r"\x1b[2J\\u202epng"),
}


@pytest.mark.parametrize(("edit", "what"), TEXTS.values(), ids=TEXTS)
def test_manifests(dataset: Path, tmp_path: Path, edit: Callable[[str], str], what: str) -> None:
    path = dataset / MANIFEST_FILE
    before = path.read_text()
    path.write_text(edit(before))
    assert path.read_text() != before
    for command in (("verify", dataset), training(dataset, tmp_path / "run")):
        told = refused(*command)
        assert str(path) in told and what in told, told
        assert "expand again" in told
        assert len(told) < 1000
    assert not (tmp_path / "run").exists()


def test_a_manifest_that_promises_trillions(dataset: Path, tmp_path: Path) -> None:
    """Was: counted out one by one."""
    edit_manifest(dataset, lambda content: content.update(rounds=10**15))
    assert "rounds and repeats make" in refused("verify", dataset)
    assert "manifest.json has" in refused(*training(dataset, tmp_path / "run"))

    def repeat(content: dict[str, Any]) -> None:
        content.update(rounds=2)
        content["repeats"][0]["whole"] = 10**15

    edit_manifest(dataset, repeat)
    assert "rounds and repeats make" in refused("verify", dataset)


def test_a_policy_that_is_not_allowed(dataset: Path, split_photos: Path, tmp_path: Path) -> None:
    def edit(content: dict[str, Any]) -> None:
        content["policy"]["transform"] = {"__class_fullname__": "os.system", "command": "true"}

    edit_manifest(dataset, edit)
    fresh = training(dataset, tmp_path / "run", "--source", "on-the-fly", "--data", split_photos)
    deep = ("verify", dataset, "--deep", "--data", split_photos)
    for command in (fresh, deep):
        told = refused(*command)
        assert "unknown or not allowed" in told and str(dataset / MANIFEST_FILE) in told


# ---- the table


@pytest.mark.parametrize("source", ["../../etc/passwd", "/etc/passwd", "a\0b"])
def test_images_elsewhere(dataset: Path, split_photos: Path, tmp_path: Path, source: str) -> None:
    edit_rows(dataset, lambda rows: [row.update(source=source) for row in rows])
    fresh = training(dataset, tmp_path / "run", "--source", "on-the-fly", "--data", split_photos)
    for command in (fresh, ("verify", dataset), ("verify", dataset, "--deep")):
        told = refused(*command)
        assert str(dataset / SAMPLES_FILE) in told
        assert "lies outside of its folder" in told


def test_the_same_view_twice(dataset: Path, tmp_path: Path) -> None:
    edit_rows(dataset, lambda rows: rows[1].update(key=rows[0]["key"], copy=rows[0]["copy"]))
    assert "comes 2 times" in refused("verify", dataset)
    told = refused(*training(dataset, tmp_path / "run"))
    assert "the train rounds differ in samples" in told


# ---- the shards

MEMBERS: dict[str, dict[str, Any]] = {
    "up": {"name": "../../../x.png"},
    "absolute": {"name": "/tmp/x.png"},
    "link": {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
    "hard link": {"type": tarfile.LNKTYPE, "linkname": "../x"},
    "device": {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 5},
    "fifo": {"type": tarfile.FIFOTYPE},
    "folder": {"type": tarfile.DIRTYPE},
    "long name": {"name": "x" * 5000},
    "huge": {"size": 8**20},
    "owner": {"uid": 0, "uname": "root", "mode": 0o6777},
}


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=["gnu", "pax"])
@pytest.mark.parametrize("fields", MEMBERS.values(), ids=MEMBERS)
def test_members_that_augcli_does_not_write(
    dataset: Path, fields: dict[str, Any], format: int
) -> None:
    path = dataset / "shards" / SHARD
    member = tarfile.TarInfo("key-c0.png")
    for name, value in fields.items():
        setattr(member, name, value)
    path.write_bytes(member.tobuf(format) + path.read_bytes())
    edit_rows(dataset, lambda rows: _move(rows, len(member.tobuf(format))))
    told = refused("verify", dataset)
    assert f"shards/{SHARD}" in told
    assert "header at byte 0" in told or "members, expected 3 for each view" in told
    assert {found.name for found in dataset.parent.iterdir()} == {"dataset"}


def _move(rows: list[dict[str, Any]], by: int) -> None:
    for row in rows:
        if row["shard"] == SHARD:
            row["offset"] += by


def test_a_member_twice(dataset: Path) -> None:
    path = dataset / "shards" / SHARD
    whole = path.read_bytes()
    first = whole[: whole.index(b"ustar", 300) - 257]  # up to the second member's header
    path.write_bytes(first + whole)
    edit_rows(dataset, lambda rows: _move(rows, len(first)))
    assert "members, expected 3 for each view" in refused("verify", dataset)


def png_claiming(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(99))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data)


@pytest.mark.parametrize("side", [17, 13_000, 60_000])
def test_a_stored_view_that_is_a_bomb(dataset: Path, tmp_path: Path, side: int) -> None:
    """Was: 200 megapixels were allowed where the manifest promises 16 x 16."""
    bomb = png_claiming(side, side)
    path = dataset / "shards" / SHARD
    rows = pq.read_table(dataset / SAMPLES_FILE).to_pylist()
    row = next(row for row in rows if row["shard"] == SHARD)
    content = bytearray(path.read_bytes())
    bomb = bomb[: row["length"]].ljust(row["length"], b"\0")
    content[row["offset"] : row["offset"] + row["length"]] = bomb
    path.write_bytes(content)

    def edit(rows: list[dict[str, Any]]) -> None:
        found = next(r for r in rows if (r["key"], r["copy"]) == (row["key"], row["copy"]))
        found["crc32"] = zlib.crc32(bomb)

    edit_rows(dataset, edit)
    told = refused(*training(dataset, tmp_path / "run"))
    assert SHARD in told and f"{side} x {side} pixels are over the limit" in told
    told = refused("verify", dataset, "--deep")
    assert "not decodable (1)" in told


# ---- checkpoints


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("form", ["torch", "pickle", "old"])
def test_a_checkpoint_that_executes(
    sound: Path, split_photos: Path, tmp_path: Path, form: str
) -> None:
    trace, run = tmp_path / "executed", tmp_path / "run"
    run.mkdir()
    content = {"format": "augcli-checkpoint", "version": 3, "model": Payload(trace)}
    for name in ("best.pt", "last.pt"):
        if form == "pickle":
            (run / name).write_bytes(pickle.dumps(content))
        else:
            torch.save(content, run / name, _use_new_zipfile_serialization=form == "torch")
    for command in (
        training(sound, run, "--resume"),
        training(sound, tmp_path / "new", "--weights", run / "best.pt"),
        ("evaluate", run, "--shards", sound),
        ("landscape", run),
    ):
        told = refused(*command)
        assert "nothing in it was executed" in told and ".pt" in told
    assert not trace.exists()
    pickle.loads(pickle.dumps(Payload(trace)))
    assert trace.exists(), "the payload of this test does nothing"


def test_a_checkpoint_that_inflates(sound: Path, tmp_path: Path) -> None:
    """torch stores what it writes; a compressed archive can hold a thousand times its size."""
    import zipfile

    buffer = io.BytesIO()
    torch.save({"weight": torch.zeros(1000)}, buffer)
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(buffer) as whole, zipfile.ZipFile(path, "w") as packed:
        for member in whole.infolist():
            packed.writestr(member.filename, whole.read(member), zipfile.ZIP_DEFLATED)
    told = refused(*training(sound, tmp_path / "run", "--weights", path))
    assert str(path) in told and "compressed" in told


# ---- names


def test_names_that_a_terminal_would_obey(split_photos: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(split_photos, data)
    for split in data.iterdir():
        (split / "circle").rename(split / "cir\x1b[2Jcle")
    (data / "train" / "square" / "a\x1b]0;owned\x07.png").write_bytes(b"no image")
    arguments = (
        "--data",
        data,
        "--out",
        tmp_path / "out",
        "--size",
        16,
        "--workers",
        1,
        "--balance",
    )
    result = CliRunner().invoke(main, ["expand", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.output and "\x07" not in result.output
    assert r"cir\x1b[2Jcle" in result.output
    options = ("--data", data, "--epochs", 1, "--out", tmp_path / "run", "--size", 16)
    result = CliRunner().invoke(main, ["train", *map(str, options), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.output and "\x07" not in result.output
    assert r"a\x1b]0;owned\x07.png" in result.output
