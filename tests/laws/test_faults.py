"""Trouble of the machine: one clear line, nothing wrong on disk, and a rerun finishes the same.

A full disk, forbidden and read-only folders, sources that vanish, Ctrl-C, two expansions at once.
What needs a file system of its own runs where one can be mounted; the same faults are raised from
the system's functions everywhere.
"""

from __future__ import annotations

import builtins
import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from augcli.augment import ExpandConfig, expand
from augcli.augment import expansion as expansion_module
from augcli.augment import task as task_module
from augcli.augment.dataset_folder import LOCK_FILE
from augcli.manifests import files as files_module
from augcli.manifests.errors import AugcliError
from augcli.manifests.manifest import MANIFEST_FILE, SHARDS_FOLDER, WORK_FOLDER
from augcli.shards.verification import verify

FORMATS = ["tar", "folder"]


def config(data: Path, out: Path, **changes: object) -> ExpandConfig:
    base = ExpandConfig(
        data=str(data), out=out, copies=2, size=24, policy="basic", shard_size=6, workers=1
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def command(data: Path, out: Path, *more: object) -> list[str]:
    options = ("--copies", 2, "--size", 24, "--policy", "basic", "--shard-size", 6)
    arguments = [str(part) for part in ("--data", data, "--out", out, *options, *more)]
    return [sys.executable, "-m", "augcli.cli", "expand", *arguments]


def tree(folder: Path) -> dict[str, bytes]:
    found = folder.rglob("*")
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found if p.is_file()}


def assert_nothing_wrong(out: Path) -> None:
    """No dataset, or one that verifies; whole shards only; no temporary file under a real name."""
    if (out / MANIFEST_FILE).exists():
        assert verify(out).faults == ()
    if (out / SHARDS_FOLDER).is_dir():
        assert not [path for path in (out / SHARDS_FOLDER).iterdir() if "tmp" in path.name]


