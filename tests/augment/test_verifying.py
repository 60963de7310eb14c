"""`verify --deep` proves that views are what their images make; `--repair` brings bytes back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from augcli.augment import ExpandConfig, expand, repairing
from augcli.augment import expansion as expansion_module
from augcli.augment.config import VerifyConfig
from augcli.augment.dataset_folder import LOCK_FILE
from augcli.augment.frame import Frame
from augcli.augment.verifying import Verified, verify
from augcli.augment.views import View, ViewMaker
from augcli.manifests.errors import AugcliError
from augcli.manifests.files import exclusive_lock
from augcli.manifests.manifest import MANIFEST_FILE, SAMPLES_FILE, WORK_FOLDER, read_manifest
from augcli.manifests.samples import ViewRow
from augcli.manifests.samples_file import read_samples, rows_of

FORMATS = ["tar", "folder"]
ALL = 10**6

Files = dict[str, bytes]


@pytest.fixture(autouse=True)
def no_flushing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power is cut in earnest here."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(params=FORMATS)
def format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def config(data: Path, out: Path, **changes: object) -> ExpandConfig:
    base = ExpandConfig(
        data=str(data), out=out, copies=2, size=16, policy="basic", shard_size=6, workers=1
    )
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def expanded(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of each format, and the images that they are made of."""
    folder = tmp_path_factory.mktemp("verifying")
    shutil.copytree(photos, folder / "data")
    for format in FORMATS:
        expand(config(folder / "data", folder / format, format=format))
    return folder


@pytest.fixture
def data(expanded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(expanded / "data", tmp_path / "data"))


@pytest.fixture
def dataset(expanded: Path, tmp_path: Path, format: str) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(expanded / format, tmp_path / "dataset"))


def files(folder: Path) -> Files:
    found = folder.rglob("*")
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found if p.is_file()}


def rows(dataset: Path) -> list[ViewRow]:
    return rows_of(read_samples(dataset / SAMPLES_FILE))


def deep(dataset: Path, data: Path | None = None, **more: object) -> Verified:
    settings = VerifyConfig(deep=True, views=ALL, workers=1, data=data and str(data))
    return verify(dataset, replace(settings, **more))  # type: ignore[arg-type]


def mend(dataset: Path, data: Path) -> Verified:
    return verify(dataset, VerifyConfig(repair=True, data=str(data), workers=1))


def test_all_is_decoded_and_made_anew(dataset: Path, data: Path) -> None:
    reports: list[tuple[int, int, str]] = []
    settings = VerifyConfig(deep=True, views=ALL, workers=2, data=str(data))
    result = verify(dataset, settings, lambda *told: reports.append(told))
    views = len(rows(dataset))
    assert (result.decoded, result.remade, result.faults, result.notes) == (views, views, (), ())
    assert {what for _, _, what in reports} == {"bytes", "decoding", "making anew"}
    assert all(0 < done <= total for done, total, _ in reports)
    assert deep(dataset, data, views=7).remade == 7
    assert list(result.lines())[-1].endswith("made anew and the same, no fault")


