"""`--format folder`: the class tree that other tools read, with every law of the shards."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augcli.augment import ExpandConfig, expand, expansion
from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.keys import view_name
from augcli.manifests.manifest import SHARDS_FOLDER
from augcli.manifests.samples_file import read_samples
from augcli.manifests.scan import scan_folder
from augcli.shards.verification import verify
from augcli.train import TrainConfig, train


def config(data: Path, out: Path, **changes: object) -> ExpandConfig:
    base = ExpandConfig(
        data=str(data), out=out, copies=2, size=24, format="folder", shard_size=6, workers=1
    )
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def dataset(split_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("folder") / "out"
    expand(config(split_photos, out))
    return out


def test_torchvision_reads_every_split(dataset: Path) -> None:
    from torchvision.datasets import ImageFolder

    for split, images in (("train", 18 * 3), ("val", 9), ("test", 9)):
        tree = ImageFolder(str(dataset / split))
        assert tree.classes == ["circle", "square", "stripes"]
        assert len(tree) == images
        assert {image.size for image, _ in tree} == {(24, 24)}


@pytest.mark.parametrize("codec", ["jpeg", "png", "webp"])
def test_the_same_names_and_bytes_as_in_shards(
    split_photos: Path, tmp_path: Path, codec: str
) -> None:
    from augcli.shards.reader import ShardMap

    expand(config(split_photos, tmp_path / "tar", codec=codec, format="tar"))
    expand(config(split_photos, tmp_path / "folder", codec=codec))
    shards = ShardMap(tmp_path / "tar")
    rows = read_samples(tmp_path / "tar" / "samples.parquet").to_pylist()
    extension = {"jpeg": "jpg"}.get(codec, codec)
    for row in rows:
        name = f"{view_name(row['key'], row['copy'])}.{extension}"
        file = tmp_path / "folder" / row["split"] / row["class"] / name
        assert file.read_bytes() == shards.read(row["shard"], row["offset"], row["length"])
    files = [path for path in (tmp_path / "folder").glob("*/*/*") if path.is_file()]
    assert len(files) == len(rows)


def test_workers_change_nothing(split_photos: Path, dataset: Path, tmp_path: Path) -> None:
    expand(config(split_photos, tmp_path / "out", workers=2))
    first, second = (
        {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}
        for root in (dataset, tmp_path / "out")
    )
    assert first == second
    assert not (dataset / SHARDS_FOLDER).exists()


def test_a_rerun_has_nothing_to_do(split_photos: Path, dataset: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (dataset, *dataset.rglob("*"))}
    assert expand(config(split_photos, dataset)).views_made == 0
    assert {path: path.stat().st_mtime_ns for path in (dataset, *dataset.rglob("*"))} == before


def remove(path: Path) -> None:
    path.unlink()


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)


def swap(path: Path) -> None:
    other = sorted(path.parent.iterdir())[-1]
    content = path.read_bytes()
    path.write_bytes(other.read_bytes())
    other.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (remove, "is missing"),
        (lengthen, "bytes, expected"),
        (flip_a_bit, "bytes are not those"),
        (swap, "expected|not those"),
    ],
)
def test_verify_sees_damage_and_expand_mends_loss(
    split_photos: Path, dataset: Path, tmp_path: Path, damage: object, told: str
) -> None:
    import re

    out = Path(shutil.copytree(dataset, tmp_path / "out"))
    victim = sorted((out / "train" / "square").iterdir())[0]
    damage(victim)  # type: ignore[operator]
    faults = verify(out).faults
    assert any(re.search(told, fault.what) for fault in faults)
    if damage in (remove, lengthen):  # what a look at the folder tells
        expand(config(split_photos, out))
        assert verify(out).faults == ()


def test_verify_sees_what_does_not_belong(dataset: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(dataset, tmp_path / "out"))
    stranger = out / "train" / "square" / "holiday.jpg"
    Image.fromarray(np.zeros((24, 24, 3), np.uint8)).save(stranger)
    assert [fault.where for fault in verify(out).faults] == ["train/square/holiday.jpg"]


def test_a_stranger_is_never_removed(split_photos: Path, dataset: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(dataset, tmp_path / "out"))
    stranger = out / "train" / "square" / "holiday.jpg"
    stranger.write_bytes(b"precious")
    expand(config(split_photos, out, copies=3))
    assert stranger.read_bytes() == b"precious"


def test_every_split_has_every_class(split_photos: Path, tmp_path: Path) -> None:
    """Readers number the classes by the folders that there are: one less would shift labels."""
    data = Path(shutil.copytree(split_photos, tmp_path / "data"))
    shutil.rmtree(data / "validation" / "square")
    out = tmp_path / "out"
    expand(config(data, out))
    assert sorted(path.name for path in (out / "val").iterdir()) == ["circle", "square", "stripes"]
    assert verify(out).faults == ()


def test_a_lost_empty_class_folder_is_a_fault(split_photos: Path, tmp_path: Path) -> None:
    """Git drops such folders; was: no fault, and labels that others read shifted by one."""
    data, out = Path(shutil.copytree(split_photos, tmp_path / "data")), tmp_path / "out"
    shutil.rmtree(data / "validation" / "square")
    expand(config(data, out))
    (out / "val" / "square").rmdir()
    (fault,) = verify(out).faults
    assert fault.where == "val/square" and fault.what.startswith("is missing")
    assert expand(config(data, out)).views_made == 0
    assert (out / "val" / "square").is_dir()
    assert verify(out).faults == ()


def test_an_unfinished_tree_is_no_data(
    split_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Was: its views were images of the next run, and `out` a class."""
    data = Path(shutil.copytree(split_photos / "train", tmp_path / "all" / "photos"))
    out = tmp_path / "all" / "out"

    def stops(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(expansion, "finish", stops)
    with pytest.raises(KeyboardInterrupt):
        expand(config(data, out))
    views = {path.relative_to(tmp_path / "all").as_posix() for path in out.rglob("*.jpg")}
    found, skipped = scan_folder(tmp_path / "all")
    assert {image.source.split("/")[0] for image in found} == {"photos"}
    assert views and views <= {failure.source for failure in skipped}


def test_class_names_that_are_no_folder_names(photos: Path, tmp_path: Path) -> None:
    names = {"circle": "..", "square": "a/b", "stripes": "plain"}
    rows = "".join(
        f"{path.relative_to(photos).as_posix()},{names[path.parent.name]}\n"
        for path in sorted(photos.rglob("*.jpg"))
    )
    data = Path(shutil.copytree(photos, tmp_path / "data"))
    table = data / "labels.csv"
    table.write_text(f"path,label\n{rows}")
    out = tmp_path / "out"
    expand(config(table, out))
    folders = [path.name for path in (out / "train").iterdir()]
    assert "plain" in folders
    assert len(folders) == 3
    assert not set(folders) & {"..", "a"}
    assert verify(out).faults == ()
    assert not (tmp_path / "plain").exists()


def test_training_reads_it(dataset: Path, tmp_path: Path) -> None:
    options = {"shards": dataset, "epochs": 1, "batch_size": 18, "workers": 0}
    result = train(TrainConfig(**options, out=tmp_path / "run"))  # type: ignore[arg-type]
    assert len(result.rows) == 1
    victim = sorted((dataset / "train" / "circle").iterdir())[0]
    content = victim.read_bytes()
    try:
        victim.unlink()
        with pytest.raises(AugcliError, match=victim.name):
            train(TrainConfig(**options, out=tmp_path / "again"))  # type: ignore[arg-type]
    finally:
        victim.write_bytes(content)


def test_arrays_are_no_images_that_others_read(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--format folder.*--codec npy.*jpeg, png, webp"):
        expand(config(photos, tmp_path / "out", codec="npy"))
