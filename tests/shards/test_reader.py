"""Addressed reading: the right bytes, from any thread or process, or a clear refusal."""

from __future__ import annotations

import pickle
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from augcli.manifests.errors import AugcliError
from augcli.manifests.manifest import SHARDS_FOLDER
from augcli.shards.reader import ShardMap, map_file, members
from augcli.shards.tar import BLOCK, END, member_header
from augcli.shards.writer import ShardWriter

CONTENTS = {f"v{number}": bytes([number]) * (number * 300) for number in range(12)}
Address = tuple[str, int, int]


@pytest.fixture
def addresses(tmp_path: Path) -> dict[str, Address]:
    """Two shards in `tmp_path`; view name -> shard, offset, length."""
    folder = tmp_path / SHARDS_FOLDER
    folder.mkdir()
    found = {}
    for parity, shard in enumerate(("even.tar", "odd.tar")):
        with ShardWriter(folder / shard, tmp_path / "tmp") as writer:
            for name in list(CONTENTS)[parity::2]:
                place = writer.write(name, "cat", {"npy": CONTENTS[name], "cls": b"0"})
                found[name] = (*place, len(CONTENTS[name]))
            writer.publish()
    return found


def test_any_view_in_any_order(tmp_path: Path, addresses: dict[str, Address]) -> None:
    shards = ShardMap(tmp_path)
    for name in sorted(addresses, key=lambda name: hash((name, "mixed"))):
        assert shards.read(*addresses[name]) == CONTENTS[name]


def test_threads_share_a_map(tmp_path: Path, addresses: dict[str, Address]) -> None:
    shards = ShardMap(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda name: bytes(shards.read(*addresses[name])), addresses))
    assert read == [CONTENTS[name] for name in addresses]


def test_pickled_while_open(tmp_path: Path, addresses: dict[str, Address]) -> None:
    shards = ShardMap(tmp_path)
    first = shards.read(*addresses["v3"])
    copy = pickle.loads(pickle.dumps(shards))
    assert copy.read(*addresses["v3"]) == first


def test_views_handed_out_outlive_close(tmp_path: Path, addresses: dict[str, Address]) -> None:
    shards = ShardMap(tmp_path)
    view = shards.read(*addresses["v5"])
    shards.close()
    assert view == CONTENTS["v5"]
    assert shards.read(*addresses["v7"]) == CONTENTS["v7"]


def test_views_can_not_be_written(tmp_path: Path, addresses: dict[str, Address]) -> None:
    with pytest.raises(TypeError):
        ShardMap(tmp_path).read(*addresses["v5"])[0] = 1


@pytest.mark.parametrize(("offset", "length"), [(-1, 5), (0, -5), (0, 1 << 40), (1 << 40, 1)])
def test_outside_the_shard(
    tmp_path: Path, addresses: dict[str, Address], offset: int, length: int
) -> None:
    with pytest.raises(AugcliError, match=r"even\.tar.*outside"):
        ShardMap(tmp_path).read("even.tar", offset, length)


@pytest.mark.parametrize("damage", ["missing", "empty", "folder"])
def test_shards_that_can_not_be_mapped(tmp_path: Path, damage: str) -> None:
    path = tmp_path / SHARDS_FOLDER / "x.tar"
    path.parent.mkdir()
    if damage == "empty":
        path.touch()
    elif damage == "folder":
        path.mkdir()
    with pytest.raises(AugcliError, match=r"x\.tar.*can't be read"):
        ShardMap(tmp_path).read("x.tar", 0, 1)


def test_members_are_tarfiles(tmp_path: Path, addresses: dict[str, Address]) -> None:
    path = tmp_path / SHARDS_FOLDER / "odd.tar"
    found = [(m.name, m.offset, m.size) for m in members(map_file(path))]
    with tarfile.open(path) as tar:
        assert found == [(m.name, m.offset_data, m.size) for m in tar]


HEADER = member_header("a", 3)
CONTENT = b"abc".ljust(BLOCK, b"\0")


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (HEADER + CONTENT, "end marker is missing"),
        (HEADER + CONTENT + bytes(BLOCK), "not two blocks"),
        (HEADER + CONTENT + END + bytes(BLOCK), "not two blocks"),
        (HEADER + CONTENT + END[:-1] + b"x", "not two blocks"),
        (HEADER + CONTENT[:3], "a reaches past the end"),
        (member_header("a", 10**10 % 8**11), "a reaches past the end"),
        (HEADER[:100], "cut off"),
        (HEADER + CONTENT + HEADER[:-1], "cut off"),
        (b"\xff" * 2 * BLOCK, "byte 0 is damaged"),
        (HEADER + CONTENT + b"junk" * 256, "byte 1024 is damaged"),
    ],
)
def test_damaged_tars(tmp_path: Path, data: bytes, fault: str) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(data)
    with pytest.raises(AugcliError, match=fault):
        list(members(map_file(path)))
