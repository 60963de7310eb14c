"""Growing a finished dataset: by copies, by images; pruning, refreshing, and trying failures again.

What is there stays byte for byte, the old dataset stays valid while new shards are made, and a run
that is interrupted anywhere ends in the same dataset.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from PIL import Image

from augcli.augment import ExpandConfig, ExpandResult, expand
from augcli.augment import expansion as expansion_module
from augcli.augment import finish as finish_module
from augcli.manifests.errors import AugcliError
from augcli.manifests.hashing import sha256_file
from augcli.manifests.manifest import (
    IDENTITY_FILE,
    MANIFEST_FILE,
    SAMPLES_FILE,
    SHARDS_FOLDER,
    WORK_FOLDER,
    read_manifest,
)
from augcli.manifests.samples import SCHEMA_NAMES, write_samples
from augcli.manifests.samples_file import read_samples
from augcli.shards.verification import verify

Files = dict[str, bytes]


def config(data: Path, out: Path, **changes: object) -> ExpandConfig:
    base = ExpandConfig(
        data=str(data),
        out=out,
        copies=1,
        size=24,
        policy="basic",
        shard_size=6,
        workers=1,
        val_fraction=0.2,
        test_fraction=0.1,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def files(folder: Path) -> Files:
    found = folder.rglob("*")
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found if p.is_file()}


def views(folder: Path) -> Files:
    """The files that hold pixels: of either format."""
    everything = files(folder)
    return {n: c for n, c in everything.items() if n.endswith((".tar", ".jpg")) and c}


@pytest.fixture(autouse=True)
def no_flushing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power is cut in earnest here, and flushing each small file takes most of the time."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def data(photos: Path, tmp_path: Path) -> Path:
    """A copy of the photos that a test may change."""
    return Path(shutil.copytree(photos, tmp_path / "data"))


def images(data: Path) -> list[Path]:
    return sorted(data.rglob("*.jpg"))


def training_image(data: Path, dataset: Path) -> Path:
    """One that was expanded for training."""
    rows = read_samples(dataset / "samples.parquet", split="train").column("source").to_pylist()
    return data / sorted(rows)[0]


class PowerCutError(Exception):
    """Ends a run in the middle, in tests."""


def cut_after(monkeypatch: pytest.MonkeyPatch, tasks: int) -> None:
    """The power is cut in the task after `tasks` tasks of the next run."""
    original, calls = expansion_module.run_task, iter(range(10**6))

    def cut(job: object, task: object) -> object:
        if next(calls) >= tasks:
            raise PowerCutError
        return original(job, task)  # type: ignore[arg-type]

    monkeypatch.setattr(expansion_module, "run_task", cut)


@pytest.mark.parametrize("format", ["tar", "folder"])
@pytest.mark.parametrize("originals", [True, False])
@pytest.mark.parametrize("balance", ["none", "full"])
def test_more_copies_are_only_added(
    data: Path, tmp_path: Path, format: str, originals: bool, balance: str
) -> None:
    for path in images(data)[1:5]:
        path.unlink()
    options = {"format": format, "originals": originals, "balance": balance}
    out, at_once = tmp_path / "out", tmp_path / "at_once"
    expand(config(data, out, copies=1, **options))
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.suffix == ".tar"}
    before = expand(config(data, out, copies=2, **options))
    result = expand(config(data, out, copies=4, **options))
    assert result.manifest is not None
    assert before.manifest is not None
    assert result.views_made == 2 * result.manifest.splits["train"].views_per_round
    whole = expand(config(data, at_once, copies=4, workers=2, **options))
    assert files(out) == files(at_once)
    assert whole.views_made == result.plan.views
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert verify(out).faults == ()


def test_many_rounds_grow_too(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk with more rounds than a task has: growth begins within a task and after one."""
    from augcli.augment import plan

    monkeypatch.setattr(plan, "MAX_ROUNDS", 3)
    for copies in (1, 2, 4, 7):
        expand(config(data, tmp_path / "out", copies=copies))
    expand(config(data, tmp_path / "at_once", copies=7))
    assert files(tmp_path / "out") == files(tmp_path / "at_once")


