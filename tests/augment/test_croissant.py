"""`croissant.json` in MLCommons' own reader, whatever the classes and the dataset are called."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from augcli.augment import ExpandConfig, expand
from augcli.augment.indexes import index_pages
from augcli.manifests.hashing import sha256_file
from augcli.manifests.manifest import CROISSANT_FILE, SAMPLES_FILE, Manifest, read_manifest

UNKNOWN = ("citeAs", "datePublished", "license")  # to an expansion: recommended, and left out

# rdflib and pandas call what they deprecate themselves, through mlcroissant.
pytestmark = [
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def dataset(split_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("croissant") / "out"
    expand(
        ExpandConfig(data=str(split_photos), out=out, copies=1, size=16, shard_size=8, workers=1)
    )
    return out


def opened(folder: Path) -> Any:
    """The dataset in mlcroissant, which raises on any error in the metadata."""
    mlcroissant = pytest.importorskip("mlcroissant")

    loaded = mlcroissant.Dataset(folder / CROISSANT_FILE)
    issues = loaded.metadata.ctx.issues
    assert not issues.errors
    assert len(issues.warnings) == len(UNKNOWN)
    assert all(any(name in warning for warning in issues.warnings) for name in UNKNOWN)
    return loaded


def opened_from(manifest: Manifest, folder: Path) -> Any:
    (folder / CROISSANT_FILE).write_bytes(index_pages(manifest)[CROISSANT_FILE])
    return opened(folder)


def records(loaded: Any, name: str) -> list[dict[str, Any]]:
    """Records with plain columns; mlcroissant hands out text of files as UTF-8 bytes."""
    return [
        {
            column.removeprefix(f"{name}/"): value.decode() if isinstance(value, bytes) else value
            for column, value in record.items()
        }
        for record in loaded.records(name)
    ]


def test_samples_are_the_rows_of_the_table(dataset: Path) -> None:
    rows = pq.read_table(dataset / SAMPLES_FILE).to_pylist()
    assert len(rows) > 30
    assert records(opened(dataset), "samples") == rows


def test_splits_and_classes(dataset: Path) -> None:
    loaded, manifest = opened(dataset), read_manifest(dataset)
    assert records(loaded, "splits") == [
        {"name": "train", "url": "cr:TrainingSplit"},
        {"name": "val", "url": "cr:ValidationSplit"},
        {"name": "test", "url": "cr:TestSplit"},
    ]
    assert [r["name"] for r in records(loaded, "classes")] == list(manifest.classes)
    assert [r["label"] for r in records(loaded, "classes")] == list(range(len(manifest.classes)))


def test_files_are_those_of_the_dataset(dataset: Path) -> None:
    files = {file.content_url: file for file in opened(dataset).metadata.file_objects}
    shards = {f"shards/{path.name}" for path in (dataset / "shards").glob("*.tar")}
    assert set(files) == {SAMPLES_FILE, "failures.jsonl", *shards}
    for url, file in files.items():
        assert file.sha256 == sha256_file(dataset / url)
        if url in shards:
            assert file.content_size == f"{(dataset / url).stat().st_size} B"


def test_another_table_is_refused(dataset: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(dataset, tmp_path / "copy")
    pq.write_table(pq.read_table(copy / SAMPLES_FILE).slice(1), copy / SAMPLES_FILE)
    with pytest.raises(Exception, match=SAMPLES_FILE) as error:
        records(opened(copy), "samples")
    assert "Hash of downloaded file" in str(error.value.__cause__)


@pytest.mark.parametrize(
    "names", [('<b>"x"\n\\', 'дог {"@id": "a"}', "\u2028\x7f", "1"), ("only one",)]
)
def test_odd_names(dataset: Path, tmp_path: Path, names: tuple[str, ...]) -> None:
    manifest = read_manifest(dataset)
    reference = replace(manifest.reference, name='a"\n</script> \\ дог/..')
    loaded = opened_from(replace(manifest, reference=reference, classes=names), tmp_path)
    assert loaded.metadata.name == f"{reference.name}, augmented"
    assert [record["name"] for record in records(loaded, "classes")] == list(names)


def test_empty_splits_are_left_out(dataset: Path, tmp_path: Path) -> None:
    manifest = read_manifest(dataset)
    nothing = replace(manifest.splits["val"], views=0)
    splits = {**manifest.splits, "val": nothing, "test": nothing}
    assert [
        r["name"]
        for r in records(opened_from(replace(manifest, splits=splits), tmp_path), "splits")
    ] == ["train"]


def test_nothing_of_the_machine(dataset: Path) -> None:
    content = (dataset / CROISSANT_FILE).read_bytes()
    assert content.isascii()
    assert str(dataset.parent).encode() not in content
    assert "date" not in " ".join(json.loads(content))
