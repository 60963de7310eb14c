"""Laws 5, 6 and 11: the same bytes always, published or absent, and resume verifies."""

from __future__ import annotations

import filecmp
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from augcli.augment import ExpandConfig, expand
from augcli.augment.dataset_folder import LOCK_FILE
from augcli.augment.identity import identity_of
from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.manifest import (
    IDENTITY_FILE,
    MANIFEST_FILE,
    SHARDS_FOLDER,
    WORK_FOLDER,
    read_manifest,
)
from augcli.shards.verification import verify


def config(data: Path, out: Path, **changes: object) -> ExpandConfig:
    base = ExpandConfig(
        data=str(data), out=out, copies=2, size=32, policy="augmentor", shard_size=6, workers=1
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def assert_same_tree(first: Path, second: Path) -> None:
    names = [sorted(str(p.relative_to(root)) for p in root.rglob("*")) for root in (first, second)]
    assert names[0] == names[1]
    files = [name for name in names[0] if (first / name).is_file()]
    assert files
    _, differing, errors = filecmp.cmpfiles(first, second, files, shallow=False)
    assert (differing, errors) == ([], [])


@pytest.mark.parametrize("codec", ["jpeg", "png", "webp", "npy"])
def test_workers_do_not_change_a_byte(split_photos: Path, tmp_path: Path, codec: str) -> None:
    expand(config(split_photos, tmp_path / "one", codec=codec, workers=1))
    expand(config(split_photos, tmp_path / "two", codec=codec, workers=2))
    assert_same_tree(tmp_path / "one", tmp_path / "two")


def test_nothing_in_the_tree_tells_where_it_was_made(photos: Path, tmp_path: Path) -> None:
    expand(config(photos, tmp_path / "out"))
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert str(photos.parent).encode() not in content
            assert str(tmp_path).encode() not in content
            assert os.uname().nodename.encode() not in content or len(os.uname().nodename) < 5


def test_another_seed_gives_other_views_and_the_same_splits(photos: Path, tmp_path: Path) -> None:
    first = expand(config(photos, tmp_path / "a", seed=0)).manifest
    second = expand(config(photos, tmp_path / "b", seed=1)).manifest
    assert first is not None
    assert second is not None
    assert first.splits == second.splits
    by_name = {shard.name: shard.sha256 for shard in second.shards}
    augmented = [shard for shard in first.shards if shard.split == "train" and shard.round > 0]
    assert augmented
    assert all(by_name[shard.name] != shard.sha256 for shard in augmented)


EXPAND = """
import sys
from pathlib import Path
from augcli.augment import ExpandConfig, expand
if __name__ == "__main__":
    expand(ExpandConfig(data=sys.argv[1], out=Path(sys.argv[2]), copies=2, size=32,
                        policy="augmentor", shard_size=6, workers=int(sys.argv[3])))
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_at_random_and_run_again(photos: Path, tmp_path: Path, workers: int) -> None:
    """SIGKILL at several moments in a row; then a plain rerun gives the undisturbed tree."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    expand(config(photos, whole))
    script = tmp_path / "run.py"
    script.write_text(EXPAND)
    command = [sys.executable, str(script), str(photos), str(broken), str(workers)]
    killed = 0
    rng = random.Random(workers)
    for _ in range(3):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        _wait_for_a_shard(broken, process)
        time.sleep(rng.uniform(0.0, 0.05))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        if (broken / MANIFEST_FILE).exists():
            assert verify(broken).faults == ()
    assert killed
    _expand_when_free(config(photos, broken))
    assert_same_tree(whole, broken)


def _wait_for_a_shard(dataset: Path, process: subprocess.Popen[bytes]) -> None:
    """Until the running process is at work; one more shard than an earlier one left."""
    shards = dataset / SHARDS_FOLDER
    before = set(shards.iterdir()) if shards.is_dir() else set()
    while process.poll() is None and not (shards.is_dir() and set(shards.iterdir()) - before):
        time.sleep(0.002)


def _expand_when_free(settings: ExpandConfig) -> None:
    """Orphaned workers of a killed parent end by themselves within a second."""
    expand(settings)


def test_every_published_shard_is_whole_after_a_crash(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure in the middle leaves only whole shards under their names, and no manifest."""
    from augcli.augment import task

    whole = tmp_path / "whole"
    expand(config(photos, whole))
    original, calls = task.member_json, iter(range(10**6))

    def failing(*arguments: object) -> object:
        if next(calls) == 25:
            raise RuntimeError("power cut")
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(task, "member_json", failing)
    out = tmp_path / "out"
    with pytest.raises(RuntimeError, match="power cut"):
        expand(config(photos, out))
    assert not (out / MANIFEST_FILE).exists()
    published = sorted((out / SHARDS_FOLDER).iterdir())
    assert published
    for shard in published:
        assert shard.read_bytes() == (whole / SHARDS_FOLDER / shard.name).read_bytes()
    assert not list((out / WORK_FOLDER).glob("*.tar.*"))


def test_a_rerun_makes_only_the_rest(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from augcli.augment import expansion as module

    out = tmp_path / "out"
    original, calls = module.run_task, iter(range(10**6))

    def stops(job: object, task: object) -> object:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return original(job, task)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "run_task", stops)
    with pytest.raises(KeyboardInterrupt):
        expand(config(photos, out))
    stamps = {p.name: p.stat().st_mtime_ns for p in (out / SHARDS_FOLDER).iterdir()}
    assert stamps
    monkeypatch.setattr(module, "run_task", original)
    result = expand(config(photos, out))
    assert 0 < result.views_made < result.plan.views
    for name, stamp in stamps.items():
        assert (out / SHARDS_FOLDER / name).stat().st_mtime_ns == stamp
    expand(config(photos, tmp_path / "whole"))
    assert_same_tree(out, tmp_path / "whole")


def test_a_complete_dataset_is_left_alone(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    expand(config(photos, out))
    stamps = {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file()}
    again = expand(config(photos, out, workers=2))
    assert again.views_made == 0
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file()} == stamps


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"copies": 1}, "--copies: was 2, now 1"),
        ({"seed": 5}, "--seed: was 0, now 5"),
        ({"policy": "basic"}, "--policy: was augmentor, now basic"),
        ({"codec": "png"}, "--codec: was jpeg, now png"),
        ({"quality": 91}, "--quality: was 90, now 91"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_other_options_are_named(
    photos: Path, tmp_path: Path, change: dict[str, object], named: str, finished: bool
) -> None:
    out = tmp_path / "out"
    expand(config(photos, out))
    if not finished:
        _unfinish(photos, out)
    with pytest.raises(AugcliError, match="expanded differently") as caught:
        expand(config(photos, out, **change))
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("change", "named"),
    [({"copies": 3}, "--copies: was 2, now 3"), ({"val_fraction": 0.6}, "--val-fraction")],
)
def test_what_is_only_begun_takes_no_other_options(
    photos: Path, tmp_path: Path, change: dict[str, object], named: str
) -> None:
    out = tmp_path / "out"
    expand(config(photos, out))
    _unfinish(photos, out)
    with pytest.raises(AugcliError, match="expanded differently") as caught:
        expand(config(photos, out, **change))
    assert named in str(caught.value)


def test_more_copies_are_new_rounds(photos: Path, tmp_path: Path) -> None:
    """As if all had been made at once; what was there is not written again."""
    out, whole = tmp_path / "out", tmp_path / "whole"
    before = expand(config(photos, out)).manifest
    assert before is not None
    stamps = {path: path.stat().st_mtime_ns for path in (out / SHARDS_FOLDER).glob("*.tar")}
    result = expand(config(photos, out, copies=4))
    expand(config(photos, whole, copies=4))
    assert_same_tree(out, whole)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert result.manifest is not None
    assert (before.rounds, result.manifest.rounds) == (3, 5)
    assert result.views_made == 2 * before.splits["train"].samples
    assert verify(out).faults == ()


def _unfinish(photos: Path, out: Path) -> None:
    """Bring the folder to where an interrupted run leaves it: identity, no manifest."""
    identity = identity_of(read_manifest(out)).plain()
    (out / MANIFEST_FILE).unlink()
    (out / WORK_FOLDER).mkdir()
    (out / WORK_FOLDER / IDENTITY_FILE).write_text(json.dumps(identity))


def test_other_library_versions_are_named(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from augcli.augment import preparing as module

    out = tmp_path / "out"
    expand(config(photos, out))
    actual = module.package_versions(module.PIXEL_PACKAGES)
    monkeypatch.setattr(module, "package_versions", lambda names: {**actual, "numpy": "9.9"})
    with pytest.raises(AugcliError, match=r"numpy: was .*, now 9\.9"):
        expand(config(photos, out))


def test_other_source_bytes_are_named(photos: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    shutil.copytree(photos, data)
    expand(config(data, out))
    changed = sorted(data.rglob("*.jpg"))[0]
    changed.write_bytes(changed.read_bytes() + b"\0")
    with pytest.raises(AugcliError, match=changed.name):
        expand(config(data, out))
    changed.unlink()
    with pytest.raises(AugcliError, match=rf"{changed.name}: is gone\n(.|\n)*--prune"):
        expand(config(data, out))
    _unfinish(data, out)
    with pytest.raises(AugcliError, match="--data: images were added, removed"):
        expand(config(data, out))


def test_options_that_change_no_byte_may_change(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    expand(config(photos, out, codec="png", quality=90))
    again = config(photos, out, codec="png", quality=10, val_fraction=0.15, on_error="fail")
    assert expand(again).views_made == 0


def broken_photos(photos: Path, tmp_path: Path) -> tuple[Path, Path, bytes]:
    """A copy of the photos with one damaged training image, and that image's sound bytes."""
    data = tmp_path / "data"
    shutil.copytree(photos, data)
    bad = sorted(data.rglob("*.jpg"))[0]
    sound = bad.read_bytes()
    bad.write_bytes(sound[:300])
    return data, bad, sound


def all_for_training(data: Path, out: Path, **changes: object) -> ExpandConfig:
    return config(data, out, val_fraction=0.0, test_fraction=0.0, **changes)


def test_a_mended_image_is_noticed_in_a_complete_dataset(photos: Path, tmp_path: Path) -> None:
    data, bad, sound = broken_photos(photos, tmp_path)
    out = tmp_path / "out"
    expand(all_for_training(data, out))
    assert expand(all_for_training(data, out)).views_made == 0
    with pytest.raises(AugcliError, match=bad.name):
        expand(all_for_training(data, out, on_error="fail"))
    bad.write_bytes(sound)
    with pytest.raises(
        AugcliError, match=rf"{bad.name}: failed and has changed since\n(.|\n)*--retry-failed"
    ):
        expand(all_for_training(data, out))
    mended = expand(all_for_training(data, out, retry_failed=True)).manifest
    assert mended is not None
    assert (mended.reference.used, mended.reference.failures) == (24, 0)
    assert verify(out).faults == ()


def test_a_class_that_failed_can_be_mended(photos: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    shutil.copytree(photos, data)
    sound = {path: path.read_bytes() for path in (data / "circle").iterdir()}
    for path in sound:
        path.write_bytes(b"\xff\xd8\xff broken")
    with pytest.raises(AugcliError, match=r"no usable training image .* circle"):
        expand(all_for_training(data, out))
    for path, content in sound.items():
        path.write_bytes(content)
    expand(all_for_training(data, out))
    expand(all_for_training(data, tmp_path / "whole"))
    assert_same_tree(out, tmp_path / "whole")


def test_trouble_of_the_machine_is_no_fault_of_the_image(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from augcli.augment import task

    def too_many(*arguments: object, **options: object) -> object:
        raise OSError(24, "Too many open files", "some.jpg")

    out = tmp_path / "out"
    monkeypatch.setattr(task, "open", too_many, raising=False)
    with pytest.raises(AugcliError, match="Too many open files"):
        expand(config(photos, out))
    monkeypatch.undo()
    result = expand(config(photos, out))
    assert result.manifest is not None
    assert result.manifest.reference.failures == 0


@pytest.mark.parametrize(
    "lost",
    [
        "shards/train-r001-00000.tar",
        "README.md",
        "preview.png",
        "samples.parquet",
        "failures.jsonl",
    ],
)
@pytest.mark.parametrize("how", ["missing", "changed"])
def test_a_dataset_that_lost_files_is_made_whole(
    photos: Path, tmp_path: Path, lost: str, how: str
) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    expand(config(photos, out))
    shutil.copytree(out, whole)
    if how == "missing":
        (out / lost).unlink()
    else:
        (out / lost).write_bytes((out / lost).read_bytes() + b"x")
    expand(config(photos, out))
    assert_same_tree(out, whole)


def test_lost_tables_of_a_grown_dataset(photos: Path, tmp_path: Path) -> None:
    """Its chunks are dealt out anew, and no shard of the old ones stays."""
    data, out = tmp_path / "data", tmp_path / "out"
    shutil.copytree(photos, data)
    added = data / "circle" / "new.jpg"
    expand(all_for_training(data, out))
    shutil.copy(data / "circle" / "00.jpg", added)
    grown = expand(all_for_training(data, out)).manifest
    (out / "samples.parquet").unlink()
    with pytest.raises(AugcliError, match="--copies: was 2, now 3"):
        expand(all_for_training(data, out, copies=3))
    made = expand(all_for_training(data, out))
    assert made.manifest is not None and grown is not None
    assert made.views_made == made.plan.views == 25 * 3
    assert made.manifest.options == grown.options
    assert verify(out).faults == ()
    expand(all_for_training(data, tmp_path / "whole"))
    assert_same_tree(out, tmp_path / "whole")


def test_a_complete_dataset_is_only_looked_at(photos: Path, tmp_path: Path) -> None:
    """A rerun that has nothing to do writes nothing, not even a lock."""
    out = tmp_path / "out"
    expand(config(photos, out))
    before = {path: path.stat().st_mtime_ns for path in (out, *out.rglob("*"))}
    expand(config(photos, out))
    assert {path: path.stat().st_mtime_ns for path in (out, *out.rglob("*"))} == before


def test_many_rounds_are_several_tasks_and_the_same_shards(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from augcli.augment import plan

    data, _, _ = broken_photos(photos, tmp_path)
    expand(all_for_training(data, tmp_path / "one", copies=6))
    monkeypatch.setattr(plan, "MAX_ROUNDS", 3)
    result = expand(all_for_training(data, tmp_path / "several", copies=6))
    assert len({task.name for task in result.plan.tasks}) == len(result.plan.tasks) > 10
    assert_same_tree(tmp_path / "one" / SHARDS_FOLDER, tmp_path / "several" / SHARDS_FOLDER)
    assert verify(tmp_path / "several").faults == ()
    assert result.manifest is not None
    assert result.manifest.reference.failures == 1


def test_an_image_in_two_splits_is_told(split_photos: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(split_photos, data)
    leaked = data / "test" / "circle" / "leaked.jpg"
    shutil.copy(data / "train" / "circle" / "00.jpg", leaked)
    manifest = expand(config(data, tmp_path / "out")).manifest
    assert manifest is not None
    assert manifest.reference.leaks == ("test/circle/leaked.jpg",)
    assert verify(tmp_path / "out").faults == ()


def test_out_must_not_lie_in_data(photos: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(photos, data)
    with pytest.raises(UsageError, match=r"--out .*lies inside --data"):
        expand(config(data, data / "expanded"))


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_a_policy_that_fails_on_an_image_names_it(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: int
) -> None:
    """Whoever meets it first: the estimate, the work itself or the picture of it."""
    from augcli.augment.frame import Frame
    from augcli.augment.views import View, ViewMaker

    original = ViewMaker.view

    def fails(self: ViewMaker, fitted: Frame, key: str, copy: int, label: int) -> View:
        if copy == bad:
            raise ZeroDivisionError("inside a transform")
        return original(self, fitted, key, copy, label)

    monkeypatch.setattr(ViewMaker, "view", fails)
    with pytest.raises(AugcliError, match=rf"\.jpg: the policy fails on copy {bad}: ZeroDivision"):
        expand(config(photos, tmp_path / "out"))


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"options": 1}'])
def test_a_damaged_beginning_is_told(photos: Path, tmp_path: Path, content: str) -> None:
    out = tmp_path / "out"
    (out / WORK_FOLDER).mkdir(parents=True)
    (out / WORK_FOLDER / IDENTITY_FILE).write_text(content)
    with pytest.raises(AugcliError, match=r"identity\.json: damaged .*; remove"):
        expand(config(photos, out))


def test_a_refused_rerun_does_not_redirect_training(photos: Path, tmp_path: Path) -> None:
    from augcli.manifests.cache import recall_root

    data, other, out = tmp_path / "data", tmp_path / "other", tmp_path / "out"
    shutil.copytree(photos, data)
    shutil.copytree(photos, other)
    changed = sorted(other.rglob("*.jpg"))[0]
    changed.write_bytes(changed.read_bytes() + b"\0")
    manifest = expand(config(data, out)).manifest
    assert manifest is not None
    with pytest.raises(AugcliError, match=changed.name):
        expand(config(other, out))
    assert recall_root(manifest.reference.fingerprint) == data


@pytest.mark.parametrize("workers", [2])
def test_a_killed_worker_is_told(photos: Path, tmp_path: Path, workers: int) -> None:
    """The system kills for lack of memory: one clear line, and a rerun finishes."""
    script = tmp_path / "run.py"
    script.write_text(EXPAND_WITH_DYING_WORKER)
    out = tmp_path / "out"
    command = [sys.executable, str(script), str(photos), str(out), str(workers)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert "AugcliError: a worker process was killed" in result.stderr
    assert not (out / MANIFEST_FILE).exists()
    expand(config(photos, out))
    expand(config(photos, tmp_path / "whole"))
    assert_same_tree(out, tmp_path / "whole")


EXPAND_WITH_DYING_WORKER = (
    """
import os, signal
from augcli.augment import task
def dies(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)
class Dying:
    def __init__(self, job): self.job = job
    def __call__(self, item):
        if item.chunk == 1: task.open = dies
        return task.run_task(self.job, item)
from augcli.augment import expansion
expansion._JobRunner = Dying
"""
    + EXPAND
)


def test_a_second_expansion_at_once_is_told(photos: Path, tmp_path: Path) -> None:
    import fcntl

    out = tmp_path / "out"
    (out / WORK_FOLDER).mkdir(parents=True)
    with open(out / WORK_FOLDER / LOCK_FILE, "wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(AugcliError, match="another expansion is at work"):
            expand(config(photos, out))
    expand(config(photos, out))


def test_a_folder_with_other_things_is_not_touched(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "precious"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match=r"holds other things .*thesis\.txt"):
        expand(config(photos, out))
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]