def test_a_view_that_its_image_does_not_make(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    """Consistent in every byte and hash: only making it anew can tell."""
    original = ViewMaker.view
    bad: list[str] = []

    def spoilt(self: ViewMaker, fitted: Frame, key: str, copy: int, label: int) -> View:
        view = original(self, fitted, key, copy, label)
        if copy == 1 and not bad:
            bad.append(key)
            return replace(view, rgbx=np.ascontiguousarray(view.rgbx[::-1]))
        return view

    settings = config(photos, tmp_path / "out", format=format)
    prepared = expansion_module.prepare(settings, None)
    monkeypatch.setattr(expansion_module, "dataset_picture", lambda _: b"")  # makes views too
    with monkeypatch.context() as patched:
        patched.setattr(ViewMaker, "view", spoilt)
        expansion_module._make(prepared, None, None, None)
    out = tmp_path / "out"
    assert verify(out).faults == ()
    (fault,) = deep(out, photos).faults
    assert fault.where == f"{bad[0]}, copy 1"
    assert "policy and seed make" in fault.what


def test_what_is_no_image_is_found(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    from augcli.augment.encode import CODECS

    jpeg, calls = CODECS["jpeg"], iter(range(10**6))

    def torn(image: object, quality: int) -> bytes:
        data = jpeg.encode(image, quality)  # type: ignore[arg-type]
        return data[: len(data) // 2] if next(calls) == 20 else data

    settings = config(photos, tmp_path / "out", format=format)
    prepared = expansion_module.prepare(settings, None)
    with monkeypatch.context() as patched:
        patched.setitem(CODECS, "jpeg", replace(jpeg, encode=torn))
        expansion_module._make(prepared, None, None, None)
    out = tmp_path / "out"
    assert verify(out).faults == ()
    unreadable, impure = deep(out, photos).faults
    assert unreadable.what.startswith("not decodable (1): ") and "damaged" in unreadable.what
    assert "policy and seed make" in impure.what
    assert mend(out, photos).repaired == ()  # nothing is broken that was published


def test_other_versions_prove_nothing(
    dataset: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from augcli.augment import deep as module
    from augcli.augment import verifying

    monkeypatch.setattr(verifying, "other_versions", lambda _: ["numpy: was 1, is now 2"])
    assert deep(dataset, data).notes == ()  # the views are the same all the same
    monkeypatch.setattr(module, "sha256_bytes", lambda data: "0" * 64)
    monkeypatch.setattr(ViewMaker, "fitted", lambda self, data: 1 / 0)
    result = deep(dataset, data)
    assert (result.faults, result.remade) == ((), 0)
    assert "images are not what they were" in result.notes[0]
    monkeypatch.undo()
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(verifying, "other_versions", lambda _: ["numpy: was 1, is now 2"])
    original = ViewMaker.view
    monkeypatch.setattr(
        ViewMaker, "view", lambda *given: replace(original(*given), applied="other")
    )
    result = deep(dataset, data)
    assert (result.faults, result.remade) == ((), 0)
    assert "would be others with what is installed: numpy: was 1, is now 2" in result.notes[0]


def test_images_that_can_not_be_found(dataset: Path, data: Path, tmp_path: Path) -> None:
    shutil.rmtree(data)
    with pytest.raises(AugcliError, match="no such file"):
        deep(dataset, data)
    assert deep(dataset, tmp_path).notes[0].endswith("their views are not made anew")


def test_a_dataset_that_came_from_elsewhere(
    dataset: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AUGCLI_CACHE", str(tmp_path / "other machine"))
    result = deep(dataset)
    assert result.faults == () and result.decoded == len(rows(dataset)) and result.remade == 0
    assert "say where it is with --data DIR" in result.notes[0]


# ---- repair


def bit_rot(dataset: Path, shard: str) -> None:
    path = views_of(dataset, shard)[-1]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(dataset: Path, shard: str) -> None:
    path = views_of(dataset, shard)[0]
    path.write_bytes(path.read_bytes()[:100])


def delete(dataset: Path, shard: str) -> None:
    for path in views_of(dataset, shard):
        path.unlink()


def views_of(dataset: Path, shard: str) -> list[Path]:
    """The files of a shard, in either format."""
    if (dataset / "shards").is_dir():
        return [dataset / "shards" / shard]
    records = read_manifest(dataset).shards
    first = sum(record.views for record in records[: [r.name for r in records].index(shard)])
    count = next(record.views for record in records if record.name == shard)
    return [dataset / row.shard for row in rows(dataset)[first : first + count]]


def stamps(dataset: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in dataset.rglob("*") if path.is_file()}


@pytest.mark.parametrize("damage", [bit_rot, truncate, delete])
def test_only_what_is_broken_is_made_again(
    dataset: Path, data: Path, damage: Callable[[Path, str], None]
) -> None:
    whole, before = files(dataset), stamps(dataset)
    shards = [shard.name for shard in read_manifest(dataset).shards]
    wanted = (shards[0], shards[-1])
    for name in wanted:
        damage(dataset, name)
    told = verify(dataset)
    assert told.found.broken == wanted
    assert "--repair makes broken shards again" in told.notes[0]
    result = mend(dataset, data)
    assert result.repaired == wanted
    assert (result.faults, result.notes) == ((), ())
    assert result.found.faults == told.found.faults
    assert files(dataset) == whole
    touched = {path for path, stamp in stamps(dataset).items() if before[path] != stamp}
    assert touched <= {path for name in wanted for path in views_of(dataset, name)}
    assert not (dataset / WORK_FOLDER).exists()
    assert verify(dataset).faults == ()


def test_deep_looks_at_what_was_repaired(dataset: Path, data: Path) -> None:
    delete(dataset, read_manifest(dataset).shards[0].name)
    result = deep(dataset, data, repair=True)
    assert result.decoded == result.remade == len(rows(dataset))
    assert result.to_json()["ok"] is True


def test_a_lost_empty_class_folder_is_made_again(split_photos: Path, tmp_path: Path) -> None:
    data, out = Path(shutil.copytree(split_photos, tmp_path / "data")), tmp_path / "out"
    shutil.rmtree(data / "test" / "stripes")
    expand(config(data, out, format="folder"))
    (out / "test" / "stripes").rmdir()
    shutil.rmtree(data)  # it needs no images
    told = verify(out)
    assert [fault.where for fault in told.faults] == ["test/stripes"]
    assert told.notes == (f"augcli verify {out} --repair makes lost class folders again",)
    result = verify(out, VerifyConfig(repair=True))
    assert (result.faults, result.folders, result.notes) == ((), ("test/stripes",), ())
    assert result.to_json()["repaired"] == ["test/stripes"]
    assert next(result.lines()).endswith("(repaired)")
    assert verify(out).faults == ()


@pytest.mark.parametrize("change", ["gone", "other bytes"])
def test_without_its_image_a_shard_stays_as_it_is(dataset: Path, data: Path, change: str) -> None:
    manifest = read_manifest(dataset)
    first, last = manifest.shards[0].name, manifest.shards[-1].name
    image = data / rows(dataset)[0].source
    if change == "gone":
        image.unlink()
    else:
        image.write_bytes(image.read_bytes() + b"\0")
    for name in (first, last):
        truncate(dataset, name)
    before = files(dataset)
    result = mend(dataset, data)
    assert result.repaired == (last,)
    assert {fault.shard for fault in result.faults} == {first}
    assert result.notes[0].startswith(f"{first}: not repaired: an image of it is not what it was")
    assert str(image) in result.notes[0]
    kept = [path.relative_to(dataset).as_posix() for path in views_of(dataset, first)]
    assert {name: files(dataset)[name] for name in kept} == {name: before[name] for name in kept}


def test_what_can_not_be_made_the_same_is_not_published(
    dataset: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = read_manifest(dataset).shards[0].name
    truncate(dataset, shard)
    before = files(dataset)
    original = ViewMaker.view
    monkeypatch.setattr(
        ViewMaker, "view", lambda *given: replace(original(*given), applied='["other"]')
    )
    monkeypatch.setattr(repairing, "other_versions", lambda _: ["numpy: was 1, is now 2"])
    if read_manifest(dataset).options["format"] == "folder":  # which stores pixels only
        flipped: Callable[..., View] = lambda *g: replace(  # noqa: E731
            original(*g), rgbx=np.ascontiguousarray(original(*g).rgbx[::-1])
        )
        monkeypatch.setattr(ViewMaker, "view", flipped)
    result = mend(dataset, data)
    assert result.repaired == () and result.faults
    assert "not what was published: installed are other versions (numpy" in result.notes[0]
    assert files(dataset) == before


class PowerCutError(Exception):
    """Ends a repair in the middle."""


@pytest.mark.parametrize("call", [0, 1, 2])
def test_killed_in_the_middle(
    dataset: Path, data: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    whole = files(dataset)
    broken = [shard.name for shard in read_manifest(dataset).shards[:3]]
    for name in broken:
        truncate(dataset, name)
    original, calls = repairing.publish, iter(range(10**6))

    def cut(temporary: Path, final: Path) -> None:
        if next(calls) == call:
            raise PowerCutError
        original(temporary, final)

    with monkeypatch.context() as patched:
        patched.setattr(repairing, "publish", cut)
        patched.setattr(shutil, "rmtree", lambda *given, **named: None)  # nor is it tidied up
        with pytest.raises(PowerCutError):
            mend(dataset, data)
    left = verify(dataset).found
    assert set(left.broken) <= set(broken)
    assert left.growing
    assert mend(dataset, data).faults == ()
    assert files(dataset) == whole


def test_an_expansion_tidies_up_after_a_killed_repair(dataset: Path, data: Path) -> None:
    whole = files(dataset)
    (dataset / WORK_FOLDER / repairing.STAGING / "shards").mkdir(parents=True)
    format = str(read_manifest(dataset).options["format"])
    expand(config(data, dataset, format=format))
    assert files(dataset) == whole


def test_one_at_a_time_and_growth_that_was_begun_stays(dataset: Path, data: Path) -> None:
    truncate(dataset, read_manifest(dataset).shards[0].name)
    work = dataset / WORK_FOLDER
    work.mkdir()
    (work / "identity.json").write_text("{}")
    with (
        exclusive_lock(work / LOCK_FILE, ""),
        pytest.raises(AugcliError, match="an expansion or a repair is at work"),
    ):
        mend(dataset, data)
    assert mend(dataset, data).faults == ()
    assert {path.name for path in work.iterdir()} == {"identity.json", LOCK_FILE}


def test_a_table_that_is_not_to_be_relied_on(dataset: Path, data: Path) -> None:
    import pyarrow.parquet as pq

    shard = read_manifest(dataset).shards[0].name
    delete(dataset, shard)
    pq.write_table(pq.read_table(dataset / SAMPLES_FILE), dataset / SAMPLES_FILE, compression=None)
    with pytest.raises(AugcliError, match=r"samples\.parquet: its bytes are not those"):
        mend(dataset, data)
    result = deep(dataset, data)
    assert (result.decoded, result.remade) == (0, 0)
    assert "no view was decoded" in result.notes[-1]
    assert not (dataset / WORK_FOLDER).exists()


def test_a_table_that_contradicts_the_manifest(dataset: Path, data: Path) -> None:
    delete(dataset, read_manifest(dataset).shards[0].name)
    path = dataset / MANIFEST_FILE
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(AugcliError, match=r"contradicts the manifest \(.*the seed is not"):
        mend(dataset, data)


def test_a_disk_that_is_full(dataset: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truncate(dataset, read_manifest(dataset).shards[0].name)
    before = files(dataset)

    def full(temporary: Path, final: Path) -> None:
        raise OSError(28, "No space left on device", str(final))

    monkeypatch.setattr(repairing, "publish", full)
    with pytest.raises(AugcliError, match=r"No space left on device; mend that"):
        mend(dataset, data)
    assert files(dataset) == before
