"""Each index in the tool that it is for: what that finds is what our own reader finds."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from augcli.augment import ExpandConfig, expand
from augcli.augment.encode import codec_named
from augcli.augment.indexes import index_pages
from augcli.manifests.hashing import sha256_file
from augcli.manifests.manifest import (
    CARD_FILE,
    PREVIEW_FILE,
    SAMPLES_FILE,
    SHARDS_FOLDER,
    SIZES_FILE,
    TIMM_FILE,
    read_manifest,
    wids_file,
)
from augcli.manifests.samples_file import read_samples, rows_of
from augcli.shards import verify
from augcli.shards.reader import ShardMap

CODECS = ("jpeg", "png", "webp", "npy")
SPLITS = {"train": "train", "val": "validation", "test": "test"}  # ours, and timm's
View = tuple[np.ndarray, int, str]


def config(data: Path, out: Path, **options: Any) -> ExpandConfig:
    """Three rounds, and several shards in every round and split."""
    return ExpandConfig(
        data=str(data), out=out, copies=2, size=32, shard_size=4, **{"workers": 1, **options}
    )


@pytest.fixture(scope="module", params=CODECS)
def dataset(
    request: pytest.FixtureRequest, split_photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("indexed") / request.param
    expand(config(split_photos, out, codec=request.param))
    return out


def codec_of(dataset: Path) -> str:
    return str(read_manifest(dataset).options["codec"])


def stored(dataset: Path, split: str) -> list[View]:
    """Pixels, label and name of the views of a split: rounds, chunks and views in their order."""
    codec, shards = codec_named(codec_of(dataset)), ShardMap(dataset)
    rows = rows_of(read_samples(dataset / SAMPLES_FILE, split=split))
    rows.sort(key=lambda row: (row.shard, row.offset))  # names sort by round, then by chunk
    assert len(rows) == read_manifest(dataset).splits[split].views > 4
    return [
        (codec.decode(shards.read(r.shard, r.offset, r.length)), r.label, f"{r.key}-c{r.copy}")
        for r in rows
    ]


def assert_same(found: list[tuple[np.ndarray, int]], wanted: list[View]) -> None:
    assert [label for _, label in found] == [label for _, label, _ in wanted]
    for (pixels, _), (expected, _, name) in zip(found, wanted, strict=True):
        assert np.array_equal(pixels, expected), name


def read_with_wids(shards: Path, split: str) -> Any:
    wids = pytest.importorskip("wids", reason="is in the test extra: pip install wids")
    index = shards / Path(wids_file(split)).name
    return wids.ShardListDataset(str(index), cache_dir=str(shards), transformations=[_decoded])


def _decoded(sample: dict[str, Any]) -> dict[str, Any]:
    """Bytes to an array, with what `wids` depends on; its own decoder knows no WebP."""
    (extension,) = {".jpg", ".png", ".webp", ".npy"} & set(sample)
    data = io.BytesIO(sample[extension].read())
    image = np.load(data) if extension == ".npy" else np.asarray(Image.open(data))
    return {**sample, "image": image, "label": int(sample[".cls"].read())}


@pytest.mark.parametrize("split", SPLITS)
def test_wids(dataset: Path, split: str) -> None:
    views = read_with_wids(dataset / SHARDS_FOLDER, split)
    wanted = stored(dataset, split)
    assert len(views) == len(wanted)
    samples = [views[number] for number in range(len(views))]
    assert_same([(sample["image"], sample["label"]) for sample in samples], wanted)
    assert [sample["__key__"] for sample in samples] == [name for *_, name in wanted]
    assert [shard["round"] for shard in views.shards] == sorted(s["round"] for s in views.shards)
    views.close()
    assert verify(dataset).faults == ()  # it left nothing behind


def test_wids_reads_moved_shards(dataset: Path, tmp_path: Path) -> None:
    elsewhere = shutil.copytree(dataset / SHARDS_FOLDER, tmp_path / "elsewhere")
    views = read_with_wids(elsewhere, "val")
    assert views[len(views) - 1]["__shard__"].startswith(str(elsewhere))
    views.close()


def test_wids_index_describes_the_files(dataset: Path) -> None:
    for split in SPLITS:
        for shard in json.loads((dataset / wids_file(split)).read_bytes())["shardlist"]:
            path = dataset / SHARDS_FOLDER / shard["url"]
            assert shard["filesize"] == path.stat().st_size
            assert shard["sha256"] == sha256_file(path)


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # webdataset leaves that to gc
@pytest.mark.parametrize("split", SPLITS)
def test_timm(dataset: Path, split: str) -> None:
    create_dataset = pytest.importorskip("timm.data").create_dataset

    root = str(dataset / SHARDS_FOLDER)
    if codec_of(dataset) == "npy":  # refused, rather than read as an empty dataset
        with pytest.raises(RuntimeError, match="not found"):
            create_dataset("wds/", root=root, split=SPLITS[split])
        return
    views = create_dataset("wds/", root=root, split=SPLITS[split])
    wanted = stored(dataset, split)
    assert len(views) == len(wanted)
    assert_same([(np.asarray(image), label) for image, label in views], wanted)


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.parametrize("dataset", ["jpeg"], indirect=True)
def test_timm_trains_on_every_view_of_all_rounds(dataset: Path) -> None:
    create_dataset = pytest.importorskip("timm.data").create_dataset

    root = str(dataset / SHARDS_FOLDER)
    views = create_dataset("wds/", root=root, split="train", is_training=True, batch_size=6)
    found = sorted((np.asarray(image).tobytes(), label) for image, label in views)
    wanted = stored(dataset, "train")
    assert len(wanted) % 6 == 0, "or timm repeats views to fill a batch"
    assert found == sorted((pixels.tobytes(), label) for pixels, label, _ in wanted)


def test_sizes(dataset: Path) -> None:
    """As open_clip adds them up: `sizes.json` lies beside the shards and has their file names."""
    sizes = json.loads((dataset / SIZES_FILE).read_bytes())
    paths = sorted((dataset / SHARDS_FOLDER).glob("*.tar"))
    assert sorted(sizes) == [path.name for path in paths]
    for path in paths:
        with tarfile.open(path) as tar:
            assert sizes[path.name] == sum(name.endswith(".cls") for name in tar.getnames())


@pytest.mark.parametrize("folder", ["", SHARDS_FOLDER])
@pytest.mark.parametrize("dataset", ["jpeg"], indirect=True)
def test_hugging_face_takes_no_index_for_a_shard(
    dataset: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a folder it sorts all files into splits by words in their names."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    load_dataset = pytest.importorskip("datasets").load_dataset

    loaded = load_dataset("webdataset", data_dir=str(dataset / folder), streaming=True)
    records = read_manifest(dataset).splits
    assert {name: sum(1 for _ in views) for name, views in loaded.items()} == {
        theirs: records[ours].views for ours, theirs in SPLITS.items()
    }


def test_files_are_made_from_the_manifest_alone(dataset: Path) -> None:
    manifest = read_manifest(dataset)
    pages = index_pages(replace(manifest, pages={}))
    assert {*pages, CARD_FILE, PREVIEW_FILE} == set(manifest.pages)
    for name, content in pages.items():
        assert (dataset / name).read_bytes() == content
        assert str(dataset.parent).encode() not in content


@pytest.mark.parametrize("dataset", ["jpeg"], indirect=True)
def test_same_bytes_from_another_run(dataset: Path, split_photos: Path, tmp_path: Path) -> None:
    expand(config(split_photos, tmp_path / "again", codec="jpeg", workers=2))
    for name in index_pages(read_manifest(dataset)):
        assert (tmp_path / "again" / name).read_bytes() == (dataset / name).read_bytes(), name


@pytest.mark.parametrize("dataset", ["jpeg"], indirect=True)
def test_empty_splits_are_left_out(dataset: Path) -> None:
    """Readers refuse an index without shards."""
    manifest = read_manifest(dataset)
    nothing = replace(manifest.splits["val"], views=0)
    pages = index_pages(
        replace(
            manifest,
            splits={**manifest.splits, "val": nothing, "test": nothing},
            shards=manifest.shards_of("train"),
        )
    )
    assert [name for name in pages if "wids" in name] == [wids_file("train")]
    assert list(json.loads(pages[TIMM_FILE])["splits"]) == ["train"]


@pytest.mark.parametrize("dataset", ["jpeg"], indirect=True)
def test_a_run_killed_while_it_wrote_an_index(
    dataset: Path, split_photos: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(dataset, tmp_path / "out")
    (out / SIZES_FILE).rename(out / SHARDS_FOLDER / ".sizes.json.1.tmp")
    assert len(verify(out).faults) == 2
    expand(config(split_photos, out, codec="jpeg"))
    assert verify(out).faults == ()
    assert (out / SIZES_FILE).read_bytes() == (dataset / SIZES_FILE).read_bytes()
