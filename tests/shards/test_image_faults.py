"""Each stored image has a CRC-32, in every codec and format; `verify` names those that changed."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from augcli.augment import ExpandConfig, expand
from augcli.manifests.hashing import sha256_file
from augcli.manifests.keys import view_name
from augcli.manifests.manifest import SAMPLES_FILE, SHARDS_FOLDER, read_manifest
from augcli.manifests.samples import ViewRow
from augcli.manifests.samples_file import read_samples, rows_of
from augcli.shards import verify
from augcli.shards.image_faults import LISTED, image_faults

NAMES = {"tar": "train-r001-00000.tar", "folder": "train-r001-00000"}
STORED = [("jpeg", "tar"), ("png", "tar"), ("webp", "tar"), ("npy", "tar")]
STORED += [(codec, "folder") for codec in ("jpeg", "png", "webp")]


def config(data: Path, out: Path, codec: str, format: str) -> ExpandConfig:
    return ExpandConfig(
        data=str(data),
        out=out,
        copies=1,
        size=16,
        codec=codec,
        format=format,
        shard_size=8,
        workers=1,
    )


@pytest.fixture(scope="module", params=["tar", "folder"])
def intact(
    request: pytest.FixtureRequest, photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """In shards all views have one length, so that they can be swapped in place."""
    out = tmp_path_factory.mktemp("intact") / "out"
    expand(config(photos, out, "npy" if request.param == "tar" else "jpeg", request.param))
    return out


@pytest.fixture
def dataset(intact: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(intact, tmp_path / "dataset"))


def rows(dataset: Path) -> list[ViewRow]:
    return rows_of(read_samples(dataset / SAMPLES_FILE))


def rows_of_shard(dataset: Path) -> list[ViewRow]:
    """The rows of the first shard of round 1, in either format."""
    manifest = read_manifest(dataset)
    first = 0
    for shard in manifest.shards:
        if shard.name == NAMES[manifest.options["format"]]:
            return rows(dataset)[first : first + shard.views]
        first += shard.views
    raise AssertionError(shard.name)


def file_of(dataset: Path, row: ViewRow) -> Path:
    folder = dataset / SHARDS_FOLDER if row.shard.endswith(".tar") else dataset
    return folder / row.shard


def image_of(dataset: Path, row: ViewRow) -> bytes:
    return file_of(dataset, row).read_bytes()[row.offset : row.offset + row.length]


def put(dataset: Path, row: ViewRow, content: bytes) -> None:
    """Write over an image, or the beginning of it."""
    with open(file_of(dataset, row), "r+b") as file:
        file.seek(row.offset)
        file.write(content[: row.length])


def flip(dataset: Path, row: ViewRow, byte: int) -> None:
    content = bytearray(image_of(dataset, row))
    content[byte] ^= 1
    put(dataset, row, bytes(content))


def named(row: ViewRow) -> str:
    """How a fault says where an image is."""
    if not row.shard.endswith(".tar"):
        return row.shard
    return f"{view_name(row.key, row.copy)} at byte {row.offset}"


def told(dataset: Path) -> list[str]:
    """The faults as a user reads them."""
    return [f"{fault.where}: {fault.what}" for fault in verify(dataset).faults]


def place(dataset: Path) -> str:
    """The shard of `rows_of_shard`, as a fault has it."""
    is_tar = read_manifest(dataset).options["format"] == "tar"
    return f"{SHARDS_FOLDER}/{NAMES['tar']}" if is_tar else NAMES["folder"]


@pytest.mark.parametrize(("codec", "format"), STORED)
def test_every_view_has_the_crc_of_its_image(
    photos: Path, tmp_path: Path, codec: str, format: str
) -> None:
    """As expanded, and of the rounds that stay when there are more copies."""
    options = config(photos, tmp_path / "out", codec, format)
    for copies in (1, 2):
        expand(replace(options, copies=copies))
        found = rows(options.out)
        assert {row.round for row in found} == set(range(copies + 1))
        for row in found:
            assert row.crc32 == zlib.crc32(image_of(options.out, row))
        assert told(options.out) == []


@pytest.mark.parametrize("byte", [0, 100, -1])
def test_a_flipped_byte_is_named(dataset: Path, byte: int) -> None:
    views = rows_of_shard(dataset)
    flip(dataset, views[2], byte)
    whose, last = told(dataset)
    assert whose.startswith(f"{place(dataset)}: its ")
    assert whose.endswith("bytes are not those that the manifest records")
    assert last == f"{place(dataset)}: changed images (1 of {len(views)}): {named(views[2])}"


def test_two_swapped_views_are_both_named(dataset: Path) -> None:
    """In the shard they have one length; files keep theirs, so that their sizes tell nothing."""
    views = rows_of_shard(dataset)
    one, two = views[1], views[4]
    first, second = image_of(dataset, one), image_of(dataset, two)
    put(dataset, one, second)
    put(dataset, two, first)
    listed = f"changed images (2 of {len(views)}): {named(one)}, {named(two)}"
    assert told(dataset)[1:] == [f"{place(dataset)}: {listed}"]


def test_of_many_the_first_few_are_named(dataset: Path) -> None:
    views = rows_of_shard(dataset)
    for row in views:
        flip(dataset, row, 50)
    last = told(dataset)[-1]
    assert f"({len(views)} of {len(views)})" in last
    assert [row for row in views if named(row) in last] == views[:LISTED]
    assert last.endswith(f", and {len(views) - LISTED} more")


def test_as_many_as_are_listed_are_no_more() -> None:
    (fault,) = image_faults("x.tar", ["a"] * LISTED, LISTED, is_recorded=False)
    assert "more" not in fault.what
    assert not list(image_faults("x.tar", [], LISTED, is_recorded=False))


@pytest.mark.parametrize(
    "crc32", [lambda right: right ^ 1, lambda right: -1, lambda right: 1 << 40]
)
def test_a_wrong_crc_in_the_table_is_not_the_shards_fault(
    dataset: Path, crc32: Callable[[int], int]
) -> None:
    """The manifest is made to agree with the edited table."""
    row = rows_of_shard(dataset)[3]
    path = dataset / SAMPLES_FILE
    table = pq.read_table(path)
    content = table.to_pylist()
    for line in content:
        if (line["key"], line["copy"]) == (row.key, row.copy):
            line["crc32"] = crc32(row.crc32)
    pq.write_table(type(table).from_pylist(content, table.schema), path)
    manifest = read_manifest(dataset)
    replace(manifest, samples=replace(manifest.samples, sha256=sha256_file(path))).write(dataset)
    (fault,) = told(dataset)
    assert "images with another crc32 than in samples.parquet (1 of " in fault
    assert fault.endswith(named(row))


def test_damage_beside_the_images_says_that_they_are_whole(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    expand(config(photos, out, "jpeg", "tar"))
    row = rows_of_shard(out)[0]
    path = file_of(out, row)
    data = bytearray(path.read_bytes())
    data[path.read_bytes().index(row.member_json()) + 10] ^= 1
    path.write_bytes(data)
    first, second = told(out)
    assert first.endswith("that the manifest records; every image in it is whole")
    assert f"{view_name(row.key, row.copy)}.json: differs" in second


def test_a_damaged_header_does_not_hide_a_changed_image(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    expand(config(photos, out, "jpeg", "tar"))
    views = rows_of_shard(out)
    flip(out, views[-1], 30)
    with open(file_of(out, views[0]), "r+b") as file:
        file.write(b"?")
    _, images, header = told(out)
    assert named(views[-1]) in images
    assert "header at byte 0" in header


def test_a_missing_file_does_not_hide_a_changed_one(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    expand(config(photos, out, "jpeg", "folder"))
    views = rows_of_shard(out)
    flip(out, views[3], 30)
    file_of(out, views[0]).unlink()
    assert told(out) == [
        f"{views[0].shard}: is missing",
        f"{NAMES['folder']}: changed images (1 of {len(views)}): {views[3].shard}",
    ]


def test_a_file_that_cannot_be_read_is_a_fault(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there and has the right size: verification used to be content with that."""
    out = tmp_path / "out"
    expand(config(photos, out, "jpeg", "folder"))
    row, read_bytes = rows_of_shard(out)[0], Path.read_bytes

    def denied(path: Path) -> bytes:
        if path == file_of(out, row):
            raise PermissionError(13, "Permission denied", str(path))
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", denied)
    assert told(out) == [f"{row.shard}: can't be read: Permission denied"]
