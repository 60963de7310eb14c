"""A shard appears whole, under its name, with the offsets and hash that were promised."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

import pytest

from augcli.manifests.errors import AugcliError
from augcli.shards.writer import ShardWriter

VIEWS = {
    f"cat-{number}-c0": {"jpg": bytes([number]) * size, "cls": b"%d" % number, "json": b"{}"}
    for number, size in enumerate([0, 1, 511, 512, 513, 5000])
}


@pytest.fixture
def paths(tmp_path: Path) -> tuple[Path, Path]:
    for folder in ("shards", "work"):
        (tmp_path / folder).mkdir()
    return tmp_path / "shards" / "x.tar", tmp_path / "work" / "x.tar.tmp"


def test_shard_is_a_tar_with_the_right_addresses(paths: tuple[Path, Path]) -> None:
    path, temporary = paths
    offsets = {}
    with ShardWriter(path, temporary) as writer:
        for name, members in VIEWS.items():
            shard, offsets[name] = writer.write(name, "cat", members)
            assert shard == path.name
        assert not path.exists()
        digest = writer.publish()
    data = path.read_bytes()
    assert not temporary.exists()
    assert (writer.views, writer.bytes) == (len(VIEWS), len(data))
    assert digest == hashlib.sha256(data).hexdigest()
    for name, members in VIEWS.items():
        assert data[offsets[name] :].startswith(members["jpg"])
    with tarfile.open(path) as tar:
        found = [(m.name, tar.extractfile(m).read()) for m in tar]  # type: ignore[union-attr]
    assert found == [(f"{n}.{e}", c) for n, members in VIEWS.items() for e, c in members.items()]


def test_same_views_same_bytes(tmp_path: Path) -> None:
    digests = set()
    for name in ("a.tar", "b.tar"):
        with ShardWriter(tmp_path / name, tmp_path / f"{name}.tmp") as writer:
            for view, members in VIEWS.items():
                writer.write(view, "cat", members)
            digests.add(writer.publish())
    assert len(digests) == 1


@pytest.mark.parametrize("failure", [RuntimeError("x"), KeyboardInterrupt(), SystemExit()])
def test_discarded_on_an_exception(paths: tuple[Path, Path], failure: BaseException) -> None:
    path, temporary = paths
    path.write_text("the earlier one")
    with pytest.raises(type(failure)), ShardWriter(path, temporary) as writer:
        writer.write("a", "cat", {"jpg": b"x"})
        raise failure
    assert path.read_text() == "the earlier one"
    assert not temporary.exists()


def test_discarded_when_not_published(paths: tuple[Path, Path]) -> None:
    path, temporary = paths
    with ShardWriter(path, temporary) as writer:
        writer.write("a", "cat", {"jpg": b"x"})
    assert not path.exists()
    assert not temporary.exists()


def test_a_bad_member_writes_nothing_of_its_view(paths: tuple[Path, Path]) -> None:
    path, temporary = paths
    with ShardWriter(path, temporary) as writer:
        writer.write("a", "cat", {"jpg": b"x"})
        before = writer.bytes
        with pytest.raises(AugcliError):
            writer.write("b", "cat", {"jpg": b"x", "é": b"y"})
        assert (writer.views, writer.bytes) == (1, before)
        writer.publish()
    with tarfile.open(path) as tar:
        assert tar.getnames() == ["a.jpg"]


def test_an_empty_shard_is_a_tar(paths: tuple[Path, Path]) -> None:
    with ShardWriter(*paths) as writer:
        writer.publish()
    with tarfile.open(paths[0]) as tar:
        assert tar.getnames() == []