@pytest.fixture(params=FORMATS)
def format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def no_flushing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power is cut in earnest here, and flushing each small file takes most of the time."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="module")
def undisturbed(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    for format in FORMATS:
        expand(config(photos, folder / format, format=format))
    return folder


@pytest.fixture
def whole(undisturbed: Path, format: str) -> Path:
    return undisturbed / format


class Disk:
    """Fails the n-th call of one of the system's functions on a file of the dataset."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, code: int) -> None:
        self._monkeypatch = monkeypatch
        self._folder = str(folder)
        self._code = code
        self._left = -1

    def fail(self, function: str, call: int) -> None:
        self._left = call
        holder: Any = builtins if function == "open" else os
        original = getattr(holder, function)

        def failing(*arguments: Any, **named: Any) -> Any:
            if self._concerns(arguments):
                self._left -= 1
                if self._left < 0:  # and ever after, as a full disk does
                    place = arguments[0] if isinstance(arguments[0], (str, Path)) else None
                    raise OSError(self._code, os.strerror(self._code), place)
            return original(*arguments, **named)

        self._monkeypatch.setattr(holder, function, failing)

    def _concerns(self, arguments: tuple[Any, ...]) -> bool:
        if isinstance(arguments[0], int):
            return True
        writes = len(arguments) < 2 or not isinstance(arguments[1], str) or "r" not in arguments[1]
        return str(arguments[0]).startswith(self._folder) and writes

    @property
    def failed(self) -> bool:
        return self._left < 0


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS])
@pytest.mark.parametrize(
    ("function", "call"),
    [("mkdir", 0), ("open", 2), ("open", 6), ("fsync", 0), ("fsync", 9), ("replace", 3)],
)
def test_a_disk_that_fails(
    photos: Path,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    format: str,
    code: int,
    function: str,
    call: int,
) -> None:
    out = tmp_path / "out"
    disk = Disk(monkeypatch, out, code)
    disk.fail(function, call)
    with pytest.raises(AugcliError) as told:
        expand(config(photos, out, format=format))
    assert disk.failed
    assert os.strerror(code) in str(told.value)
    assert str(out) in str(told.value)
    assert "\n" not in str(told.value)
    monkeypatch.undo()
    assert_nothing_wrong(out)
    expand(config(photos, out, format=format))
    assert tree(out) == tree(whole)


@pytest.mark.parametrize("call", range(0, 14, 2))
def test_a_disk_that_fails_while_growing(
    photos: Path,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    format: str,
    call: int,
) -> None:
    """Wherever it fails: the old dataset is there and verifies, or its manifest is gone."""
    out = tmp_path / "out"
    expand(config(photos, out, copies=1, format=format))
    Disk(monkeypatch, out, errno.ENOSPC).fail("replace", call)
    with pytest.raises(AugcliError, match="No space left"):
        expand(config(photos, out, format=format))
    monkeypatch.undo()
    assert_nothing_wrong(out)
    expand(config(photos, out, format=format))
    assert tree(out) == tree(whole)


def mounted(path: Path, *options: str) -> Iterator[Path]:
    """A small file system of its own, where this user may mount one."""
    path.mkdir()
    done = (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", ",".join(options), "augcli-test", str(path)],
            capture_output=True,
            text=True,
        )
        if shutil.which("mount") and sys.platform == "linux"
        else None
    )
    if done is None or done.returncode:
        pytest.skip("no file system can be mounted here (the raised faults above are tested)")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    yield from mounted(tmp_path / "disk", "size=1m", "mode=777")


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True)


def assert_one_line(result: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert result.returncode == code, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("augcli: ")
    assert all(word in lines[0] for word in words), lines[0]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_that_is_full(photos: Path, small_disk: Path, tmp_path: Path, workers: int) -> None:
    """Room is there when the run begins, and goes while it is at work."""
    data, out = tmp_path / "data", small_disk / "out"
    shutil.copytree(photos, data)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(900_000))
    # The estimate must let it begin: it is not what is tested here.
    script = (
        "import sys; from augcli.augment import expansion; from augcli.cli import main; "
        "expansion.check_space = lambda *given: None; main(sys.argv[1:])"
    )
    arguments = command(data, out, "--workers", workers)[3:]
    result = run([sys.executable, "-c", script, *arguments])
    assert_one_line(result, 1, "No space left on device", str(out), "run it again")
    assert_nothing_wrong(out)
    ballast.unlink()
    again = run(command(data, out, "--workers", workers))
    assert again.returncode == 0, again.stderr
    assert run(command(data, tmp_path / "whole")).returncode == 0
    assert tree(out) == tree(tmp_path / "whole")


def test_a_disk_that_is_too_small_is_refused_at_once(photos: Path, small_disk: Path) -> None:
    result = run([*command(photos, small_disk / "out"), "--copies", "4000"])
    assert_one_line(result, 1, str(small_disk), "needed", "free")
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("there", ["nothing", "dataset"])
def test_a_read_only_target(photos: Path, small_disk: Path, there: str) -> None:
    out = small_disk / "out"
    if there == "dataset":
        assert run(command(photos, out, "--copies", 1)).returncode == 0
    before = tree(out)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert_one_line(run(command(photos, out)), 1, "Read-only file system", str(out))
    assert tree(out) == before
    if there == "dataset":  # that has nothing to do, needs nothing
        assert run(command(photos, out, "--copies", 1)).returncode == 0
        assert verify(out).faults == ()
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert run(command(photos, out)).returncode == 0


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_forbidden_target(photos: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    assert_one_line(run(command(photos, closed / "out")), 1, "Permission denied", str(closed))


Vanish = Callable[[Path], None]


def the_root(data: Path) -> None:
    data.rename(data.with_name("gone"))


def a_class(data: Path) -> None:
    (data / "square").rename(data.with_name("gone"))


@pytest.mark.parametrize("vanish", [the_root, a_class])
@pytest.mark.parametrize("on_error", ["skip", "fail"])
def test_a_source_that_vanishes_meanwhile(
    photos: Path,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    format: str,
    vanish: Vanish,
    on_error: str,
) -> None:
    """As a drive that is unplugged: no fault of its images, which are not to be left out."""
    data = Path(shutil.copytree(photos, tmp_path / "shapes"))
    out = tmp_path / "out"
    original, calls = task_module.run_task, iter(range(10**6))

    def vanishing(job: Any, task: Any) -> Any:
        if next(calls) == 2:
            vanish(data)
        return original(job, task)

    monkeypatch.setattr(expansion_module, "run_task", vanishing)
    with pytest.raises(AugcliError, match=r"can't be reached any more.*run it again"):
        expand(config(data, out, format=format, on_error=on_error))
    monkeypatch.undo()
    assert not (out / MANIFEST_FILE).exists()
    if vanish is the_root:
        (tmp_path / "gone").rename(data)
    else:
        (tmp_path / "gone").rename(data / "square")
    expand(config(data, out, format=format, on_error=on_error))
    assert tree(out) == tree(whole)


def test_one_image_that_vanishes_is_reported(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = Path(shutil.copytree(photos, tmp_path / "data"))
    gone = sorted(data.rglob("*.jpg"))[4]
    original = task_module.run_task

    def vanishing(job: Any, task: Any) -> Any:
        gone.unlink(missing_ok=True)
        return original(job, task)

    monkeypatch.setattr(expansion_module, "run_task", vanishing)
    result = expand(config(data, tmp_path / "out"))
    assert result.manifest is not None
    assert result.manifest.reference.failures == 1
    assert gone.name in (tmp_path / "out" / "failures.jsonl").read_text()
    assert verify(tmp_path / "out").faults == ()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("whom", ["parent", "group"])
def test_ctrl_c(photos: Path, tmp_path: Path, format: str, workers: int, whom: str) -> None:
    """At a terminal the whole group is told; by `kill -INT`, the parent only."""
    out = tmp_path / "out"
    process = subprocess.Popen(
        command(photos, out, "--workers", workers, "--format", format, "--copies", 3000),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _wait_until(lambda: any((out / WORK_FOLDER).glob("*.tmp")), process)
        time.sleep(0.1)
        (os.killpg if whom == "group" else os.kill)(process.pid, signal.SIGINT)
        started = time.monotonic()
        output, told = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert time.monotonic() - started < 30
    assert process.returncode == 130, told
    assert [line for line in told.splitlines() if line] == [
        "augcli: interrupted; what was finished is kept: run it again"
    ]
    assert output == ""
    assert not (out / MANIFEST_FILE).exists()
    assert _members(process.pid) == []


def _wait_until(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def _members(group: int) -> list[str]:
    """Processes that are left of a process group; workers take a moment to end."""
    for _ in range(100):
        listed = run(["ps", "-o", "pid=,stat=", "-g", str(group)]).stdout.split("\n")
        left = [line for line in listed if line.strip() and "Z" not in line]
        if not left:
            return []
        time.sleep(0.02)
    return left


def test_ctrl_c_and_again(
    photos: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    out = tmp_path / "out"
    original, calls = task_module.run_task, iter(range(10**6))

    def interrupted(job: Any, task: Any) -> Any:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return original(job, task)

    monkeypatch.setattr(expansion_module, "run_task", interrupted)
    with pytest.raises(KeyboardInterrupt):
        expand(config(photos, out, format=format))
    monkeypatch.undo()
    assert_nothing_wrong(out)
    result = expand(config(photos, out, format=format))
    assert 0 < result.views_made < result.plan.views
    assert tree(out) == tree(whole)


def test_the_second_at_once_is_told_at_once(
    photos: Path, whole: Path, tmp_path: Path, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it looks at a single image, and without disturbing the first."""
    from augcli.augment import preparing

    out = tmp_path / "out"
    second: list[AugcliError] = []
    original = task_module.run_task

    def meanwhile(job: Any, task: Any) -> Any:
        if not second:
            with monkeypatch.context() as patched:
                patched.setattr(preparing, "load_reference", lambda *given, **named: 1 / 0)
                with pytest.raises(AugcliError, match="another expansion is at work") as told:
                    expand(config(photos, out, seed=5))
            second.append(told.value)
        return original(job, task)

    monkeypatch.setattr(expansion_module, "run_task", meanwhile)
    expand(config(photos, out, format=format))
    assert second
    assert tree(out) == tree(whole)


def test_another_that_finished_while_this_one_planned(
    photos: Path, whole: Path, tmp_path: Path, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second has looked at the folder when the first begins, and opens it when it is done."""
    out = tmp_path / "out"
    original = expansion_module._make

    def late(*arguments: Any) -> int | None:
        monkeypatch.setattr(expansion_module, "_make", original)
        expand(config(photos, out, format=format))
        return original(*arguments)

    monkeypatch.setattr(expansion_module, "_make", late)
    with pytest.raises(AugcliError, match="has finished or begun there meanwhile"):
        expand(config(photos, out, seed=5, format=format))
    assert verify(out).faults == ()
    expand(config(photos, out, format=format))
    assert tree(out) == tree(whole)


def test_the_lock_is_a_lock(tmp_path: Path) -> None:
    """Across processes: else the tests above prove little."""
    path = tmp_path / LOCK_FILE
    holder = (
        "import sys; from pathlib import Path; from augcli.manifests.files import exclusive_lock\n"
        "with exclusive_lock(Path(sys.argv[1]), 'busy'): print('held', flush=True); input()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", holder, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(AugcliError, match=r"^busy$"), files_module.exclusive_lock(path, "busy"):
        pass
    process.kill()
    process.communicate()
    with files_module.exclusive_lock(path, "busy"):
        pass


@pytest.mark.parametrize("usable", [0, 1])
def test_a_class_without_usable_images_is_an_error(
    photos: Path, tmp_path: Path, format: str, usable: int
) -> None:
    data = Path(shutil.copytree(photos, tmp_path / "data"))
    for path in sorted((data / "circle").iterdir())[usable:]:
        path.write_bytes(b"\xff\xd8\xff broken")
    settings = config(data, tmp_path / "out", format=format, val_fraction=0.0, test_fraction=0.0)
    if usable:
        expand(settings)
        return
    with pytest.raises(AugcliError, match="no usable training image is left for: circle") as told:
        expand(settings)
    assert "circle/00.jpg" in str(told.value)
    assert not (tmp_path / "out" / MANIFEST_FILE).exists()


@pytest.mark.parametrize(("bad", "fails"), [(200, False), (230, True)])
def test_a_result_with_hardly_any_image_is_an_error(
    photos: Path, tmp_path: Path, bad: int, fails: bool
) -> None:
    data = Path(shutil.copytree(photos, tmp_path / "data"))  # 24 sound ones
    for number in range(bad):
        (data / "square" / f"bad-{number}.jpg").write_bytes(b"\xff\xd8\xff" + b"%d" % number)
    if fails:
        with pytest.raises(AugcliError, match=rf"only 24 of {24 + bad} images can be used"):
            expand(config(data, tmp_path / "out"))
        assert not (tmp_path / "out" / MANIFEST_FILE).exists()
    else:
        expand(config(data, tmp_path / "out"))


def test_a_single_class_is_an_error(photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos / "circle", tmp_path / "data" / "circle")
    with pytest.raises(AugcliError, match="at least two classes are needed, found: circle"):
        expand(config(tmp_path / "data", tmp_path / "out"))