def test_a_blank_image_that_is_refreshed_is_blank_no_more(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over many rounds: the chunk's second task told what the image had been."""
    from augcli.augment import plan

    monkeypatch.setattr(plan, "MAX_ROUNDS", 3)
    image, out = images(data)[0], tmp_path / "out"
    content = image.read_bytes()
    Image.new("RGB", (40, 56), "red").save(image)
    for copies in (4, 5):  # made, and kept
        result = expand(config(data, out, copies=copies))
        assert blank(result) == (image.relative_to(data).as_posix(),)
    image.write_bytes(content)
    assert blank(expand(config(data, out, copies=5, refresh=True))) == ()


def blank(result: ExpandResult) -> tuple[str, ...]:
    assert result.manifest is not None
    return result.manifest.reference.blank


def test_fewer_copies_are_refused(data: Path, tmp_path: Path) -> None:
    expand(config(data, tmp_path / "out", copies=2))
    before = files(tmp_path / "out")
    with pytest.raises(AugcliError, match="--copies: was 2, now 1"):
        expand(config(data, tmp_path / "out", copies=1))
    assert files(tmp_path / "out") == before


@pytest.mark.parametrize("format", ["tar", "folder"])
def test_new_images_become_new_chunks(data: Path, tmp_path: Path, format: str) -> None:
    out, later = tmp_path / "out", tmp_path / "later"
    later.mkdir()
    for path in images(data)[::4]:
        path.rename(later / f"{path.parent.name}-{path.name}")
    expand(config(data, out, format=format))
    before, old = views(out), read_manifest(out)
    for path in later.iterdir():
        class_name, _, name = path.name.partition("-")
        path.rename(data / class_name / name)
    result = expand(config(data, out, format=format))
    after = views(out)
    assert result.manifest is not None
    assert after.items() > before.items()
    assert set(old.shards) < set(result.manifest.shards)
    assert result.manifest.reference.used == len(images(data))
    assert verify(out).faults == ()
    made = sum(s.views for s in result.manifest.shards) - sum(s.views for s in old.shards)
    assert result.views_made == made
    assert expand(config(data, out, format=format)).views_made == 0


@pytest.mark.parametrize("balance", ["none", "sqrt"])
def test_the_order_of_growing_decides_nothing(data: Path, tmp_path: Path, balance: str) -> None:
    """First images, then copies; first copies, then images; both at once: one dataset."""
    extra = images(data)[2]
    content = extra.read_bytes()

    def start(name: str) -> Path:
        extra.unlink(missing_ok=True)
        expand(config(data, tmp_path / name, balance=balance))
        return tmp_path / name

    first = start("images-first")
    extra.write_bytes(content)
    expand(config(data, first, balance=balance))
    expand(config(data, first, copies=3, balance=balance))
    second = start("copies-first")
    expand(config(data, second, copies=3, balance=balance))
    extra.write_bytes(content)
    expand(config(data, second, copies=3, balance=balance))
    third = start("at-once")
    extra.write_bytes(content)
    expand(config(data, third, copies=3, balance=balance))
    assert files(first) == files(second) == files(third)


@pytest.mark.parametrize("format", ["tar", "folder"])
def test_images_that_are_gone_stop_the_run_unless_pruned(
    data: Path, tmp_path: Path, format: str
) -> None:
    out = tmp_path / "out"
    expand(config(data, out, format=format))
    before = files(out)
    gone = training_image(data, out)
    gone.unlink()
    with pytest.raises(AugcliError, match=rf"{gone.name}: is gone\n.*--prune") as told:
        expand(config(data, out, format=format))
    assert "--refresh" not in str(told.value)
    assert files(out) == before
    with pytest.raises(AugcliError, match="is gone"):
        expand(config(data, out, format=format, refresh=True))
    result = expand(config(data, out, format=format, prune=True))
    assert result.manifest is not None
    assert result.manifest.reference.used == len(images(data))
    assert verify(out).faults == ()
    if format == "tar":
        same = [name for name, content in views(out).items() if before.get(name) == content]
        assert result.views_made == 2 * 5  # the others of its chunk, in both rounds
        assert len(same) == len(views(out)) - 2
    else:
        assert views(out).items() < before.items()


def test_a_chunk_that_loses_all_its_images_goes(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    extra = images(data)[2]
    content = extra.read_bytes()
    extra.unlink()
    expand(config(data, out))
    before = files(out)
    extra.write_bytes(content)
    expand(config(data, out))
    assert len(views(out)) > len([name for name in before if name.endswith(".tar")])
    extra.unlink()
    expand(config(data, out, prune=True))
    assert files(out) == before


@pytest.mark.parametrize("format", ["tar", "folder"])
def test_an_input_that_is_not_used_is_reported_when_it_is_added(
    data: Path, tmp_path: Path, format: str
) -> None:
    out = tmp_path / "out"
    expand(config(data, out, format=format))
    before = views(out)
    (data / "circle" / "new.heic").write_bytes(b"not read")
    result = expand(config(data, out, format=format))
    assert (failures(result), result.views_made, result.written) == (1, 0, True)
    (row,) = (out / "failures.jsonl").read_text().splitlines()
    assert json.loads(row)["source"] == "circle/new.heic"
    assert views(out) == before
    assert verify(out).faults == ()
    assert not expand(config(data, out, format=format)).written


@pytest.mark.parametrize("format", ["tar", "folder"])
def test_a_split_that_loses_all_its_images_goes(
    split_photos: Path, tmp_path: Path, format: str
) -> None:
    """The index of its shards stayed, and `verify` failed for good."""
    data, out = tmp_path / "data", tmp_path / "out"
    shutil.copytree(split_photos, data)
    options = {"format": format, "val_fraction": None, "test_fraction": None}
    expand(config(data, out, **options))
    before = files(out)
    shutil.rmtree(data / "test")
    expand(config(data, out, **options, prune=True))
    assert verify(out).faults == ()
    after = files(out)
    if format == "tar":
        stale = "shards/wids-testset.json"
        (out / stale).write_bytes(before[stale])  # as it was left
        assert expand(config(data, out, **options)).written
    assert files(out) == after


@pytest.mark.parametrize("format", ["tar", "folder"])
def test_changed_images_stop_the_run_unless_refreshed(
    data: Path, tmp_path: Path, format: str
) -> None:
    out = tmp_path / "out"
    expand(config(data, out, format=format))
    changed = training_image(data, out)
    changed.write_bytes(images(data)[-1].read_bytes())
    with pytest.raises(AugcliError, match=rf"{changed.name}: has changed\n.*--refresh"):
        expand(config(data, out, format=format))
    with pytest.raises(AugcliError, match="has changed"):
        expand(config(data, out, format=format, prune=True))
    result = expand(config(data, out, format=format, refresh=True))
    assert result.views_made == 2 * 6
    expand(config(data, tmp_path / "anew", format=format))
    assert files(out) == files(tmp_path / "anew")


def labels_of(data: Path) -> dict[Path, str]:
    return {path.relative_to(data.parent): path.parent.name for path in images(data)}


def write_table(table: Path, labels: dict[Path, str]) -> None:
    rows = "".join(f"{path},{label}\n" for path, label in labels.items())
    table.write_text(f"path,label\n{rows}")


def test_a_label_that_was_corrected_in_a_table_is_noticed(data: Path, tmp_path: Path) -> None:
    """Same path, same bytes, another class: the stored views would keep the wrong label."""
    table, out = tmp_path / "labels.csv", tmp_path / "out"
    label_of = labels_of(data)
    write_table(table, label_of)
    expand(config(table, out))
    before = files(out)
    wrong = training_image(tmp_path, out).relative_to(tmp_path)
    label_of[wrong] = next(label for label in label_of.values() if label != label_of[wrong])
    write_table(table, label_of)
    with pytest.raises(AugcliError, match=rf"{wrong.name}: is now of another split or class"):
        expand(config(table, out))
    assert files(out) == before
    expand(config(table, out, refresh=True))
    expand(config(table, tmp_path / "anew"))
    assert files(out) == files(tmp_path / "anew")


def interrupt_before_the_end(monkeypatch: pytest.MonkeyPatch, settings: ExpandConfig) -> None:
    """All tasks are recorded, and nothing of the end is done."""
    with monkeypatch.context() as patched:
        patched.setattr(expansion_module, "finish", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            expand(settings)


@pytest.mark.parametrize("format", ["tar", "folder"])
def test_a_new_image_whose_label_is_corrected_while_interrupted(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    """What was made under the wrong label was published with it, and passed `verify`."""
    table, out, calm = tmp_path / "labels.csv", tmp_path / "out", tmp_path / "calm"
    labels = labels_of(data)
    new, right = labels.popitem()
    write_table(table, labels)
    expand(config(table, out, format=format))
    shutil.copytree(out, calm)
    write_table(table, {**labels, new: next(iter(labels.values()))})
    interrupt_before_the_end(monkeypatch, config(table, out, format=format))
    write_table(table, {**labels, new: right})
    expand(config(table, out, format=format))
    expand(config(table, calm, format=format))
    assert files(out) == files(calm)


@pytest.mark.parametrize("format", ["tar", "folder"])
def test_a_label_that_is_put_back_while_interrupted(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    table, out = tmp_path / "labels.csv", tmp_path / "out"
    labels = labels_of(data)
    write_table(table, labels)
    expand(config(table, out, format=format))
    before = files(out)
    changed = training_image(tmp_path, out).relative_to(tmp_path)
    other = next(label for label in labels.values() if label != labels[changed])
    write_table(table, {**labels, changed: other})
    interrupt_before_the_end(monkeypatch, config(table, out, format=format, refresh=True))
    write_table(table, labels)
    expand(config(table, out, format=format))
    assert files(out) == before


@pytest.mark.parametrize("format", ["tar", "folder"])
def test_other_splits_are_noticed(data: Path, tmp_path: Path, format: str) -> None:
    out = tmp_path / "out"
    expand(config(data, out, format=format))
    with pytest.raises(AugcliError, match=r"another split or class .*--val-fraction"):
        expand(config(data, out, format=format, val_fraction=0.5))
    expand(config(data, out, format=format, val_fraction=0.5, refresh=True))
    assert verify(out).faults == ()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 5}, "--seed: was 0, now 5"),
        ({"format": "folder"}, "--format: was tar, now folder"),
        ({"balance": "full"}, "--balance: was none, now full"),
        ({"class_policy": ("circle=none",)}, "--class-policy: was none, now circle=none"),
        ({"size": 32}, "--size: was 24, now 32"),
        ({"shard_size": 7}, "--shard-size: was 6, now 7"),
    ],
)
def test_growing_changes_nothing_else(
    data: Path, tmp_path: Path, change: dict[str, object], named: str
) -> None:
    expand(config(data, tmp_path / "out"))
    with pytest.raises(AugcliError, match=named):
        expand(config(data, tmp_path / "out", copies=2, **change))


def grow_by_copies(data: Path, out: Path) -> ExpandConfig:
    return config(data, out, copies=3)


def grow_by_images(data: Path, out: Path) -> ExpandConfig:
    for number in range(6):
        shutil.copy(images(data)[number], data / "circle" / f"new-{number}.jpg")
    return config(data, out)


def prune(data: Path, out: Path) -> ExpandConfig:
    for path in images(data)[1:8:3]:
        path.unlink()
    return config(data, out, prune=True)


def refresh(data: Path, out: Path) -> ExpandConfig:
    for path in images(data)[::5]:
        path.write_bytes(images(data)[-1].read_bytes())
    return config(data, out, refresh=True)


Change = Callable[[Path, Path], ExpandConfig]


@pytest.mark.parametrize("format", ["tar", "folder"])
@pytest.mark.parametrize("change", [grow_by_copies, grow_by_images, prune, refresh])
@pytest.mark.parametrize("tasks", [0, 1])
def test_interrupted_and_run_again(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    format: str,
    change: Change,
    tasks: int,
) -> None:
    out, calm = tmp_path / "out", tmp_path / "calm"
    expand(config(data, out, format=format))
    shutil.copytree(out, calm)
    before = files(out)
    wanted = replace(change(data, out), format=format)
    expand(replace(wanted, out=calm))
    cut_after(monkeypatch, tasks)
    with pytest.raises(PowerCutError):
        expand(wanted)
    if change in (grow_by_copies, grow_by_images):  # the old dataset is as good as ever
        assert before.items() <= files(out).items()
        found = verify(out)
        assert (found.faults, found.growing) == ((), True)
    else:
        assert not (out / MANIFEST_FILE).exists()
    monkeypatch.undo()
    expand(wanted)
    assert files(out) == files(calm)


STEPS = ["_write_samples", "_check_usable", "index_pages", "publish", "write_atomic"]


@pytest.mark.parametrize("step", STEPS)
def test_cut_while_finishing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """In every step of the end: the old dataset is there, or none is; then the same end."""
    out, calm = tmp_path / "out", tmp_path / "calm"
    expand(config(data, out))
    expand(config(data, calm, copies=3))

    def cut(*arguments: object, **named: object) -> None:
        raise PowerCutError

    monkeypatch.setattr(finish_module, step, cut)
    with pytest.raises(PowerCutError):
        expand(config(data, out, copies=3))
    if (out / MANIFEST_FILE).exists():
        assert verify(out).faults == ()
    assert (out / MANIFEST_FILE).exists() == (step not in ("publish", "write_atomic"))
    monkeypatch.undo()
    expand(config(data, out, copies=3))
    assert files(out) == files(calm)


@pytest.mark.parametrize("left", ["everything", "some", "earlier.tmp"])
def test_killed_while_tidying_up(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    """The manifest is there and `.work` half removed: nothing is taken for what it isn't."""
    from augcli.augment.dataset_folder import EARLIER_FOLDER, DatasetFolder

    out, calm = tmp_path / "out", tmp_path / "calm"
    expand(config(data, out))
    expand(config(data, calm, copies=4))

    def killed(self: object) -> None:
        if left == "some":
            next((out / WORK_FOLDER).glob("train-*.json")).unlink()
        if left == "earlier.tmp":
            kept = out / WORK_FOLDER / EARLIER_FOLDER
            kept.rename(kept.with_name("earlier.tmp"))
            (kept.with_name("earlier.tmp") / MANIFEST_FILE).unlink()
        raise PowerCutError

    monkeypatch.setattr(DatasetFolder, "_remove_work", killed)
    with pytest.raises(PowerCutError):
        expand(config(data, out, copies=2))
    monkeypatch.undo()
    assert verify(out).faults == ()
    expand(config(data, out, copies=4))
    assert files(out) == files(calm)


def test_a_growth_that_was_begun_may_become_another(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begun with 6 copies and interrupted; then images arrive, and 3 copies will do."""
    out, calm = tmp_path / "out", tmp_path / "calm"
    expand(config(data, out))
    shutil.copytree(out, calm)
    cut_after(monkeypatch, 2)
    with pytest.raises(PowerCutError):
        expand(config(data, out, copies=6))
    monkeypatch.undo()
    grow_by_images(data, out)
    expand(config(data, out, copies=3))
    expand(config(data, calm, copies=3))
    assert files(out) == files(calm)


@pytest.mark.parametrize("format", ["tar", "folder"])
def test_a_growth_that_was_begun_may_be_given_up(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    out = tmp_path / "out"
    expand(config(data, out, format=format))
    before = files(out)
    cut_after(monkeypatch, 2)
    with pytest.raises(PowerCutError):
        expand(config(data, out, format=format, copies=6))
    monkeypatch.undo()
    assert len(views(out)) > len([name for name in before if name.endswith((".tar", ".jpg"))])
    expand(config(data, out, format=format))
    assert files(out) == before


def test_a_refresh_that_was_begun_and_taken_back(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shards may be replaced already, by some of the very same size: hashes tell."""
    out = tmp_path / "out"
    expand(config(data, out, codec="npy"))  # all views have one size, and so all shards
    before = files(out)
    changed = training_image(data, out)
    content = changed.read_bytes()
    changed.write_bytes(images(data)[-1].read_bytes())
    monkeypatch.setattr(expansion_module, "finish", lambda *given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        expand(config(data, out, codec="npy", refresh=True))
    monkeypatch.undo()
    changed.write_bytes(content)
    expand(config(data, out, codec="npy", refresh=True))
    assert files(out) == before


def test_images_that_change_again_while_refreshing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    expand(config(data, out))
    changed = training_image(data, out)
    changed.write_bytes(images(data)[-1].read_bytes())
    monkeypatch.setattr(expansion_module, "finish", lambda *given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        expand(config(data, out, refresh=True))
    monkeypatch.undo()
    changed.write_bytes(images(data)[-2].read_bytes())
    with pytest.raises(AugcliError, match=rf"{changed.name}: has changed"):
        expand(config(data, out))
    expand(config(data, out, refresh=True))
    expand(config(data, tmp_path / "anew"))
    assert files(out) == files(tmp_path / "anew")


def broken(path: Path) -> bytes:
    """Break an image; its sound bytes."""
    sound = path.read_bytes()
    path.write_bytes(sound[:200])
    return sound


def failures(result: ExpandResult) -> int:
    assert result.manifest is not None
    return result.manifest.reference.failures


@pytest.mark.parametrize("format", ["tar", "folder"])
def test_failed_images_are_left_alone_until_told(data: Path, tmp_path: Path, format: str) -> None:
    out = tmp_path / "out"
    options = {"format": format, "val_fraction": 0.0, "test_fraction": 0.0}
    bad = images(data)[3]
    sound = broken(bad)
    assert failures(expand(config(data, out, **options))) == 1
    before = views(out)
    grown = expand(config(data, out, copies=2, **options))
    assert failures(grown) == 1  # not tried again by growing
    assert verify(out).faults == ()
    assert failures(expand(config(data, out, copies=2, retry_failed=True, **options))) == 1
    bad.write_bytes(sound)
    with pytest.raises(AugcliError, match=r"failed and has changed since\n.*--retry-failed"):
        expand(config(data, out, copies=2, **options))
    mended = expand(config(data, out, copies=2, retry_failed=True, **options))
    assert failures(mended) == 0
    assert mended.views_made == 3
    assert mended.manifest is not None
    assert mended.manifest.reference.used == len(images(data))
    assert views(out).items() > before.items()
    assert verify(out).faults == ()


def test_a_failed_image_that_is_gone_is_pruned(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    broken(images(data)[3])
    expand(config(data, out))
    images(data)[3].unlink()
    with pytest.raises(AugcliError, match="is gone"):
        expand(config(data, out))
    assert failures(expand(config(data, out, prune=True))) == 0
    assert verify(out).faults == ()


def test_fail_on_error_names_an_image_that_failed_before(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    bad = images(data)[3]
    broken(bad)
    with pytest.raises(AugcliError, match=rf"{bad.name}: .*--on-error skip"):
        expand(config(data, out, on_error="fail"))
    assert not (out / MANIFEST_FILE).exists()
    expand(config(data, out))
    with pytest.raises(AugcliError, match=rf"{bad.name}: .*--retry-failed"):
        expand(config(data, out, copies=2, on_error="fail"))


def test_new_images_that_spoil_everything_leave_the_old_dataset(data: Path, tmp_path: Path) -> None:
    """Under a tenth of all images usable is an error, and no reason to lose what is there."""
    out = tmp_path / "out"
    expand(config(data, out))
    before = files(out)
    for number in range(300):
        (data / "circle" / f"bad-{number}.jpg").write_bytes(b"\xff\xd8\xff" + bytes([number % 256]))
    with pytest.raises(AugcliError, match="only 24 of 324 images can be used"):
        expand(config(data, out))
    assert before.items() <= files(out).items()
    assert verify(out).faults == ()
    for path in data.rglob("bad-*.jpg"):
        path.unlink()
    expand(config(data, out))
    assert files(out) == before


def test_a_dry_run_of_growing_writes_nothing(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    expand(config(data, out))
    before = {path: path.stat().st_mtime_ns for path in (out, *out.rglob("*"))}
    grow_by_images(data, out)
    result = expand(config(data, out, copies=4, dry_run=True))
    assert result.estimate is not None
    assert 0 < result.estimate.views < result.plan.views
    assert result.prepared.changes is not None
    assert result.prepared.changes.added == tuple(f"circle/new-{n}.jpg" for n in range(6))
    assert {path: path.stat().st_mtime_ns for path in (out, *out.rglob("*"))} == before


def test_a_lost_shard_is_made_again_while_growing(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    expand(config(data, out))
    next((out / SHARDS_FOLDER).glob("train-r001-*.tar")).unlink()
    expand(config(data, out, copies=2))
    expand(config(data, tmp_path / "anew", copies=2))
    assert files(out) == files(tmp_path / "anew")


@pytest.mark.parametrize("format", ["tar", "folder"])
@pytest.mark.parametrize("table", ["samples.parquet", "failures.jsonl"])
@pytest.mark.parametrize("how", ["missing", "changed"])
def test_a_dataset_that_lost_a_table_is_made_again(
    data: Path, tmp_path: Path, format: str, table: str, how: str
) -> None:
    """Without its tables nothing in it can be trusted, nor added to."""
    out = tmp_path / "out"
    expand(config(data, out, format=format))
    before = files(out)
    if how == "missing":
        (out / table).unlink()
    else:
        (out / table).write_bytes((out / table).read_bytes() + b"x")
    with pytest.raises(AugcliError, match="--seed: was 0, now 5"):
        expand(config(data, out, format=format, seed=5))
    result = expand(config(data, out, format=format))
    assert result.views_made == result.plan.views
    assert files(out) == before


def test_what_an_older_augcli_began_is_made_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its records lack a column: was a KeyError at the end of the work."""
    out, calm = tmp_path / "out", tmp_path / "calm"
    expand(config(data, calm))
    cut_after(monkeypatch, 2)
    with pytest.raises(PowerCutError):
        expand(config(data, out))
    monkeypatch.undo()
    records = [path for path in (out / WORK_FOLDER).glob("*.json") if path.name != IDENTITY_FILE]
    assert len(records) == 2
    for path in records:
        record = json.loads(path.read_bytes())
        del record["columns"]["crc32"]
        path.write_text(json.dumps(record))
    result = expand(config(data, out))
    assert result.views_made == result.plan.views
    assert files(out) == files(calm)


def test_a_dataset_of_an_older_augcli_is_left_alone(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    expand(config(data, out))
    manifest = json.loads((out / MANIFEST_FILE).read_bytes())
    (out / MANIFEST_FILE).write_text(json.dumps({**manifest, "format_version": 2}))
    before = files(out)
    with pytest.raises(AugcliError, match=r"format version 2, .* expand again into another folder"):
        expand(config(data, out, copies=2))
    assert files(out) == before


def tampered(dataset: Path, change: Callable[[list[dict[str, object]]], object]) -> None:
    """Rows changed by hand, with a manifest that has the new table's hash."""
    path = dataset / SAMPLES_FILE
    rows = read_samples(path).to_pylist()
    change(rows)
    write_samples(path, [{name: [row[name] for row in rows] for name in SCHEMA_NAMES}])
    manifest = read_manifest(dataset)
    record = replace(manifest.samples, sha256=sha256_file(path))
    replace(manifest, samples=record).write(dataset)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows[0].update(split="foo"), "not a table of augcli's: 'foo'"),
        (lambda rows: rows[0].update(source_sha256="zz"), "not a table of augcli's"),
        (lambda rows: rows[0].update(source_sha256="ab"), "'ab' is no SHA-256"),
        (lambda rows: rows.clear(), "not the rows of its manifest"),
        (lambda rows: rows.append(rows[0]), "not the rows of its manifest"),
    ],
)
def test_a_table_that_augcli_would_not_write(
    data: Path, tmp_path: Path, change: Callable[[list[dict[str, object]]], object], words: str
) -> None:
    out = tmp_path / "out"
    expand(config(data, out))
    tampered(out, change)
    with pytest.raises(AugcliError, match=f"{SAMPLES_FILE}: .*{words}"):
        expand(config(data, out, copies=3))


def test_rows_in_another_order_are_of_the_same_images(data: Path, tmp_path: Path) -> None:
    """Balanced classes have an image several times, and here apart from each other."""
    for path in images(data)[1:5]:
        path.unlink()
    out = tmp_path / "out"
    expand(config(data, out, balance="full", shard_size=100))
    tampered(out, lambda rows: rows.sort(key=lambda row: (row["shard"], row["copy"])))
    assert verify(out).faults == ()
    result = expand(config(data, out, balance="full", shard_size=100, dry_run=True))
    assert result.prepared.changes is not None
    assert not any(asdict(result.prepared.changes).values())
